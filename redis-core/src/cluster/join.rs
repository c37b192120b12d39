//! From the replies to the parts of a command to one reply: [`Join`].

use crate::command::{CommandInfo, ResponsePolicy};
use crate::error::{ClusterCause, ClusterError, Done, Error, ErrorKind, Phase, Result};
use crate::reply::{Frame, FrameRef, Reply};
use crate::runtime::planted::Planted;
use crate::wire::encode::Output;

/// A command that was split, and how the replies to its parts become one.
#[derive(Debug)]
pub(super) struct Join {
    /// The number of its first part among all commands.
    pub(super) first: usize,
    parts: Parts,
    info: &'static CommandInfo,
}

/// The parts of a command.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The numbers of the keys, part after part.
    keys: Vec<usize>,
    /// For each part, how many of these it has.
    counts: Vec<usize>,
}

impl Parts {
    /// Room for this many keys.
    pub(super) fn with_capacity(keys: usize) -> Self {
        Self {
            keys: Vec::with_capacity(keys),
            counts: Vec::with_capacity(keys),
        }
    }

    /// Adds a part with the keys that have these numbers.
    pub(super) fn push(&mut self, keys: impl ExactSizeIterator<Item = usize>) {
        self.counts.push(keys.len());
        self.keys.extend(keys);
    }

    /// The numbers of the keys of each part.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        let mut rest = self.keys.as_slice();
        self.counts.iter().map(move |count| {
            let (keys, more) = rest.split_at_checked(*count).unwrap_or_default();
            rest = more;
            keys
        })
    }
}

impl Join {
    pub(super) fn new(first: usize, parts: Parts, info: &'static CommandInfo) -> Self {
        Self { first, parts, info }
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.parts.counts.len()
    }

    /// Whether the reply is a list with an element for each key.
    pub(super) fn is_list_by_keys(&self) -> bool {
        self.info.response_policy == ResponsePolicy::Default && !self.parts.keys.is_empty()
    }

    /// The list of the elements of the parts, each in the place of its key. `None` if a part has not one for each of its keys.
    pub(super) fn list_by_keys<'r>(&self, mut parts: impl PartElements<'r>) -> Option<Frame> {
        let mut elements = vec![&[][..]; self.parts.keys.len()];
        let mut places = 0..;
        for keys in self.parts.iter() {
            if parts.enter()? != keys.len() {
                return None;
            }
            for (key, place) in keys.iter().zip(&mut places) {
                let misplaced = Planted::SplitOrder.is_here();
                let place = if misplaced { place } else { *key };
                *elements.get_mut(place)? = parts.next_element()?;
            }
        }
        Some(list(&elements))
    }

    /// Makes one reply of those to its parts.
    pub(super) fn reply(&self, replies: Vec<Result<Frame>>) -> Result<Frame> {
        let refusal = |frame: Frame| match frame.reply().error() {
            Some(error) => Err(Error::refused(error)),
            None => Ok(frame),
        };
        let outcomes = replies
            .into_iter()
            .map(|outcome| outcome.and_then(refusal))
            .zip(self.parts.iter());
        join(self.info, outcomes.collect())
    }
}

/// The elements of the lists that answered the parts, one after another.
pub(super) trait PartElements<'r> {
    /// The number of elements of the next part; `None` if it was not answered with a list, or with one of many elements.
    fn enter(&mut self) -> Option<usize>;

    /// The next element of this part.
    fn next_element(&mut self) -> Option<&'r [u8]>;
}

/// The outcome of each part, and the numbers of its keys.
type Outcomes<'j> = Vec<(Result<Frame>, &'j [usize])>;

