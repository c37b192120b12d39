//! The effect of commands that are built from words on their connection: [`KnownCommands`], a table that is expanded
//! from the spec.
//!
//! The core knows no command by name. A crate that lets its users build commands from words passes a table to the
//! core, and the words of each such command are looked up in it before the command is sent.

use std::fmt;
use std::time::Duration;

use super::block::{Block, TimeoutPlace};
use super::naming::Naming;
use super::state_change::StateChange;
use crate::wire::encode;

/// The commands that a shared connection does not accept, by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KnownCommands {
    commands: &'static [KnownCommand],
    /// The commands with names besides their keys.
    named: &'static [(&'static str, &'static Naming)],
}

/// One command with an effect on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCommand {
    /// One word, or two with a space between them: `CLIENT REPLY`.
    name: &'static str,
    state: Option<StateChange>,
    blocks: Option<Blocks>,
    refused: Option<&'static str>,
}

/// When a command blocks, and where its words say how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The option word that makes it block, if it only blocks with an option.
    option: Option<&'static str>,
    limit: Option<Place>,
    /// The unit of the limit.
    unit: Duration,
}

/// The place of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// That many words after the name.
    Behind(usize),
    /// That many words before the last one.
    BeforeLast(usize),
}

/// The effect of a command on its connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Conduct {
    pub(crate) blocks: bool,
    pub(crate) state: Option<StateChange>,
    /// Why no connection accepts it, and what to do instead.
    pub(crate) refused: Option<&'static str>,
    /// Whether nothing is known about it.
    pub(crate) unknown: bool,
}

/// How the name of a row relates to the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Match {
    Command(KnownCommand),
    /// Another word decides which command it is.
    Beginning,
    Nothing,
}

impl KnownCommands {
    /// A table of these commands. Names are in upper case.
    #[must_use]
    pub const fn new(commands: &'static [KnownCommand]) -> Self {
        Self {
            commands,
            named: &[],
        }
    }

    /// Adds the commands with names besides their keys.
    #[must_use]
    pub const fn named(mut self, named: &'static [(&'static str, &'static Naming)]) -> Self {
        self.named = named;
        self
    }

    /// What is known about the names in the command with these words, and how many of them are the command's name.
    pub(crate) fn naming<'a>(
        &self,
        mut words: impl Iterator<Item = &'a [u8]>,
    ) -> Option<(&'static Naming, usize)> {
        let (first, second) = (words.next()?, words.next());
        let (name, naming) = self
            .named
            .iter()
            .find(|(name, _)| is_named(name, first, second))?;
        Some((naming, name.split(' ').count()))
    }

    /// Finds the command with these words.
    pub(crate) fn find<'a>(
        &self,
        mut words: impl Iterator<Item = &'a [u8]>,
    ) -> Option<&'static KnownCommand> {
        let (first, second) = (words.next()?, words.next());
        self.commands
            .iter()
            .find(|known| is_named(known.name, first, second))
    }

    /// The command with this name; used while a user's own spec is compiled.
    pub(crate) const fn of_name(&self, name: &str) -> Match {
        let mut found = Match::Nothing;
        let mut commands = self.commands;
        while let Some((known, rest)) = commands.split_first() {
            match behind(known.name, name) {
                Some([]) => return Match::Command(*known),
                Some([b' ', ..]) => found = Match::Beginning,
                _ => {}
            }
            commands = rest;
        }
        found
    }
}

/// Whether a command that begins with these words has this name, of one word or two.
fn is_named(name: &str, first: &[u8], second: Option<&[u8]>) -> bool {
    match name.split_once(' ') {
        None => is_word(first, name),
        Some((container, subcommand)) => {
            is_word(first, container) && second.is_some_and(|word| is_word(word, subcommand))
        }
    }
}

/// Whether a server reads `word` as this word. Servers ignore the case of letters, and older servers also ignore what
/// follows a NUL.
fn is_word(word: &[u8], known: &str) -> bool {
    let end = memchr::memchr(0, word).unwrap_or(word.len());
    word.get(..end)
        .is_some_and(|word| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// The rest of a text that begins with `start`, in upper or lower case.
const fn behind<'t>(text: &'t str, start: &str) -> Option<&'t [u8]> {
    let (mut text, mut start) = (text.as_bytes(), start.as_bytes());
    while let Some((wanted, start_rest)) = start.split_first() {
        match text.split_first() {
            Some((letter, text_rest)) if letter.eq_ignore_ascii_case(wanted) => {
                (text, start) = (text_rest, start_rest);
            }
            _ => return None,
        }
    }
    Some(text)
}

/// The `Debug` text of a command does not show the whole table.
impl fmt::Debug for KnownCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownCommands")
            .field(&self.commands.len())
            .finish()
    }
}

