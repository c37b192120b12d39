//! From the replies of many nodes to one outcome for each command, in the order of the caller: [`Gather`].

use std::collections::BTreeMap;

use super::detour::error_of;
use super::join::{Join, PartElements};
use crate::chain::gathered::{ByNode, EachOutcome, EachReply};
use crate::chain::pieces::Cursor;
use crate::error::{Error, Result};
use crate::reply::{Frame, FrameRef};
use crate::wire::Chunk;

/// Replies of at most this many bytes are copied into one piece with those around them; longer ones are shared.
const COPIED: usize = 1024;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// For each command, the number of the bundle in which it was first sent.
    first: Vec<usize>,
    /// The replies of these bundles.
    replies: Vec<Vec<Chunk>>,
    /// The outcomes of commands that were redirected, refused or lost. They count in place of what their first bundle
    /// brought.
    others: BTreeMap<usize, Outcome>,
}

/// The outcome of one command.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Chunk),
    Failed(Error),
    /// It is still on its way.
    Awaited,
}

impl Gather {
    pub(super) fn reserve(&mut self, commands: usize) {
        self.first.reserve(commands);
    }

    /// The next command is first sent in the bundle with this number.
    pub(super) fn expect(&mut self, bundle: usize) {
        self.first.push(bundle);
    }

    /// The replies of a bundle: one for each of its commands, or, if it failed, for the first ones.
    pub(super) fn take(&mut self, bundle: usize, chunks: Vec<Chunk>) {
        if self.replies.len() <= bundle {
            self.replies.resize_with(bundle + 1, Vec::new);
        }
        if let Some(replies) = self.replies.get_mut(bundle) {
            *replies = chunks;
        }
    }

    /// The outcome of a command, whatever its first bundle brought.
    pub(super) fn settle(&mut self, command: usize, outcome: Outcome) {
        self.others.insert(command, outcome);
    }

    /// Calls `show` with the first error that is the outcome of one of the commands.
    pub(super) fn with_error(
        &self,
        commands: impl Iterator<Item = usize>,
        show: impl FnOnce(&Error),
    ) {
        for outcome in commands.filter_map(|command| self.others.get(&command)) {
            match outcome {
                Outcome::Failed(error) => return show(error),
                Outcome::Reply(reply) => {
                    if let Some(refusal) = error_of(reply) {
                        return show(&Error::refused(refusal));
                    }
                }
                Outcome::Awaited => {}
            }
        }
    }

    /// What the first bundle brought for a command does not count.
    pub(super) fn await_outcome(&mut self, command: usize) {
        self.settle(command, Outcome::Awaited);
    }

    /// Puts the outcomes in order. Those of the parts of a split command become one.
    pub(super) fn join(self, joins: &[Join]) -> EachOutcome {
        if joins.is_empty() && self.others.is_empty() {
            return EachOutcome {
                replies: EachReply::ByNode(ByNode::new(self.first, self.replies)),
                failures: Vec::new(),
            };
        }
        self.put_in_order(joins)
    }

    fn put_in_order(self, joins: &[Join]) -> EachOutcome {
        let mut joined = Joined::default();
        let commands = self.first.len();
        let mut arrived = Arrived::new(&self.first, &self.replies, self.others);
        let mut joins = joins.iter().peekable();
        let (mut part, mut index) = (0, 0);
        while part < commands {
            match joins.next_if(|join| join.first == part) {
                None => {
                    joined.put(index, arrived.next(part));
                    part += 1;
                }
                Some(join) => {
                    joined.put(index, arrived.join(join).into());
                    part += join.len();
                }
            }
            index += 1;
        }
        joined.finish()
    }
}

#[cold]
fn missing() -> Error {
    Error::protocol("there are fewer replies than commands")
}

/// What has arrived, one command after another.
struct Arrived<'r> {
    first: &'r [usize],
    replies: &'r [Vec<Chunk>],
    /// The place of the next reply of each bundle.
    cursors: Vec<Cursor>,
    others: BTreeMap<usize, Outcome>,
}

/// The outcome of a command.
enum Next<'r> {
    /// It lies among others.
    Frame(FrameRef<'r>),
    Chunk(Chunk),
    Failed(Error),
}

