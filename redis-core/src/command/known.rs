//! What commands that are built from words do to their connection: [`KnownCommands`], a table that is expanded from the spec.
//!
//! The core knows no command by name. Whoever lets its users build commands from words hands over a table, and the words of
//! each such command are looked up in it before the command goes anywhere.

use std::fmt;
use std::time::Duration;

use super::block::Block;
use super::info::StateChange;

/// The commands that a shared connection does not take, by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KnownCommands(&'static [KnownCommand]);

/// One command that is more than a question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownCommand {
    /// One word, or two with a blank between: `CLIENT REPLY`.
    name: &'static str,
    state: Option<StateChange>,
    blocks: Option<Blocks>,
    refused: Option<&'static str>,
}

/// When a command blocks, and where its words say how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The option word without which it does not block.
    option: Option<&'static str>,
    limit: Option<Place>,
    /// What one of the limit is worth.
    unit: Duration,
}

/// Where the limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// That many words after the name.
    Behind(usize),
    /// That many words before the last one.
    BeforeLast(usize),
}

/// What a command does to the connection that it is sent on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Conduct {
    pub(crate) blocks: bool,
    pub(crate) state: Option<StateChange>,
    /// Why no connection takes it at all, and what to do instead.
    pub(crate) refused: Option<&'static str>,
    /// Whether nothing is known of it.
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
        Self(commands)
    }

    /// The command that these words are.
    pub(crate) fn find<'a>(
        &self,
        mut words: impl Iterator<Item = &'a [u8]>,
    ) -> Option<&'static KnownCommand> {
        let (first, second) = (words.next()?, words.next());
        self.0
            .iter()
            .find(|known| match known.name.split_once(' ') {
                None => is_word(first, known.name),
                Some((container, subcommand)) => {
                    is_word(first, container)
                        && second.is_some_and(|word| is_word(word, subcommand))
                }
            })
    }

    /// The command of this name; while the spec of a user's own is compiled.
    pub(crate) const fn of_name(&self, name: &str) -> Match {
        let mut found = Match::Nothing;
        let mut commands = self.0;
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

/// Whether a server takes `word` for this one. Letter case does not matter to it, nor, to older ones, what follows a NUL.
fn is_word(word: &[u8], known: &str) -> bool {
    let end = memchr::memchr(0, word).unwrap_or(word.len());
    word.get(..end)
        .is_some_and(|word| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// What follows `start` in a text that begins with it, whatever the case of the letters.
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

/// Not the whole table in the `Debug` of each command.
impl fmt::Debug for KnownCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownCommands").field(&self.0.len()).finish()
    }
}

impl KnownCommand {
    /// A command of this name, of one word or two, in upper case.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            state: None,
            blocks: None,
            refused: None,
        }
    }

    /// Says what it changes on its connection.
    #[must_use]
    pub const fn state(mut self, change: StateChange) -> Self {
        self.state = Some(change);
        self
    }

    /// Says when it blocks, and for how long.
    #[must_use]
    pub const fn blocks(mut self, blocks: Blocks) -> Self {
        self.blocks = Some(blocks);
        self
    }

    /// Says that it cannot be sent at all: why, and what to do instead.
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

    /// What it does with these words, its name among them.
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

    /// How long its words let it block. `None` where they do not say, which a server answers with an error.
    pub(crate) fn limit<'a>(&self, words: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Block> {
        let blocks = self.blocks?;
        let arguments = self.arguments(words);
        if let Some(option) = blocks.option {
            // A server takes the last one that is given. Which one that is depends on what the others stand for.
            let limits = arguments.clone().zip(arguments.skip(1));
            return limits
                .filter(|(word, _)| is_word(word, option))
                .filter_map(|(_, limit)| blocks.read(limit))
                .max();
        }
        let mut arguments = arguments;
        let word = match blocks.limit? {
            Place::Behind(words) => arguments.nth(words)?,
            Place::BeforeLast(words) => {
                let count = arguments.clone().count();
                arguments.nth(count.checked_sub(words + 1)?)?
            }
        };
        blocks.read(word)
    }

    fn arguments<'a, W: Iterator<Item = &'a [u8]>>(&self, words: W) -> std::iter::Skip<W> {
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

    /// It always can; the limit is that many words behind its name, 0 being the next.
    #[must_use]
    pub const fn behind(words: usize, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.limit = Some(Place::Behind(words));
        blocks
    }

    /// It always can; the limit is that many words before its last, 0 being the last.
    #[must_use]
    pub const fn before_last(words: usize, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.limit = Some(Place::BeforeLast(words));
        blocks
    }

    /// It does where this word is given, which the limit follows.
    #[must_use]
    pub const fn by_option(word: &'static str, unit: Duration) -> Self {
        let mut blocks = Self::new(unit);
        blocks.option = Some(word);
        blocks
    }

    /// The limit that a word says.
    fn read(&self, word: &[u8]) -> Option<Block> {
        let number: f64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        let time = Duration::try_from_secs_f64(number * self.unit.as_secs_f64()).ok()?;
        Some(if time.is_zero() {
            Block::Forever
        } else {
            Block::For(time)
        })
    }
}

#[cfg(test)]
mod tests {
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
    fn the_name_of_a_row_is_found() {
        assert!(matches!(KNOWN.of_name("listen"), Match::Command(_)));
        assert!(matches!(KNOWN.of_name("BOX NAME"), Match::Command(_)));
        assert!(matches!(KNOWN.of_name("BOX"), Match::Beginning));
        for name in ["BO", "BOX N", "LIST", "LISTENER", "GET"] {
            assert!(matches!(KNOWN.of_name(name), Match::Nothing), "{name}");
        }
    }
}
