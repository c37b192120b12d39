//! One command on many nodes: it is split, or sent to all.

use super::join::{Join, Parts};
use super::routes::Routes;
use crate::chain::routing::{Goal, Singles};
use crate::command::{Args, Keys, RequestPolicy, ResponsePolicy, Slots, slot};
use crate::error::{Error, Result};
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::SHARE;

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
        args.retire();
        joins.push(Join::new(first, parts, info));
    }
    Ok(joins)
}

/// A key and the words that belong to it.
struct Group<'a> {
    /// The slot of the key, and then its number among the keys: so groups are compared in one step.
    order: u64,
    encoded: &'a [u8],
}

impl Group<'_> {
    fn slot(&self) -> u16 {
        (self.order >> u32::BITS) as u16
    }

    fn number(&self) -> usize {
        self.order as u32 as usize
    }
}

/// A command that is split: its groups, and the words that each part gets after them.
struct Whole<'a> {
    args: &'a Args,
    words_of_group: usize,
    groups: Vec<Group<'a>>,
    tail: &'a [u8],
}

impl<'a> Whole<'a> {
    /// Finds the groups among the encoded words of a command.
    fn new(args: &'a Args, layout: &Layout, encoded: &'a [u8]) -> Self {
        let mut groups = Vec::with_capacity(layout.count);
        let mut words = encode::spans(encoded).skip(layout.first);
        let mut end = encoded.len();
        for number in 0..layout.count {
            let Some((key, whole)) = words.next() else {
                break;
            };
            let others = words.by_ref().take(layout.group - 1).last();
            end = others.map_or(whole.end, |(_, last)| last.end);
            groups.push(Group {
                order: u64::from(slot(key)) << u32::BITS | number as u64,
                encoded: encoded.get(whole.start..end).unwrap_or_default(),
            });
        }
        Self {
            args,
            words_of_group: layout.group,
            groups,
            tail: encoded.get(end..).unwrap_or_default(),
        }
    }

    /// Adds the parts, one for each slot.
    fn split(mut self, singles: &mut Singles) -> Parts {
        self.groups.sort_unstable_by_key(|group| group.order);
        let words_of_tail = encode::words(self.tail).count();
        let mut parts = Parts::with_capacity(self.groups.len());
        for groups in self
            .groups
            .chunk_by(|one, other| one.slot() == other.slot())
        {
            let words = groups.len() * self.words_of_group + words_of_tail;
            let goal = Goal::Owner(groups.first().map_or(0, Group::slot));
            self.push(groups, words, goal, singles);
            parts.push(groups.iter().map(Group::number));
        }
        parts
    }

    /// Adds the part that has these groups, and as many words after its name.
    fn push(&self, groups: &[Group<'_>], words: usize, goal: Goal, singles: &mut Singles) {
        let info = self.args.info();
        let encoded = groups.iter().map(|group| group.encoded).chain([self.tail]);
        let words = u32::try_from(words).unwrap_or(u32::MAX);
        if encoded.clone().map(<[u8]>::len).sum::<usize>() < SHARE {
            let write = |out: &mut Vec<u8>| {
                encode::array_header(out, info.words + words);
                out.put(info.header);
                encoded.for_each(|piece| out.put(piece));
            };
            return singles.push_encoded(self.args, goal, write);
        }
        let mut part = Args::lease(info, Keys::Ignored);
        part.append_encoded(encoded, words);
        if !self.args.is_idempotent() {
            part.once_only();
        }
        singles.push_for(part, goal);
    }
}

/// Adds the parts of a command, one for each slot.
fn by_slots(args: &Args, singles: &mut Singles) -> Parts {
    let Some(layout) = Layout::of(args) else {
        return Parts::default();
    };
    Whole::new(args, &layout, &args.joined()).split(singles)
}

/// Adds a command once for each of these goals.
fn to_each(args: &Args, goals: impl Iterator<Item = Goal>, singles: &mut Singles) -> Parts {
    let mut parts = Parts::default();
    for goal in goals {
        singles.push_for(Box::new(args.again()), goal);
        parts.push([].into_iter());
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::command::{CommandInfo, command_info};
    use crate::wire::outgoing::{Outgoing, PIECES};

    static MSET: CommandInfo = command_info!("MSET")
        .idempotent()
        .policies(RequestPolicy::MultiShard, ResponsePolicy::AllSucceeded);

    /// A command with keys, each with other words behind it, and words behind all of them.
    fn command(keys: &[Vec<u8>], others: &[Vec<u8>], tail: &[Vec<u8>]) -> Args {
        let mut args = Args::new(&MSET, Keys::Slots);
        for key in keys {
            args.key("key", key);
            others.iter().for_each(|other| args.item(other));
        }
        tail.iter().for_each(|word| args.item(word));
        args
    }

    /// The words of each of the commands.
    fn sent(singles: &mut Singles) -> Vec<Vec<Vec<u8>>> {
        let count = singles.len();
        let words = |number| {
            let mut out = Outgoing::default();
            singles.write(std::iter::once(number), &mut out);
            let mut slices = [std::io::IoSlice::new(&[]); PIECES];
            let pieces = out.fill(0, &mut slices);
            let bytes: Vec<u8> = slices[..pieces]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            let frame = crate::Frame::parse(bytes).unwrap();
            frame.decode::<Vec<Vec<u8>>>().unwrap()
        };
        (0..count).map(words).collect()
    }

    proptest! {
        #[test]
        fn each_part_has_the_keys_of_one_slot_with_what_belongs_to_them(
            keys in prop::collection::vec("[a-c]{1,2}", 2..20),
            others in prop::collection::vec(prop_oneof![0..100_usize, SHARE - 1..SHARE + 1], 0..3),
            tail in prop::collection::vec(0..9_usize, 0..3),
            once_only in any::<bool>(),
        ) {
            let keys: Vec<Vec<u8>> = keys.into_iter().map(String::into_bytes).collect();
            let others: Vec<Vec<u8>> = others.into_iter().map(|len| vec![b'o'; len]).collect();
            let tail: Vec<Vec<u8>> = tail.into_iter().map(|len| vec![b't'; len]).collect();
            let mut singles = Singles::default();
            let mut whole = command(&keys, &others, &tail);
            if once_only {
                whole.once_only();
            }
            let parts = by_slots(&whole, &mut singles);
            prop_assert!(singles.iter().all(|single| single.idempotent != once_only));
            let mut seen = vec![0; keys.len()];
            let goals: Vec<Goal> = singles.iter().map(|single| single.goal).collect();
            let numbers: Vec<Vec<usize>> = parts.iter().map(<[usize]>::to_vec).collect();
            prop_assert_eq!(numbers.len(), singles.len());
            for ((words, goal), numbers) in sent(&mut singles).into_iter().zip(goals).zip(numbers) {
                let mut expected = vec![b"MSET".to_vec()];
                for number in numbers {
                    seen[number] += 1;
                    prop_assert_eq!(Goal::Owner(slot(&keys[number])), goal);
                    expected.push(keys[number].clone());
                    expected.extend(others.iter().cloned());
                }
                expected.extend(tail.iter().cloned());
                prop_assert!(words == expected);
            }
            prop_assert_eq!(seen, vec![1; keys.len()]);
        }
    }
}
