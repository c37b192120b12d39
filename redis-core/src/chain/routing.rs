//! What a cluster has to know about the commands of a chain: [`Routing`].

use std::fmt;
use std::ops::Range;

use crate::command::{Args, CommandInfo, RequestPolicy, Slots, WordSlot, crossing};
use crate::error::{Error, Result};
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;

/// Which nodes the commands of a chain go to.
#[derive(Debug)]
pub(crate) enum Routing {
    /// Each command goes to the node of its own keys.
    Each(Singles),
    /// All go to the node that has this slot.
    Together(OneSlot),
}

impl Routing {
    pub(super) fn new(atomic: bool) -> Self {
        if atomic {
            Self::Together(OneSlot::default())
        } else {
            Self::Each(Singles::default())
        }
    }
}

/// The node that should carry out a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The owner of this slot.
    Owner(u16),
    /// Any primary.
    Anyone,
    /// Any primary, at first the owner of this slot: messages that are published to a channel one after another arrive in
    /// this order only if one node gets them.
    Near(u16),
    /// Only the node at this place in the map.
    ThisNode(usize),
    /// The primary at this place in the map, or the node that has taken over from it.
    ThisShard(usize),
}

impl Goal {
    /// The node for a command.
    #[inline]
    pub(crate) fn of(args: &Args) -> Self {
        Self::with(args.slots(), args)
    }

    /// The node for a command whose keys have these slots.
    #[inline]
    pub(crate) fn with(slots: Slots, args: &Args) -> Self {
        match slots {
            Slots::None => match args.first_word_slot() {
                Some(WordSlot::OfChannel(slot)) => Self::Near(slot),
                Some(WordSlot::Named(slot)) => Self::Owner(slot),
                None => Self::Anyone,
            },
            Slots::One(slot) | Slots::Several(slot, _) => Self::Owner(slot),
        }
    }
}

/// Encoded commands of which each can be sent on its own.
#[derive(Default)]
pub(crate) struct Singles {
    bytes: Vec<u8>,
    list: Vec<Single>,
    /// Whether any of them may concern several nodes.
    has_unusual: bool,
}

/// One of the commands.
pub(crate) struct Single {
    place: Place,
    pub(crate) info: &'static CommandInfo,
    pub(crate) goal: Goal,
    /// Whether sending it twice does no harm.
    pub(crate) idempotent: bool,
}

/// Where the bytes of a command are.
enum Place {
    /// Among those of all commands.
    Within(Range<usize>),
    /// It keeps them itself: they are many, or it may have to be sent in another form.
    Apart(Box<Args>),
}

impl Singles {
    /// A command as it was called, alone.
    pub(crate) fn of(args: Box<Args>) -> Self {
        let mut this = Self::default();
        this.push(args);
        this
    }

    /// Adds a command as it was called, which may have to be split.
    #[inline]
    pub(super) fn push(&mut self, args: Box<Args>) {
        let (info, slots) = (args.info(), args.slots());
        if info.request_policy != RequestPolicy::Default || matches!(slots, Slots::Several(..)) {
            self.has_unusual = true;
            let (goal, idempotent) = (Goal::with(slots, &args), args.is_idempotent());
            let place = Place::Apart(args);
            return self.list.push(Single {
                place,
                info,
                goal,
                idempotent,
            });
        }
        let goal = Goal::with(slots, &args);
        self.push_for(args, goal);
    }

    /// Adds a command for one node.
    #[inline]
    pub(crate) fn push_for(&mut self, args: Box<Args>, goal: Goal) {
        let (info, idempotent) = (args.info(), args.is_idempotent());
        let from = self.bytes.len();
        let may_change = args.called_script().is_some();
        let place = if !may_change && args.copy_to(&mut self.bytes) {
            args.retire();
            Place::Within(from..self.bytes.len())
        } else {
            Place::Apart(args)
        };
        self.list.push(Single {
            place,
            info,
            goal,
            idempotent,
        });
    }

    /// Adds a short command for one node, which is as `args` but for its words: `write` appends them.
    pub(crate) fn push_encoded(
        &mut self,
        args: &Args,
        goal: Goal,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let from = self.bytes.len();
        write(&mut self.bytes);
        self.list.push(Single {
            place: Place::Within(from..self.bytes.len()),
            info: args.info(),
            goal,
            idempotent: args.is_idempotent(),
        });
    }

    /// Reserves room for `more` commands, of the average size of those that are there.
    pub(super) fn reserve(&mut self, more: usize) {
        /// The most bytes that are reserved.
        const MOST: usize = 4 * 1024 * 1024;
        self.list.reserve(more);
        if let Some(each) = self.bytes.len().checked_div(self.list.len()) {
            self.bytes.reserve(each.saturating_mul(more).min(MOST));
        }
    }

    /// Whether any of them may concern several nodes.
    pub(crate) fn has_unusual(&self) -> bool {
        self.has_unusual
    }

    /// Takes the list, while the bytes stay: some of the commands are then replaced by others.
    pub(crate) fn take_list(&mut self) -> Vec<Single> {
        std::mem::take(&mut self.list)
    }