impl KnownCommand {
    /// A command with this name, of one word or two, in upper case.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            state: None,
            blocks: None,
            refused: None,
        }
    }

    /// Sets what it changes on its connection.
    #[must_use]
    pub const fn state(mut self, change: StateChange) -> Self {
        self.state = Some(change);
        self
    }

    /// Sets when it blocks, and for how long.
    #[must_use]
    pub const fn blocks(mut self, blocks: Blocks) -> Self {
        self.blocks = Some(blocks);
        self
    }

    /// Marks it as one that must not be sent at all: why, and what to do instead.
    #[must_use]
    pub const fn refused(mut self, advice: &'static str) -> Self {
        self.refused = Some(advice);
        self
    }

    pub(crate) const fn refusal(&self) -> Option<&'static str> {
        self.refused
    }

    pub(crate) const fn changes_state(&self) -> bool {
        self.state.is_some()
    }

    pub(crate) const fn always_blocks(&self) -> bool {
        matches!(self.blocks, Some(Blocks { option: None, .. }))
    }

    pub(crate) const fn may_block(&self) -> bool {
        self.blocks.is_some()
    }

    /// Its effect on the connection with these words, with its name among them.
    pub(crate) fn conduct<'a>(&self, words: impl Iterator<Item = &'a [u8]>) -> Conduct {
        let blocks = self.blocks.is_some_and(|blocks| match blocks.option {
            None => true,
            Some(option) => self.arguments(words).any(|word| is_word(word, option)),
        });
        Conduct {
            blocks,
            state: self.state,
            refused: self.refused,
            unknown: false,
        }
    }

    /// How long it blocks according to its words. `None` if they do not say; a server answers that with an error.
    pub(crate) fn limit<'a>(&self, words: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Block> {
        let (_, limit) = self.limit_word(words)?;
        self.blocks?.read(limit)
    }

    /// The word that says how long it blocks, and its place among all words.
    fn limit_word<'a>(
        &self,
        words: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Option<(usize, &'a [u8])> {
        let blocks = self.blocks?;
        let mut arguments = self.arguments(words.enumerate());
        if let Some(option) = blocks.option {
            // If the option is given several times, a server uses the last. Which one that is depends on the meaning
            // of the other words.
            let limits = arguments.clone().zip(arguments.skip(1));
            return limits
                .filter(|((_, word), _)| is_word(word, option))
                .map(|(_, limit)| limit)
                .filter(|(_, limit)| blocks.read(limit).is_some())
                .max_by_key(|(_, limit)| blocks.read(limit));
        }
        match blocks.limit? {
            Place::Behind(words) => arguments.nth(words),
            Place::BeforeLast(words) => {
                let count = arguments.clone().count();
                arguments.nth(count.checked_sub(words + 1)?)
            }
        }
    }

    /// Where the limit stands among its encoded words, and how another one is written there.
    pub(super) fn timeout_place(&self, encoded: &[u8]) -> Option<TimeoutPlace> {
        let (place, _) = self.limit_word(encode::words(encoded))?;
        let mut before = Vec::new();
        for word in encode::words(encoded).take(place) {
            encode::bulk(&mut before, word);
        }
        Some(if self.blocks?.unit < Duration::from_secs(1) {
            TimeoutPlace::of_milliseconds(before.len())
        } else {
            TimeoutPlace::of_seconds(before.len())
        })
    }

    fn arguments<W: Iterator>(&self, words: W) -> std::iter::Skip<W> {
        words.skip(1 + usize::from(self.name.contains(' ')))
    }
}

impl Blocks {
    const fn new(unit: Duration) -> Self {
        Self {
            option: None,
            limit: None,
            unit,
        }
    }

    /// It can always block; the limit is that many words after its name, where 0 is the next word.
    #[must_use]
    pub const fn behind(words: usize, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.limit = Some(Place::Behind(words));
        blocks
    }

    /// It can always block; the limit is that many words before its last, where 0 is the last word.
    #[must_use]
    pub const fn before_last(words: usize, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.limit = Some(Place::BeforeLast(words));
        blocks
    }

    /// It blocks if this word is given; the limit comes after it.
    #[must_use]
    pub const fn by_option(word: &'static str, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.option = Some(word);
        blocks
    }

