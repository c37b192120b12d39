//! The slots of a command's keys, computed while they are written.

use super::{Args, Keys};
use crate::command::info::RequestPolicy;
use crate::command::naming::Channels;
use crate::command::slot::{SLOTS, Slots, WordSlot, crossing, slot_of};
use crate::error::Error;
use crate::wire::encode;

impl Args {
    /// Writes keys, and notes their positions or slots as asked for.
    #[inline]
    pub(super) fn noting(&mut self, write: impl FnOnce(&mut Self)) {
        match self.noted.mode {
            Keys::Ignored => write(self),
            Keys::Noted => {
                let first = self.words;
                write(self);
                // One at a time, since it is mostly one.
                (first..self.words).for_each(|position| self.keys.push(position));
            }
            Keys::Slots => self.noting_slots(write),
        }
    }

    /// Notes that the words from `first` on are keys that stay in their places.
    #[inline]
    fn note_fixed(&mut self, first: u32) {
        // Their positions have to be known if they may be sent to several nodes.
        if self.info.request_policy == RequestPolicy::MultiShard {
            self.keys.extend(first..self.words);
        } else {
            self.noted.fixed_count += self.words - first;
        }
    }

    /// Writes keys, and notes their slots. All of their bytes have to be at hand for that.
    pub(super) fn noting_slots(&mut self, write: impl FnOnce(&mut Self)) {
        let (first, from) = (self.words, self.bytes.len());
        let moves = std::mem::replace(&mut self.moves, true);
        write(self);
        self.moves = moves;
        self.note_slots(first, from);
    }

    fn note_slots(&mut self, first: u32, from: usize) {
        let slots = slots_of_words(self.bytes.get(from..).unwrap_or_default());
        if self.moves {
            self.noted.movable = self.noted.movable.join(slots);
            // Their positions have to be known if they may be replaced.
            self.keys.extend(first..self.words);
        } else {
            self.noted.fixed = self.noted.fixed.join(slots);
            self.note_fixed(first);
        }
    }

    /// How many keys there are, if their slots are noted.
    pub(crate) fn count_keys(&self) -> usize {
        self.keys.len() + self.noted.fixed_count as usize
    }

    /// Computes the slots of replaceable keys again, after some were replaced.
    pub(super) fn renew_slots(&mut self) {
        if self.noted.mode == Keys::Slots {
            self.noted.movable = self.slots_at_positions();
        }
    }

    /// Which slots the keys have.
    pub(crate) fn slots(&self) -> Slots {
        match self.noted.mode {
            Keys::Ignored => Slots::None,
            Keys::Noted => self.slots_at_positions(),
            Keys::Slots => self.noted.fixed.join(self.noted.movable),
        }
    }

    /// The slot that the first word behind the name of a command without keys leads to.
    #[cold]
    pub(crate) fn first_word_slot(&self) -> Option<WordSlot> {
        let (naming, words) = self.naming();
        let naming = naming?;
        let is_channel = matches!(naming.channels, Channels::First);
        if !is_channel && !naming.slot {
            return None;
        }
        let all = self.joined();
        let word = encode::words(&all).nth(words)?;
        if is_channel {
            return Some(WordSlot::OfChannel(slot_of(word)));
        }
        let slot = std::str::from_utf8(word).ok()?.parse().ok()?;
        (slot < SLOTS).then_some(WordSlot::Named(slot))
    }

    /// The first word that has a slot, as it is shown to people.
    #[cold]
    pub(crate) fn key_in(&self, wanted: u16) -> String {
        let all = self.joined();
        let mut words = encode::words(&all).skip(1);
        let word = words.find(|word| slot_of(word) == wanted);
        word.map(|word| word.escape_ascii().to_string())
            .unwrap_or_default()
    }

    /// The error of a command whose keys have two slots, and which is carried out by one node.
    #[cold]
    pub(crate) fn crossing_slots(&self, first: u16, second: u16) -> Error {
        let (one, other) = (self.key_in(first), self.key_in(second));
        crossing((&one, first), (&other, second)).of_command(self.name())
    }

    fn slots_at_positions(&self) -> Slots {
        // Most commands have one key.
        if let [position] = *self.keys
            && self.shared().is_empty()
            && let Some(key) = self.place_of_key(position)
            && let Some(key) = self.bytes.get(key)
        {
            return Slots::One(slot_of(key));
        }
        self.slots_of_all()
    }

    fn slots_of_all(&self) -> Slots {
        let all = self.joined();
        let mut words = encode::words(&all);
        let (mut slots, mut passed) = (Slots::None, 0);
        for position in &self.keys {
            let Some(key) = words.nth(position.saturating_sub(passed) as usize) else {
                break;
            };
            slots = slots.with(slot_of(key));
            if matches!(slots, Slots::Several(..)) {
                break;
            }
            passed = position + 1;
        }
        slots
    }
}

