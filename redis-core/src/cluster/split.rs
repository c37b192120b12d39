//! One command on many nodes: it is split, or sent to all, and the replies are joined into one.

use super::routes::Routes;
use crate::chain::routing::{Goal, Singles};
use crate::command::{Args, CommandInfo, Keys, RequestPolicy, ResponsePolicy, Slots, slot};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::reply::{Frame, FrameRef, Reply};
use crate::runtime::planted::Planted;
use crate::wire::encode;

/// Which nodes a command goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// The owner of its slot, or any primary.
    OneNode,
    /// The owner of each slot gets its keys.
    BySlots,
    /// Every primary.
    Primaries,
    /// Every node.
    AllNodes,
}

/// Decides which nodes a command goes to, from its row and its keys.
///
/// # Errors
/// It cannot go over a cluster in this form.
pub(super) fn plan(args: &mut Args) -> Result<Plan> {
    if !args.is_plain()
        && let Some(reason) = args.conduct().unfit_for_shared()
    {
        return Err(Error::usage(reason).of_command(args.name()));
    }
    let info = args.info();
    match (info.request_policy, args.slots()) {
        (RequestPolicy::MultiShard, Slots::Several(..)) if Layout::of(args).is_some() => {
            Ok(Plan::BySlots)
        }
        (_, Slots::Several(first, second)) => Err(args.crossing_slots(first, second)),
        (
            RequestPolicy::AllShards | RequestPolicy::AllNodes | RequestPolicy::Special,
            Slots::None,
        ) if info.request_policy == RequestPolicy::Special
            || info.response_policy == ResponsePolicy::Special =>
        {
            let text = "its replies from several nodes do not become one; call it on one node: `cluster.node(address)`";
            Err(Error::usage(text).of_command(args.name()))
        }
        (RequestPolicy::AllShards, Slots::None) => Ok(Plan::Primaries),
        (RequestPolicy::AllNodes, Slots::None) => Ok(Plan::AllNodes),
        _ => Ok(Plan::OneNode),
    }
}

/// How the keys of a command that is split are placed among its words: the name, then groups of a key and the words
/// that belong to it, then words that each part gets.
struct Layout {
    first: usize,
    group: usize,
    count: usize,
}

impl Layout {
    fn of(args: &Args) -> Option<Self> {
        let [first, second, ..] = args.key_positions() else {
            return None;
        };
        let (first, group) = (*first as usize, second.checked_sub(*first)? as usize);
        let count = args.key_positions().len();
        let mut places = args.key_positions().iter().zip(0..);
        let even =
            places.all(|(place, index): (&u32, usize)| *place as usize == first + index * group);
        (even && group > 0 && first == args.info().words as usize).then_some(Self {
            first,
            group,
            count,
        })
    }
}

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
struct Parts {
    /// The numbers of the keys, part after part.
    keys: Vec<usize>,
    /// For each part, how many of these it has.
    counts: Vec<usize>,
}

impl Parts {
    /// The numbers of the keys of each part.
    fn iter(&self) -> impl Iterator<Item = &[usize]> {
        let mut rest = self.keys.as_slice();
        self.counts.iter().map(move |count| {
            let (keys, more) = rest.split_at_checked(*count).unwrap_or_default();
            rest = more;
            keys
        })
    }
}