impl Next<'_> {
    fn into_frame(self) -> Result<Frame> {
        match self {
            Self::Frame(frame) => Ok(frame.to_frame()),
            Self::Chunk(chunk) => Ok(Frame::from_scanned(chunk)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<Result<Frame>> for Next<'_> {
    fn from(outcome: Result<Frame>) -> Self {
        match outcome {
            Ok(frame) => Self::Chunk(frame.into_chunk()),
            Err(error) => Self::Failed(error),
        }
    }
}

impl<'r> Arrived<'r> {
    fn new(
        first: &'r [usize],
        replies: &'r [Vec<Chunk>],
        others: BTreeMap<usize, Outcome>,
    ) -> Self {
        Self {
            first,
            replies,
            cursors: vec![Cursor::default(); replies.len()],
            others,
        }
    }

    /// The outcome of the next command.
    fn next(&mut self, command: usize) -> Next<'r> {
        let frame = self.replies_to(command).and_then(|mut all| all.next());
        let other = if self.others.is_empty() {
            None
        } else {
            self.others.remove(&command)
        };
        match (other, frame) {
            (None, Some(frame)) => Next::Frame(frame),
            (Some(Outcome::Reply(chunk)), _) => Next::Chunk(chunk),
            (Some(Outcome::Failed(error)), _) => Next::Failed(error),
            (Some(Outcome::Awaited), _) | (None, None) => Next::Failed(missing()),
        }
    }

    /// The replies of the bundle in which a command was first sent.
    fn replies_to(&mut self, command: usize) -> Option<Replies<'r, '_>> {
        let bundle = *self.first.get(command)?;
        Some(Replies {
            chunks: self.replies.get(bundle)?,
            cursor: self.cursors.get_mut(bundle)?,
        })
    }

    /// The outcome of the command that was split, whose parts come next.
    fn join(&mut self, join: &Join) -> Result<Frame> {
        if join.is_list_by_keys() && self.others.is_empty() {
            let before = self.cursors.clone();
            let elements = Elements {
                arrived: &mut *self,
                next: join.first,
                entered: join.first,
            };
            if let Some(list) = join.list_by_keys(elements) {
                return Ok(list);
            }
            self.cursors = before;
        }
        let parts = join.first..join.first + join.len();
        join.reply(parts.map(|part| self.next(part).into_frame()).collect())
    }
}

/// The replies of a bundle, and the place of the next.
struct Replies<'r, 'c> {
    chunks: &'r [Chunk],
    cursor: &'c mut Cursor,
}

impl<'r> Replies<'r, '_> {
    #[inline]
    fn next(&mut self) -> Option<FrameRef<'r>> {
        match self.cursor.next_short(self.chunks) {
            Some(frame) => Some(frame),
            None => self.cursor.next(self.chunks),
        }
    }
}

/// The elements of the lists that answered the parts of a command.
struct Elements<'r, 'a> {
    arrived: &'a mut Arrived<'r>,
    /// The part that comes next.
    next: usize,
    /// The part whose elements are taken.
    entered: usize,
}

impl<'r> PartElements<'r> for Elements<'r, '_> {
    fn enter(&mut self) -> Option<usize> {
        (self.entered, self.next) = (self.next, self.next + 1);
        let replies = self.arrived.replies_to(self.entered)?;
        replies.cursor.enter_short_array(replies.chunks)
    }

    fn next_element(&mut self) -> Option<&'r [u8]> {
        let element = self.arrived.replies_to(self.entered)?.next()?;
        Some(element.as_bytes())
    }
}

/// Outcomes in the order of the commands.
#[derive(Default)]
struct Joined {
    chunks: Vec<Chunk>,
    failures: Vec<(usize, Error)>,
    /// Short replies that come one after another.
    short: Vec<u8>,
}

impl Joined {
    #[inline]
    fn put(&mut self, index: usize, outcome: Next<'_>) {
        match outcome {
            Next::Frame(frame) if frame.as_bytes().len() <= COPIED => {
                self.short.extend_from_slice(frame.as_bytes());
            }
            Next::Frame(frame) => self.put_chunk(frame.to_chunk()),
            Next::Chunk(chunk) => self.put_chunk(chunk),
            Next::Failed(error) => {
                self.short.extend_from_slice(EachOutcome::NO_REPLY);
                self.failures.push((index, error));
            }
        }
    }

    fn put_chunk(&mut self, chunk: Chunk) {
        if chunk.len() <= COPIED {
            self.short.extend_from_slice(&chunk);
            return;
        }
        self.close_short();
        self.chunks.push(chunk);
    }

    fn close_short(&mut self) {
        if !self.short.is_empty() {
            let bytes = bytes::Bytes::from(std::mem::take(&mut self.short));
            self.chunks.push(bytes.into());
        }
    }

