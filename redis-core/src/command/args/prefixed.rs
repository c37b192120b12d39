//! A prefix that is put before the names in a command which was built without it.

use bytes::Bytes;

use super::{Args, Keys, MAX_ARGUMENT, Splice};
use crate::command::naming::{Channels, Naming, PatternPlace};
use crate::command::prefix::Prefix;
use crate::command::state_change::StateChange;
use crate::error::{ArgError, Error};
use crate::wire::encode::{self, Output};

/// A word that gets a prefix: its number, and the prefix.
type Mark<'p> = (u32, &'p [u8]);

/// What is done to the words of one command.
struct Plan<'p> {
    marks: Vec<Mark<'p>>,
    /// Words that are added at the end: the pattern of all names with the prefix, where none was given.
    added: Vec<Vec<u8>>,
}

impl Plan<'_> {
    /// Puts the marks in order. A word that was given as a key and is known to be a pattern has two marks; that of the pattern, which came
    /// later, says more.
    fn keep_one_mark_each(&mut self) {
        self.marks.reverse();
        self.marks.sort_by_key(|(position, _)| *position);
        self.marks.dedup_by_key(|(position, _)| *position);
    }
}

/// A word among the bytes of a command.
struct WordPlace {
    /// Where its line begins, and where it ends with its line break.
    start: usize,
    end: usize,
    /// Its text, if it is not shared.
    text: std::ops::Range<usize>,
    /// The long value that it is.
    shared: Option<Bytes>,
}

impl Args {
    /// Puts the prefix before every name in it. A command for which that cannot be done, or would not be enough, is
    /// refused.
    pub(crate) fn put_prefix(&mut self, prefix: &Prefix) {
        if self.is_spoilt() {
            return;
        }
        match self.plan(prefix) {
            Ok(plan) => self.carry_out(&plan),
            Err(error) => self.refuse(error),
        }
    }

    /// What is known about its names besides its keys, and how many words its name has.
    pub(crate) fn naming(&self) -> (Option<&'static Naming>, usize) {
        if !self.is_raw() {
            return (self.info.naming, self.info.words as usize);
        }
        let known = self.info.known;
        let named = known.and_then(|known| known.naming(self.each_word()));
        named.map_or((None, 1), |(naming, words)| (Some(naming), words))
    }