/// Which slots some words have that are keys. More than two are not looked for: the command is split then, or refused.
fn slots_of_words(encoded: &[u8]) -> Slots {
    let mut slots = Slots::None;
    for key in encode::words(encoded) {
        slots = slots.with(slot_of(key));
        if matches!(slots, Slots::Several(..)) {
            break;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::command::info::{CommandInfo, ResponsePolicy, command_info};
    use crate::command::slot::slot;

    static SORT: CommandInfo = command_info!("SORT");
    static MGET: CommandInfo =
        command_info!("MGET").policies(RequestPolicy::MultiShard, ResponsePolicy::Default);

    #[test]
    fn a_key_that_cannot_be_sent_has_no_slot() {
        for keys in [Keys::Noted, Keys::Slots] {
            let mut args = Args::new(&SORT, keys);
            args.key("key", &f64::NAN);
            args.key("key", "a");
            assert_eq!(args.slots(), Slots::None);
            assert!(args.take_error().is_some());
        }
    }

    fn with_keys(info: &'static CommandInfo, keys: &[Vec<u8>]) -> Args {
        let mut args = Args::new(info, Keys::Slots);
        args.keys("key", keys);
        args
    }

    fn expected<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Slots {
        keys.into_iter()
            .fold(Slots::None, |slots, key| slots.with(slot_of(key)))
    }

    #[test]
    fn a_command_without_keys_has_no_slot() {
        let mut args = Args::new(&SORT, Keys::Slots);
        args.word("a");
        assert_eq!(args.slots(), Slots::None);
    }

    #[test]
    fn the_first_word_may_be_the_number_of_a_slot() {
        static COUNT: CommandInfo =
            command_info!("COUNT").naming(const { &crate::command::Naming::NONE.slot() });
        let slot_of_word = |info, word| {
            let mut args = Args::new(info, Keys::Slots);
            args.word(word);
            args.first_word_slot()
        };
        assert_eq!(slot_of_word(&COUNT, "7"), Some(WordSlot::Named(7)));
        for word in ["16384", "70000", "-1", "a", ""] {
            assert_eq!(slot_of_word(&COUNT, word), None, "{word}");
        }
        assert_eq!(slot_of_word(&SORT, "7"), None);
    }

    #[test]
    fn positions_are_kept_only_where_commands_are_split_or_keys_replaced() {
        let keys = [b"a".to_vec(), b"b".to_vec()];
        assert_eq!(with_keys(&MGET, &keys).key_positions(), [1, 2]);
        assert!(with_keys(&SORT, &keys).key_positions().is_empty());
        let mut args = Args::new(&SORT, Keys::Slots);
        args.part(0, |args| args.key("destination", "a"));
        assert_eq!(args.key_positions(), [1]);
    }

    #[test]
    fn keys_are_counted_wherever_they_are() {
        let keys = [b"a".to_vec(), b"b".to_vec()];
        for info in [&MGET, &SORT] {
            let mut args = with_keys(info, &keys);
            assert_eq!(args.count_keys(), 2);
            args.word("x");
            args.part(0, |args| args.key("destination", "a"));
            args.part(0, |args| args.key("destination", "b"));
            assert_eq!(args.count_keys(), 3);
        }
    }

    #[test]
    fn a_key_that_is_replaced_counts_no_more() {
        let mut args = Args::new(&SORT, Keys::Slots);
        args.key("key", "{a}1");
        args.part(1, |args| {
            args.word("STORE");
            args.key("destination", "b");
        });
        assert_eq!(args.slots(), Slots::Several(slot("a"), slot("b")));
        args.part(1, |args| {
            args.word("STORE");
            args.key("destination", "{a}2");
        });
        assert_eq!(args.slots(), Slots::One(slot("a")));
        // Another option, before or after it, does not change that either.
        args.part(0, |args| args.arg("value", "{b}"));
        args.part(2, |args| args.arg("value", "{b}"));
        assert_eq!(args.slots(), Slots::One(slot("a")));
    }

    #[test]
    fn a_long_key_that_is_shared_elsewhere_has_its_slot() {
        let key = Bytes::from(vec![b'k'; 40_000]);
        let mut args = Args::new(&SORT, Keys::Slots);
        args.arg("value", &key);
        args.key("key", &key);
        args.arg("value", &key);
        assert_eq!(args.slots(), Slots::One(slot(&key)));
        assert_eq!(args.to_words(), [&b"SORT"[..], &key, &key, &key]);
    }

    proptest! {
        #[test]
        fn slots_are_those_of_the_keys(keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5)) {
            let all = expected(keys.iter().map(Vec::as_slice));
            prop_assert_eq!(with_keys(&SORT, &keys).slots(), all);
            let mut one_by_one = Args::new(&SORT, Keys::Slots);
            let mut positions = Args::new(&SORT, Keys::Noted);
            for key in &keys {
                one_by_one.key("key", key);
                positions.key("key", key);
            }
            prop_assert_eq!(one_by_one.slots(), all);
            prop_assert_eq!(positions.slots(), all);
        }

        #[test]
        fn keys_among_other_things_are_told_from_them(
            pairs in prop::collection::vec(("[a-z{}]{0,20}", "[a-z{}]{0,20}"), 1..5),
        ) {
            use crate::command::records::{Key, Text};
            let all = expected(pairs.iter().map(|(key, _)| key.as_bytes()));
            let mut args = Args::new(&SORT, Keys::Slots);
            args.columns::<(Key, Text), _>("pairs", &pairs);
            prop_assert_eq!(args.slots(), all);
            let mut args = Args::new(&SORT, Keys::Slots);
            args.records::<(Key, Text), _>("pairs", &pairs);
            args.append(0, |args| args.word("x"));
            prop_assert_eq!(args.slots(), all);
        }
    }
}
