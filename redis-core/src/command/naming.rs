//! The names in a command besides its keys, and those in its reply: [`Naming`], expanded from the spec for the commands
//! that have some. A handle that puts a prefix before names reads it.

use crate::wire::Step;

/// Where a command has names that are not among its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    pub(crate) unnamed: bool,
    pub(crate) keyless: bool,
    pub(crate) slot: bool,
    pub(crate) pattern: Option<PatternPlace>,
    pub(crate) templates: &'static [&'static str],
    pub(crate) channels: Channels,
    pub(crate) in_reply: &'static [&'static [Step]],
}

/// Where a pattern of names stands among the words.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternPlace {
    /// Right behind the name of the command.
    First,
    /// Behind this option word.
    After(&'static str),
}

/// Which words are channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    None,
    /// The one right behind the name of the command.
    First,
    /// All behind the name of the command.
    All,
    /// The pattern is one of channels.
    Pattern,
}

impl Naming {
    /// Nothing but the keys.
    pub const NONE: Self = Self {
        unnamed: false,
        keyless: false,
        slot: false,
        pattern: None,
        templates: &[],
        channels: Channels::None,
        in_reply: &[],
    };

    /// It reads or changes keys that it does not name.
    #[must_use]
    pub const fn unnamed(mut self) -> Self {
        self.unnamed = true;
        self
    }

    /// What counts as a key of it only says where it goes, and is none.
    #[must_use]
    pub const fn keyless(mut self) -> Self {
        self.keyless = true;
        self
    }

    /// The word right behind the name of the command is the number of a slot, whose node it concerns.
    #[must_use]
    pub const fn slot(mut self) -> Self {
        self.slot = true;
        self
    }

    /// It takes a pattern of names of keys here.
    #[must_use]
    pub const fn pattern(mut self, place: PatternPlace) -> Self {
        self.pattern = Some(place);
        self
    }

    /// Behind each of these option words stands the name of a key with `*` for an element.
    #[must_use]
    pub const fn templates(mut self, options: &'static [&'static str]) -> Self {
        self.templates = options;
        self
    }

    /// The word right behind the name of the command is a channel.
    #[must_use]
    pub const fn channel(mut self) -> Self {
        self.channels = Channels::First;
        self
    }

    /// All words behind the name of the command are channels.
    #[must_use]
    pub const fn channels(mut self) -> Self {
        self.channels = Channels::All;
        self
    }

    /// It takes a pattern of names of channels here.
    #[must_use]
    pub const fn channel_pattern(mut self, place: PatternPlace) -> Self {
        self.channels = Channels::Pattern;
        self.pattern = Some(place);
        self
    }

    /// Its reply has names at the end of these paths.
    #[must_use]
    pub const fn in_reply(mut self, paths: &'static [&'static [Step]]) -> Self {
        self.in_reply = paths;
        self
    }
}