fn join(info: &CommandInfo, outcomes: Outcomes<'_>) -> Result<Frame> {
    if info.response_policy == ResponsePolicy::OneSucceeded
        && let Some(place) = outcomes.iter().position(|(outcome, _)| outcome.is_ok())
    {
        return outcomes
            .into_iter()
            .nth(place)
            .map_or_else(|| Err(nothing()), |(outcome, _)| outcome);
    }
    let outcomes = all_or_error(info, outcomes)?;
    match info.response_policy {
        ResponsePolicy::AggSum => fold(&outcomes, i64::saturating_add),
        ResponsePolicy::AggMin => fold(&outcomes, i64::min),
        ResponsePolicy::AggMax => fold(&outcomes, i64::max),
        ResponsePolicy::AggLogicalAnd => fold(&outcomes, |a, b| i64::from(a != 0 && b != 0)),
        ResponsePolicy::AggLogicalOr => fold(&outcomes, |a, b| i64::from(a != 0 || b != 0)),
        ResponsePolicy::Default => in_order(outcomes),
        ResponsePolicy::AllSucceeded | ResponsePolicy::OneSucceeded | ResponsePolicy::Special => {
            first(outcomes)
        }
    }
}

/// The replies, unless a part failed. If others were or may have been carried out, the error says so.
fn all_or_error<'j>(
    info: &CommandInfo,
    outcomes: Outcomes<'j>,
) -> Result<Vec<(Frame, &'j [usize])>> {
    let keys: usize = outcomes.iter().map(|(_, keys)| keys.len()).sum();
    let parts = outcomes.len();
    let mut replies = Vec::with_capacity(parts);
    let mut failure = None;
    for (outcome, keys) in outcomes {
        match outcome {
            Ok(frame) => replies.push((frame, keys)),
            Err(error) => failure = Some(graver(failure, error)),
        }
    }
    match failure {
        None => Ok(replies),
        Some(error) if info.readonly || replies.is_empty() => Err(error),
        Some(error) if Planted::UnsentPart.is_here() => Err(error),
        Some(error) => Err(error.partly(done(&replies, keys, parts))),
    }
}

/// For which of the keys, or on how many of the nodes, a command was carried out.
fn done(replies: &[(Frame, &[usize])], keys: usize, parts: usize) -> Done {
    if keys == 0 {
        return Done::Nodes {
            done: replies.len(),
            all: parts,
        };
    }
    let mut done: Vec<usize> = replies
        .iter()
        .flat_map(|(_, keys)| *keys)
        .copied()
        .collect();
    done.sort_unstable();
    Done::Keys { done, all: keys }
}

/// Of two failures, the one after which more may have been done; if they are equal, the first.
pub(super) fn graver(first: Option<Error>, second: Error) -> Error {
    let done = |error: &Error| match error.phase() {
        Phase::NotSent => 0,
        Phase::Refused => 1,
        Phase::MaybeApplied | Phase::Applied => 2,
    };
    match first {
        Some(first) if done(&first) >= done(&second) => first,
        _ => second,
    }
}

fn first(outcomes: Vec<(Frame, &[usize])>) -> Result<Frame> {
    let first = outcomes.into_iter().next();
    first.map(|(frame, _)| frame).ok_or_else(nothing)
}

#[cold]
fn nothing() -> Error {
    let error = ClusterError::new(ClusterCause::NoNode, "no known node can answer");
    Error::new(ErrorKind::Cluster(error), Phase::NotSent)
}

/// Combines integers, or lists of integers position by position.
fn fold(outcomes: &[(Frame, &[usize])], fold: impl Fn(i64, i64) -> i64) -> Result<Frame> {
    let mut sum: Option<Vec<i64>> = None;
    let mut is_list = false;
    for (frame, _) in outcomes {
        let numbers: Vec<i64> = match frame.reply() {
            Reply::Integer(number) => vec![number],
            _ => {
                is_list = true;
                frame.clone().decode()?
            }
        };
        sum = Some(match sum {
            None => numbers,
            Some(sum) => sum
                .into_iter()
                .zip(numbers)
                .map(|(a, b)| fold(a, b))
                .collect(),
        });
    }
    let numbers = sum.ok_or_else(nothing)?;
    let mut bytes = Vec::new();
    if is_list {
        bytes.extend_from_slice(format!("*{}\r\n", numbers.len()).as_bytes());
    }
    for number in numbers {
        bytes.extend_from_slice(format!(":{number}\r\n").as_bytes());
    }
    Ok(Frame::from_scanned(bytes::Bytes::from(bytes)))
}