    /// Reads the limit from a word.
    fn read(&self, word: &[u8]) -> Option<Block> {
        let number: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        let time = Duration::try_from_secs_f64(number * self.unit.as_secs_f64()).ok()?;
        // What is less than a nanosecond is no 0, which is for ever.
        Some(if number > 0.0 {
            Block::For(time.max(Duration::from_nanos(1)))
        } else {
            Block::Forever
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    static KNOWN: KnownCommands = KnownCommands::new(&[
        KnownCommand::new("POP").blocks(Blocks::before_last(0, SECOND)),
        KnownCommand::new("MPOP").blocks(Blocks::behind(0, SECOND)),
        KnownCommand::new("READ").blocks(Blocks::by_option("BLOCK", MILLISECOND)),
        KnownCommand::new("BOX NAME").state(StateChange::Name),
        KnownCommand::new("BOX WAIT").blocks(Blocks::behind(1, MILLISECOND)),
        KnownCommand::new("LISTEN").refused("do not"),
    ]);

    fn words(text: &str) -> impl Iterator<Item = &[u8]> + Clone {
        text.split(' ').map(str::as_bytes)
    }

    fn conduct(text: &str) -> Option<Conduct> {
        let known = KNOWN.find(words(text))?;
        Some(known.conduct(words(text)))
    }

    fn limit(text: &str) -> Option<Block> {
        KNOWN.find(words(text)).unwrap().limit(words(text))
    }

    #[test]
    fn a_name_is_found_in_any_case_and_up_to_a_nul() {
        for text in ["LISTEN", "listen x", "LiStEn", "listen\0x"] {
            assert_eq!(conduct(text).unwrap().refused, Some("do not"), "{text}");
        }
        for text in ["BOX NAME x", "box name", "box name\0"] {
            assert_eq!(
                conduct(text).unwrap().state,
                Some(StateChange::Name),
                "{text}"
            );
        }
        for text in [
            "",
            "LISTENER",
            "LISTE",
            "BOX",
            "BOX NAM",
            "BOX\0 x",
            "NAME BOX",
            "BOX x NAME",
        ] {
            assert_eq!(conduct(text), None, "{text}");
        }
    }

    #[test]
    fn the_words_say_whether_and_how_long_it_blocks() {
        let five = Some(Block::For(5 * SECOND));
        assert_eq!(limit("pop a b 5"), five);
        assert_eq!(limit("POP a b 0.25"), Some(Block::For(250 * MILLISECOND)));
        assert_eq!(limit("POP a b 0"), Some(Block::Forever));
        let moment = Some(Block::For(Duration::from_nanos(1)));
        assert_eq!(limit("POP a b 5.5e-17"), moment, "a rest is no 0");
        assert_eq!(limit("POP a b x"), None);
        assert_eq!(limit("POP"), None);
        assert_eq!(limit("MPOP 5 1 a LEFT"), five);
        assert_eq!(limit("box wait 1 5000"), five);
        assert_eq!(limit("READ count 1 block 5000 STREAMS a 0"), five);
        assert_eq!(limit("READ BLOCK 5000 BLOCK 1 STREAMS a 0"), five);
        assert_eq!(
            limit("READ BLOCK 5000 BLOCK 0 STREAMS a 0"),
            Some(Block::Forever)
        );
        assert!(conduct("POP a 1").unwrap().blocks);
        assert!(conduct("READ Block 1 STREAMS a 0").unwrap().blocks);
        assert!(!conduct("READ STREAMS a 0").unwrap().blocks);
    }

    #[test]
    fn another_limit_is_written_in_its_place_and_in_its_unit() {
        let cases = [
            ("pop a b 5", "pop a b 1.500"),
            ("MPOP 5 1 a LEFT", "MPOP 1.500 1 a LEFT"),
            ("box wait 1 5000", "box wait 1 1500"),
            (
                "READ count 1 block 5000 STREAMS a 0",
                "READ count 1 block 1500 STREAMS a 0",
            ),
        ];
        let encoded = |text: &str| {
            let mut bytes = Vec::new();
            words(text).for_each(|word| encode::bulk(&mut bytes, word));
            bytes
        };
        for (text, expected) in cases {
            let mut bytes = encoded(text);
            let known = KNOWN.find(words(text)).unwrap();
            let place = known.timeout_place(&bytes).unwrap();
            let old = encode::words(&bytes[place.at..]).next().unwrap();
            let old = encoded(std::str::from_utf8(old).unwrap()).len();
            let new = (place.write)(Duration::from_millis(1_500)).unwrap();
            bytes.splice(place.at..place.at + old, new);
            assert_eq!(bytes, encoded(expected), "{text}");
        }
        let unlimited = encoded("READ STREAMS a 0");
        let known = KNOWN.find(words("READ")).unwrap();
        assert!(known.timeout_place(&unlimited).is_none());
    }

    #[test]
    fn the_name_of_a_row_is_found() {
        assert!(matches!(KNOWN.of_name("listen"), Match::Command(_)));
        assert!(matches!(KNOWN.of_name("BOX NAME"), Match::Command(_)));
        assert!(matches!(KNOWN.of_name("BOX"), Match::Beginning));
        for name in ["BO", "BOX N", "LIST", "LISTENER", "GET"] {
            assert!(matches!(KNOWN.of_name(name), Match::Nothing), "{name}");
        }
    }
}