    fn finish(mut self) -> EachOutcome {
        self.close_short();
        EachOutcome {
            replies: EachReply::InOrder(self.chunks),
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::join::Parts;
    use crate::command::{CommandInfo, RequestPolicy, ResponsePolicy, command_info};

    static MGET: CommandInfo =
        command_info!("MGET").policies(RequestPolicy::MultiShard, ResponsePolicy::Default);

    /// The forms in which a value may come.
    fn element(number: usize, form: usize) -> String {
        match form {
            0 => format!("$1\r\n{}\r\n", number % 10),
            1 => "_\r\n".to_owned(),
            2 => "$-1\r\n".to_owned(),
            3 => format!("${}\r\n{}\r\n", 1500, "x".repeat(1500)),
            4 => format!("*2\r\n:{number}\r\n+OK\r\n"),
            _ => format!(":{number}\r\n"),
        }
    }

    fn shown(outcome: EachOutcome) -> (Vec<u8>, Vec<(usize, String)>) {
        let EachReply::InOrder(chunks) = outcome.replies else {
            panic!("they are put in order");
        };
        let failures = outcome.failures.into_iter();
        (
            chunks.iter().flat_map(|chunk| chunk.to_vec()).collect(),
            failures
                .map(|(index, error)| (index, error.to_string()))
                .collect(),
        )
    }

    proptest! {
        /// One command before a split one, and one behind it, on three nodes.
        #[test]
        fn the_values_of_a_split_command_are_put_in_the_order_of_its_keys(
            // For each part, its node and how many keys it has.
            parts in prop::collection::vec((0..3_usize, prop_oneof![1..4_usize, 10..12_usize]), 1..12),
            forms in prop::collection::vec(0..6_usize, 144),
            whole in prop::collection::vec(any::<bool>(), 14),
            redirected in prop::option::of(0..12_usize),
        ) {
            let count: usize = parts.iter().map(|(_, keys)| keys).sum();
            let values: Vec<String> = (0..count).map(|number| element(number, forms[number])).collect();
            // The keys of a part are those from its end to its start: any order that is not the usual one.
            let mut numbers = (0..count).rev();
            let mut all = Parts::default();
            let mut gather = Gather::default();
            let mut nodes: [Vec<String>; 3] = Default::default();
            gather.expect(0);
            nodes[0].push("+first\r\n".to_owned());
            for (index, (node, keys)) in parts.iter().enumerate() {
                let keys: Vec<usize> = numbers.by_ref().take(*keys).collect();
                let mut reply = format!("*{}\r\n", keys.len());
                keys.iter().for_each(|key| reply += &values[*key]);
                gather.expect(*node);
                if redirected == Some(index) {
                    nodes[*node].push("-MOVED 1 a:1\r\n".to_owned());
                    gather.settle(index + 1, Outcome::Reply(Bytes::from(reply).into()));
                } else {
                    nodes[*node].push(reply);
                }
                all.push(keys.into_iter());
            }
            gather.expect(2);
            nodes[2].push("+last\r\n".to_owned());
            for (node, replies) in nodes.into_iter().enumerate() {
                let mut chunks: Vec<String> = Vec::new();
                for (reply, whole) in replies.into_iter().zip(&whole) {
                    match chunks.last_mut() {
                        Some(last) if !whole => *last += &reply,
                        _ => chunks.push(reply),
                    }
                }
                let chunks = chunks.into_iter().map(|chunk| Bytes::from(chunk).into());
                gather.take(node, chunks.collect());
            }
            let (replies, failures) = shown(gather.join(&[Join::new(1, all, &MGET)]));
            let expected = format!("+first\r\n*{count}\r\n{}+last\r\n", values.concat());
            prop_assert_eq!(failures, vec![]);
            prop_assert_eq!(String::from_utf8(replies).unwrap(), expected);
        }
    }

    #[test]
    fn a_part_with_too_few_values_or_none_fails_the_whole() {
        for (reply, reason) in [
            ("*1\r\n:1\r\n", "fewer values"),
            ("-ERR no\r\n", "ERR no"),
            ("", "fewer replies"),
        ] {
            let mut parts = Parts::default();
            parts.push([1].into_iter());
            parts.push([0, 2].into_iter());
            let mut gather = Gather::default();
            gather.expect(0);
            gather.expect(0);
            gather.take(0, vec![Bytes::from(format!("*1\r\n:7\r\n{reply}")).into()]);
            let (_, failures) = shown(gather.join(&[Join::new(0, parts, &MGET)]));
            assert_eq!(failures.len(), 1);
            assert!(failures[0].1.contains(reason), "{}", failures[0].1);
        }
    }
}