impl Join {
    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.parts.counts.len()
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

/// Replaces each command that concerns several nodes by its parts.
///
/// # Errors
/// A command cannot go over a cluster in this form; its number is with the error.
pub(super) fn expand(singles: &mut Singles, routes: &Routes) -> Result<Vec<Join>, (usize, Error)> {
    let mut joins = Vec::new();
    for (index, single) in singles.take_list().into_iter().enumerate() {
        let mut args = match single.into_unusual() {
            Ok(args) => args,
            Err(single) => {
                singles.put_back(single);
                continue;
            }
        };
        let first = singles.len();
        let info = args.info();
        let parts = match plan(&mut args).map_err(|error| (index, error))? {
            Plan::OneNode => {
                let goal = Goal::of(&args);
                singles.push_for(args, goal);
                continue;
            }
            Plan::BySlots => by_slots(&args, singles),
            Plan::Primaries => {
                to_each(&args, routes.primary_places().map(Goal::ThisShard), singles)
            }
            Plan::AllNodes => {
                let places = 0..routes.nodes().len();
                to_each(&args, places.map(Goal::ThisNode), singles)
            }
        };
        joins.push(Join { first, parts, info });
    }
    Ok(joins)
}

/// Adds the parts of a command, one for each slot.
fn by_slots(args: &Args, singles: &mut Singles) -> Parts {
    let Some(layout) = Layout::of(args) else {
        return Parts::default();
    };
    let encoded = args.joined();
    let words: Vec<&[u8]> = encode::words(&encoded).collect();
    let (_, rest) = words.split_at_checked(layout.first).unwrap_or_default();
    let groups: Vec<&[&[u8]]> = rest.chunks(layout.group).take(layout.count).collect();
    let tail = rest.get(layout.count * layout.group..).unwrap_or_default();
    let keys = groups.iter().filter_map(|group| group.first()).enumerate();
    let mut by_slot: Vec<(u16, usize)> = keys.map(|(number, key)| (slot(key), number)).collect();
    by_slot.sort_unstable();
    let mut parts = Parts::default();
    for of_one_slot in by_slot.chunk_by(|(one, _), (other, _)| one == other) {
        let mut part = Args::lease(args.info(), Keys::Ignored);
        for group in of_one_slot
            .iter()
            .filter_map(|(_, number)| groups.get(*number))
        {
            group.iter().for_each(|word| part.arg("argument", *word));
        }
        tail.iter().for_each(|word| part.arg("argument", *word));
        if let Some((slot, _)) = of_one_slot.first() {
            singles.push_for(part, Goal::Owner(*slot));
        }
        parts.counts.push(of_one_slot.len());
    }
    parts.keys = by_slot.into_iter().map(|(_, number)| number).collect();
    parts
}

/// Adds a command once for each of these goals.
fn to_each(args: &Args, goals: impl Iterator<Item = Goal>, singles: &mut Singles) -> Parts {
    let mut parts = Parts::default();
    for goal in goals {
        singles.push_for(Box::new(args.again()), goal);
        parts.counts.push(0);
    }
    parts
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

/// The replies, unless a part failed. If others were carried out, the error says for which keys.
fn all_or_error<'j>(
    info: &CommandInfo,
    outcomes: Outcomes<'j>,
) -> Result<Vec<(Frame, &'j [usize])>> {
    let all: usize = outcomes.iter().map(|(_, keys)| keys.len()).sum();
    let mut replies = Vec::with_capacity(outcomes.len());
    let mut failure = None;
    for (outcome, keys) in outcomes {
        match outcome {
            Ok(frame) => replies.push((frame, keys)),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    let Some(error) = failure else {
        return Ok(replies);
    };
    let mut done: Vec<usize> = replies
        .iter()
        .flat_map(|(_, keys)| *keys)
        .copied()
        .collect();
    if info.readonly || done.is_empty() {
        return Err(error);
    }
    done.sort_unstable();
    let numbers: Vec<String> = done.iter().map(usize::to_string).collect();
    let text = format!(
        "{error}; it has {all} keys, counted from 0, and was carried out for these: {}",
        numbers.join(", ")
    );
    Err(Error::new(
        ErrorKind::Cluster(text.into()),
        Phase::MaybeApplied,
    ))
}

fn first(outcomes: Vec<(Frame, &[usize])>) -> Result<Frame> {
    let first = outcomes.into_iter().next();
    first.map(|(frame, _)| frame).ok_or_else(nothing)
}

#[cold]
fn nothing() -> Error {
    let text = "no known node can answer";
    Error::new(ErrorKind::Cluster(text.into()), Phase::NotSent)
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
    let length: usize = elements.iter().map(|(_, one)| one.as_bytes().len()).sum();
    let mut bytes = format!("*{}\r\n", elements.len()).into_bytes();
    bytes.reserve(length);
    for (_, one) in &elements {
        bytes.extend_from_slice(one.as_bytes());
    }
    Ok(Frame::from_scanned(bytes::Bytes::from(bytes)))
}