    fn plan<'p>(&self, prefix: &'p Prefix) -> Result<Plan<'p>, Error> {
        let (naming, name) = self.naming();
        self.check_names(naming, prefix)?;
        let naming = naming.unwrap_or(&Naming::NONE);
        let mut plan = Plan {
            marks: Vec::new(),
            added: Vec::new(),
        };
        if !naming.keyless {
            let keys = self.keys.iter();
            plan.marks
                .extend(keys.map(|position| (*position, &*prefix.keys.text)));
        }
        self.plan_channels(naming, name, prefix, &mut plan);
        self.plan_pattern(naming, name, prefix, &mut plan);
        self.plan_templates(naming, name, prefix, &mut plan)?;
        plan.keep_one_mark_each();
        Ok(plan)
    }

    /// Refuses a command whose names are not all known.
    fn check_names(&self, naming: Option<&Naming>, prefix: &Prefix) -> Result<(), Error> {
        let shown = prefix.keys.text.escape_ascii();
        if naming.is_some_and(|naming| naming.unnamed) {
            return Err(Error::usage(format!(
                "it concerns keys that it does not name, also those without the prefix `{shown}`; call it on the handle without the \
                 prefix (`inner()`)"
            )));
        }
        if matches!(
            self.info.state,
            Some(StateChange::Transaction | StateChange::Tracking)
        ) {
            return Err(Error::usage(format!(
                "the names in what follows from it would not lose the prefix `{shown}`; use `transaction` or `watch`, or the handle \
                 without the prefix (`inner()`)"
            )));
        }
        if self.is_raw() && self.keys.is_empty() && naming.is_none() {
            return Err(Error::usage(format!(
                "nothing says which of its words are keys, so the prefix `{shown}` has no place; give the keys with `.key(..)`, or run a \
                 command without keys on the handle without the prefix (`inner()`)"
            )));
        }
        if self.noted.mode != Keys::Noted {
            return Err(Error::usage(format!(
                "it was built without noting its keys, so the prefix `{shown}` has no place; build it with `Keys::Noted`"
            )));
        }
        Ok(())
    }

    fn plan_channels<'p>(
        &self,
        naming: &Naming,
        name: usize,
        prefix: &'p Prefix,
        plan: &mut Plan<'p>,
    ) {
        let Some(channels) = &prefix.channels else {
            return;
        };
        let first = u32::try_from(name).unwrap_or(u32::MAX);
        let end = match naming.channels {
            Channels::None | Channels::Pattern => return,
            Channels::First => self.words.min(first.saturating_add(1)),
            Channels::All => self.words,
        };
        plan.marks
            .extend((first..end).map(|position| (position, &*channels.text)));
    }

    /// Narrows the pattern down to names with the prefix. If there is none, all these names are meant.
    fn plan_pattern<'p>(
        &self,
        naming: &Naming,
        name: usize,
        prefix: &'p Prefix,
        plan: &mut Plan<'p>,
    ) {
        let Some(place) = naming.pattern else {
            return;
        };
        let of_names = match naming.channels {
            Channels::Pattern => prefix.channels.as_ref(),
            _ => Some(&prefix.keys),
        };
        let Some(of_names) = of_names else {
            return;
        };
        let (found, option) = match place {
            PatternPlace::First => {
                let first = u32::try_from(name).ok();
                (first.filter(|first| *first < self.words), None)
            }
            PatternPlace::After(option) => (
                self.behind_options(name, &[option]).first().copied(),
                Some(option),
            ),
        };
        match found {
            Some(position) => plan.marks.push((position, &of_names.pattern)),
            None => {
                let all = [&*of_names.pattern, b"*"].concat();
                let option = option.map(|option| option.as_bytes().to_vec());
                plan.added.extend(option.into_iter().chain([all]));
            }
        }
    }

    fn plan_templates<'p>(
        &self,
        naming: &Naming,
        name: usize,
        prefix: &'p Prefix,
        plan: &mut Plan<'p>,
    ) -> Result<(), Error> {
        /// Stands for the element itself.
        const ELEMENT: &[u8] = b"#";
        let places = self.behind_options(name, naming.templates);
        let mut places = places.into_iter().peekable();
        for (word, position) in self.each_word().zip(0..) {
            if places.next_if_eq(&position).is_none() || word == ELEMENT {
                continue;
            }
            if prefix.keys.text.contains(&b'*') {
                let shown = prefix.keys.text.escape_ascii();
                return Err(Error::usage(format!(
                    "the server would put the element in the place of the `*` in the prefix `{shown}`; take a prefix without it"
                )));
            }
            plan.marks.push((position, &prefix.keys.text));
        }
        Ok(())
    }

    /// The words that stand behind one of these option words. What is a key, or stands behind such a word, is no option word
    /// itself.
    fn behind_options(&self, name: usize, options: &[&str]) -> Vec<u32> {
        let mut found = Vec::new();
        if options.is_empty() {
            return found;
        }
        let mut words = self.each_word().zip(0..).skip(name);
        while let Some((word, position)) = words.next() {
            let is_option = options
                .iter()
                .any(|option| word.eq_ignore_ascii_case(option.as_bytes()));
            if is_option
                && !self.keys.contains(&position)
                && let Some((_, behind)) = words.next()
            {
                found.push(behind);
            }
        }
        found
    }

    /// Writes the words again, those with marks with their prefix.
    fn carry_out(&mut self, plan: &Plan<'_>) {
        let words = places_of_words(&self.bytes, self.shared());
        let old = std::mem::take(&mut self.bytes);
        let more: usize = plan.marks.iter().map(|(_, prefix)| prefix.len() + 2).sum();
        self.bytes.reserve(old.len() + more);
        if let Some(rare) = &mut self.rare {
            rare.shared.clear();
        }
        let mut moves = Moves::default();
        let mut marks = plan.marks.iter().peekable();
        for (word, position) in words.into_iter().zip(0..) {
            moves.note(word.start, self.bytes.len());
            match marks.next_if(|(marked, _)| *marked == position) {
                None => self.write_again(&old, word),
                Some((_, prefix)) => self.write_prefixed(&old, word, prefix),
            }
        }
        moves.note(old.len(), self.bytes.len());
        for part in &mut self.parts {
            part.byte = moves.of(part.byte);
        }
        if let Some(rare) = &mut self.rare {
            rare.cursor = rare.cursor.map(|place| moves.of_short(place));
            if let Some(timeout) = &mut rare.timeout {
                timeout.move_to(&|place| moves.of(place));
            }
        }
        for word in &plan.added {
            self.bytes.put_bulk(word);
            self.words += 1;
        }
    }

    fn write_again(&mut self, old: &[u8], word: WordPlace) {
        self.bytes
            .put(old.get(word.start..word.end).unwrap_or_default());
        if let Some(bytes) = word.shared {
            // The place is before the line break.
            let at = self.bytes.len().saturating_sub(2);
            self.rare_mut().shared.push(Splice { at, bytes });
        }
    }

    fn write_prefixed(&mut self, old: &[u8], word: WordPlace, prefix: &[u8]) {
        let text = match &word.shared {
            Some(bytes) => bytes,
            None => old.get(word.text).unwrap_or_default(),
        };
        let len = prefix.len() + text.len();
        if len > MAX_ARGUMENT {
            self.refuse(Error::argument(ArgError::new(format!(
                "{len} bytes with the prefix are more than the {MAX_ARGUMENT} that a server takes"
            ))));
        }
        encode::bulk_header(&mut self.bytes, len);
        self.bytes.put(prefix);
        self.bytes.put(text);
        self.bytes.put(b"\r\n");
    }
}