/// Joins lists: in the order of the numbers of their keys, if they have numbers, otherwise one after another. Of
/// replies that are not lists, the first is taken.
fn in_order(outcomes: Vec<(Frame, &[usize])>) -> Result<Frame> {
    if outcomes
        .iter()
        .any(|(frame, _)| frame.lent_elements().is_none())
    {
        return first(outcomes);
    }
    // Each element with its number.
    let mut elements: Vec<(usize, FrameRef<'_>)> = Vec::with_capacity(outcomes.len());
    for (frame, keys) in &outcomes {
        let lent = frame.lent_elements().into_iter().flatten();
        let before = elements.len();
        let number = |index: usize| keys.get(index).copied().unwrap_or_default();
        elements.extend(lent.enumerate().map(|(index, one)| (number(index), one)));
        if !keys.is_empty() && elements.len() - before != keys.len() {
            return Err(Error::protocol(
                "a node answered with fewer values than it was asked for",
            ));
        }
    }
    // Stable, so that elements without a number keep their order.
    if !Planted::SplitOrder.is_here() {
        elements.sort_by_key(|(number, _)| *number);
    }
    let elements: Vec<&[u8]> = elements.iter().map(|(_, one)| one.as_bytes()).collect();
    Ok(list(&elements))
}

/// The list of some elements.
fn list(elements: &[&[u8]]) -> Frame {
    let length: usize = elements.iter().map(|one| one.len()).sum();
    let mut bytes = format!("*{}\r\n", elements.len()).into_bytes();
    bytes.reserve(length);
    elements.iter().for_each(|one| bytes.put(one));
    Frame::from_scanned(bytes::Bytes::from(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::command::{RequestPolicy, command_info};
    use crate::error::{Obstacle, ServerError};

    static DEL: CommandInfo =
        command_info!("DEL").policies(RequestPolicy::MultiShard, ResponsePolicy::AggSum);
    static TOUCH: CommandInfo = command_info!("TOUCH")
        .readonly()
        .policies(RequestPolicy::MultiShard, ResponsePolicy::AggSum);

    /// Joins the replies to three parts, the first of which has two keys.
    fn joined(info: &'static CommandInfo, failure: Error) -> Error {
        let mut parts = Parts::default();
        parts.push([3, 1].into_iter());
        parts.push([2].into_iter());
        parts.push([0].into_iter());
        let one = || Frame::parse(":1\r\n").unwrap();
        let replies = vec![Ok(one()), Err(failure), Ok(one())];
        Join::new(0, parts, info).reply(replies).unwrap_err()
    }

    fn late(phase: Phase) -> Error {
        Error::timeout(phase, Some(Arc::new(Obstacle::LeasesInUse(7))))
    }

    #[test]
    fn the_failure_of_a_part_is_that_of_the_whole_and_says_what_was_done() {
        for phase in [Phase::NotSent, Phase::MaybeApplied] {
            let error = joined(&DEL, late(phase));
            assert!(
                error.is_timeout() && error.obstacle().is_some(),
                "{error:?}"
            );
            assert_eq!(error.phase(), Phase::MaybeApplied);
            let done = Done::Keys {
                done: vec![0, 1, 3],
                all: 4,
            };
            assert_eq!(error.done(), Some(&done));
        }
        let refusal = Error::refused(ServerError::new("TRYAGAIN later"));
        let error = joined(&DEL, refusal);
        assert_eq!(error.server().unwrap().code(), "TRYAGAIN");
        assert!(!error.is_retryable(), "some of its keys are deleted");
    }

    #[test]
    fn a_read_is_not_done_in_part() {
        let error = joined(&TOUCH, late(Phase::NotSent));
        assert_eq!((error.phase(), error.done()), (Phase::NotSent, None));
        assert!(error.is_retryable());
    }
}