    /// Puts one back that was taken.
    pub(crate) fn put_back(&mut self, single: Single) {
        self.list.push(single);
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Single> {
        self.list.iter()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Single> {
        self.list.get(number)
    }

    /// The arguments of a command that keeps them.
    pub(crate) fn args_mut(&mut self, number: usize) -> Option<&mut Args> {
        match &mut self.list.get_mut(number)?.place {
            Place::Within(_) => None,
            Place::Apart(args) => Some(args),
        }
    }

    /// Whether a command may run code, which chooses the words of its errors.
    pub(crate) fn runs_code(&self, number: usize) -> bool {
        self.list.get(number).is_some_and(|single| {
            let calls = match &single.place {
                Place::Within(_) => false,
                Place::Apart(args) => args.called_script().is_some(),
            };
            calls || single.info.may_run_code()
        })
    }

    /// The most bytes that [`Singles::write`] appends.
    pub(crate) fn encoded_len(&self, number: usize) -> usize {
        self.list
            .get(number)
            .map_or(0, |single| match &single.place {
                Place::Within(range) => range.len(),
                Place::Apart(args) => args.encoded_len(),
            })
    }

    /// Appends commands, which stay here. Bytes that lie one after another are copied at once.
    #[inline]
    pub(crate) fn write(&mut self, numbers: impl Iterator<Item = usize>, out: &mut Outgoing) {
        let mut run = 0..0;
        for number in numbers {
            match self.list.get_mut(number).map(|single| &mut single.place) {
                Some(Place::Within(range)) if range.start == run.end => run.end = range.end,
                Some(Place::Within(range)) => {
                    let next = range.clone();
                    let before = std::mem::replace(&mut run, next);
                    out.put(self.bytes.get(before).unwrap_or_default());
                }
                Some(Place::Apart(args)) => {
                    let before = std::mem::take(&mut run);
                    out.put(self.bytes.get(before).unwrap_or_default());
                    args.write_to(out);
                }
                None => {}
            }
        }
        out.put(self.bytes.get(run).unwrap_or_default());
    }
}

/// Arguments may be secrets.
impl fmt::Debug for Singles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Singles")
            .field("commands", &self.list.len())
            .finish_non_exhaustive()
    }
}

impl Single {
    /// The slot of all that it reads and changes, if that is known.
    pub(crate) fn only_slot(&self) -> Option<u16> {
        let is_raw_write = self.info.name.is_empty() && !self.info.readonly;
        match self.goal {
            Goal::Owner(slot) if !self.info.writes_unnamed && !is_raw_write => Some(slot),
            _ => None,
        }
    }

    /// Its arguments, if it may have to be split.
    pub(crate) fn into_unusual(self) -> Result<Box<Args>, Self> {
        match self.place {
            Place::Apart(args) => Ok(args),
            Place::Within(_) => Err(self),
        }
    }
}

/// The slot that all keys of a transaction have.
#[derive(Default)]
pub(crate) struct OneSlot {
    /// With the first key that has it.
    first: Option<(u16, String)>,
    /// Of the first channel, or that a command names, for a transaction without keys.
    near: Option<u16>,
}

/// Without the key, which may be a secret.
impl fmt::Debug for OneSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OneSlot").field(&self.goal()).finish()
    }
}

impl OneSlot {
    /// Adds the keys of a command.
    ///
    /// # Errors
    /// They have another slot, or the command concerns more than one node.
    pub(super) fn join(&mut self, args: &Args) -> Result<()> {
        let slot = match args.slots() {
            Slots::None => {
                let of_word = || Some(args.first_word_slot()?.slot());
                self.near = self.near.or_else(of_word);
                return one_node(args.info());
            }
            Slots::One(slot) => slot,
            Slots::Several(first, second) => return Err(args.crossing_slots(first, second)),
        };
        match &self.first {
            None => self.first = Some((slot, args.key_in(slot))),
            Some((known, key)) if *known != slot => {
                return Err(crossing((key, *known), (&args.key_in(slot), slot)));
            }
            Some(_) => {}
        }
        Ok(())
    }

    pub(crate) fn goal(&self) -> Goal {
        match (&self.first, self.near) {
            (Some((slot, _)), _) => Goal::Owner(*slot),
            (None, Some(slot)) => Goal::Near(slot),
            (None, None) => Goal::Anyone,
        }
    }
}

/// Refuses a command without keys that concerns more than one node.
fn one_node(info: &CommandInfo) -> Result<()> {
    match info.request_policy {
        RequestPolicy::Default | RequestPolicy::MultiShard => Ok(()),
        RequestPolicy::AllNodes | RequestPolicy::AllShards | RequestPolicy::Special => {
            Err(Error::usage(
                "it concerns several nodes of the cluster, and a transaction is carried out by one; call it outside of the \
                 transaction",
            ))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::OneSlot;
    use crate::command::{Args, CommandInfo, Keys, command_info};

    static SET: CommandInfo = command_info!("SET");

    #[test]
    fn debug_of_a_transaction_on_a_cluster_shows_its_slot_and_no_key() {
        let mut args = Args::new(&SET, Keys::Slots);
        args.key("key", "foo");
        let mut slot = OneSlot::default();
        slot.join(&args).unwrap();
        assert_eq!(format!("{slot:?}"), "OneSlot(Owner(12182))");
    }
}