/// Where the words are in these bytes, into which the long values belong.
fn places_of_words(bytes: &[u8], mut shared: &[Splice]) -> Vec<WordPlace> {
    const LINE_BREAK: usize = 2;
    let (mut places, mut start) = (Vec::new(), 0);
    while let Some(line) = bytes.get(start..).and_then(|rest| rest.strip_prefix(b"$"))
        && let Some(digits) = memchr::memchr(b'\r', line)
        && let Some(len) = line.get(..digits).and_then(number)
    {
        let from = start + 1 + digits + LINE_BREAK;
        let (end, long) = match shared.split_first() {
            Some((long, rest)) if long.at == from => {
                shared = rest;
                (from + LINE_BREAK, Some(long.bytes.clone()))
            }
            _ => (from + len + LINE_BREAK, None),
        };
        places.push(WordPlace {
            start,
            end,
            text: from..end - LINE_BREAK,
            shared: long,
        });
        start = end;
    }
    places
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where the words were, and where they are now.
#[derive(Default)]
struct Moves(Vec<(usize, usize)>);

impl Moves {
    fn note(&mut self, from: usize, to: usize) {
        self.0.push((from, to));
    }

    /// The new place of the word that began at `place`.
    fn of(&self, place: usize) -> usize {
        let found = self.0.binary_search_by_key(&place, |(from, _)| *from);
        let found = found.ok().and_then(|number| self.0.get(number));
        found.map_or(place, |(_, to)| *to)
    }

    fn of_short(&self, place: u32) -> u32 {
        u32::try_from(self.of(place as usize)).unwrap_or(place)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::command::info::{CommandInfo, command_info};
    use crate::command::{Slots, Timeout, slot};

    static MSET: CommandInfo = command_info!("MSET");
    static BLPOP: CommandInfo = command_info!("BLPOP").blocking().waits();
    static SCAN: CommandInfo =
        command_info!("SCAN").naming(const { &Naming::NONE.pattern(PatternPlace::After("MATCH")) });
    static SORT: CommandInfo =
        command_info!("SORT").naming(const { &Naming::NONE.templates(&["BY", "GET"]) });
    static FLUSHDB: CommandInfo =
        command_info!("FLUSHDB").naming(const { &Naming::NONE.unnamed() });

    fn words(args: &Args) -> Vec<String> {
        let words = args.to_words().into_iter();
        words
            .map(|word| String::from_utf8_lossy(&word).into_owned())
            .collect()
    }

    fn prefixed(mut args: Args) -> Args {
        args.put_prefix(&Prefix::new(b"app:"));
        args
    }

    #[test]
    fn what_is_replaced_later_is_still_found() {
        let mut args = Args::new(&BLPOP, Keys::Noted);
        args.keys("key", &["a", "bc"]);
        let timeout = Timeout::from(Duration::from_secs(60));
        args.block(&timeout);
        args.arg("timeout", &timeout);
        let mut args = prefixed(args);
        assert_eq!(words(&args), ["BLPOP", "app:a", "app:bc", "60"]);
        args.wait_in_pieces(Some(Duration::from_secs(10)));
        assert_eq!(words(&args)[..3], ["BLPOP", "app:a", "app:bc"]);
        assert_ne!(words(&args)[3], "60");

        let mut args = Args::new(&SCAN, Keys::Noted);
        args.cursor_item(0);
        args.part(1, |args| args.word("TYPE"));
        args.part(0, |args| {
            args.word("MATCH");
            args.arg("pattern", "a*");
        });
        let mut args = prefixed(args);
        args.part(0, |args| args.word("x"));
        assert_eq!(words(&args), ["SCAN", "0", "x", "TYPE"]);
        let later = args.at_cursor(12_345).unwrap();
        assert_eq!(words(&later), ["SCAN", "12345", "x", "TYPE"]);
    }

    #[test]
    fn a_scan_without_a_pattern_gets_one() {
        let mut args = Args::new(&SCAN, Keys::Noted);
        args.cursor_item(7);
        args.put_prefix(&Prefix::new(b"a*"));
        assert_eq!(words(&args), ["SCAN", "7", "MATCH", "a\\**"]);
    }

    #[test]
    fn words_that_look_like_options_are_none() {
        let mut args = Args::new(&SORT, Keys::Noted);
        args.key("key", "BY");
        args.part(0, |args| {
            args.word("BY");
            args.arg("pattern", "GET");
        });
        args.part(1, |args| {
            args.word("GET");
            args.arg("pattern", "#");
            args.word("STORE");
            args.key("destination", "GET");
        });
        let expected = [
            "SORT", "app:BY", "BY", "app:GET", "GET", "#", "STORE", "app:GET",
        ];
        assert_eq!(words(&prefixed(args)), expected);
    }

    /// Words that were given with `raw(..).key(..)`.
    #[test]
    fn a_word_that_is_both_a_key_and_a_pattern_gets_it_once_and_those_behind_it_too() {
        let mut args = Args::new(&SORT, Keys::Noted);
        args.key("key", "l");
        args.word("BY");
        args.key("key", "w_*");
        args.word("STORE");
        args.key("key", "dst");
        let expected = ["SORT", "app:l", "BY", "app:w_*", "STORE", "app:dst"];
        assert_eq!(words(&prefixed(args)), expected);

        let mut args = Args::new(&SCAN, Keys::Noted);
        args.cursor_item(7);
        args.word("MATCH");
        args.key("key", "b");
        args.key("key", "c");
        args.put_prefix(&Prefix::new(b"a*"));
        assert_eq!(words(&args), ["SCAN", "7", "MATCH", "a\\*b", "a*c"]);
    }

    #[test]
    fn slots_are_those_of_the_whole_keys() {
        let mut args = Args::new(&MSET, Keys::Noted);
        args.key("key", "a");
        args.put_prefix(&Prefix::new(b"{app}:"));
        assert_eq!(args.slots(), Slots::One(slot("app")));
    }

    #[test]
    fn what_cannot_keep_to_the_prefix_is_refused() {
        let mut unnoted = Args::new(&MSET, Keys::Slots);
        unnoted.key("key", "a");
        for args in [Args::new(&FLUSHDB, Keys::Noted), unnoted] {
            let error = prefixed(args).take_error().unwrap();
            assert!(error.to_string().contains("`app:`"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn keys_get_it_and_values_do_not(
            pairs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..120), 0_usize..40_000), 1..6),
        ) {
            let mut args = Args::new(&MSET, Keys::Noted);
            let mut expected = vec![b"MSET".to_vec()];
            for (key, len) in &pairs {
                let value = Bytes::from(vec![b'v'; *len]);
                args.key("key", key);
                args.arg("value", &value);
                expected.extend([[b"app:", &**key].concat(), value.to_vec()]);
            }
            let once = prefixed(args);
            prop_assert_eq!(once.to_words(), expected.clone());
            prop_assert_eq!(once.again().to_words(), expected);
            let twice = prefixed(once);
            prop_assert!(twice.to_words()[1].starts_with(b"app:app:"));
        }
    }
}
