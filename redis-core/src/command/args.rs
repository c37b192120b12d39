//! A command while it is built: its encoded words, kept in the order of the syntax, in whatever order they were
//! given.
//!
//! # Layout
//!
//! - [`Args`]: what is written, word by word
//! - `conduct`: the effect of the command on its socket
//! - `keyed`: its keys among its bytes
//! - `lists`: arguments of which there may be any number
//! - `optional`: what `None` makes impossible
//! - `place`: words that are moved to their place: options, counts, columns
//! - `prefixed`: a prefix that is put before its names
//! - `wait`: waits that are split into pieces
//! - `reuse`: a command that is sent in another form: with another cursor, with the text of its script
//! - `slots`: the slots of its keys, computed while they are written
//! - `spare`: the memory of finished commands, for later ones
//! - `spoilt`: the error of a command that cannot be sent

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::arg::{ArgWriter, ToArg};
use super::block::{Block, BlockLimit, Pieces, TimeoutPlace};
use super::info::CommandInfo;
use super::known::KnownCommand;
use super::script_text::ScriptTextRef;
use super::slot::Slots;
use crate::error::{ArgError, CommandName, Error};
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::{Outgoing, SHARE};

mod conduct;
mod keyed;
mod lists;
mod optional;
mod place;
mod prefixed;
mod reuse;
mod slots;
mod spare;
mod spoilt;
mod wait;

pub use lists::ToArgs;

/// The longest argument that a server takes by default (`proto-max-bulk-len`).
const MAX_ARGUMENT: usize = 512 * 1024 * 1024;

/// The longest line that says how many words there are.
const HEADER: usize = 16;

/// A command under construction.
///
/// Arguments are encoded as they are given. Options belong to *parts*, which are numbered in the order of the
/// syntax, and are moved to their place at once. If an argument cannot be sent, the command keeps the first such
/// error: it fails with it when it is executed, and nothing is sent.
///
/// Its `Debug` shows its name and size: an argument may be a secret.
pub struct Args {
    info: &'static CommandInfo,
    bytes: Vec<u8>,
    words: u32,
    noted: Noted,
    /// The options that came later than the command, a bit for each: see [`CommandInfo::newer`].
    needed: u32,
    /// Whether an option or an argument makes the command unsafe to repeat.
    once_only: bool,
    /// Whether what is written now may have to be moved or read again, so that all of it has to lie in the buffer.
    moves: bool,
    /// The position of each key among the words, if they are noted.
    keys: Vec<u32>,
    parts: Vec<Part>,
    rare: Option<Box<Rare>>,
    spare: Spare,
}

/// Fields that few commands use, kept apart so that little has to be reset for each command.
#[derive(Debug, Default, Clone)]
struct Rare {
    /// Why the command cannot be sent.
    error: Option<Spoilt>,
    block: Option<Block>,
    /// Where its timeout stands, where nil says that its time was up.
    timeout: Option<TimeoutPlace>,
    /// How it waits, if that is in pieces.
    pieces: Option<Pieces>,
    deadline: Option<Duration>,
    /// Whether the deadline is what is left of the usual time, and not of this call alone.
    is_rest: bool,
    /// Whether no replica may answer it.
    at_primary: bool,
    /// Where the cursor of a scan is among the bytes.
    cursor: Option<u32>,
    /// The script that the command calls by its SHA-1.
    script: Option<ScriptTextRef>,
    /// The known command that the words are.
    known: Option<&'static KnownCommand>,
    /// Long values, in the order of their places.
    shared: Vec<Splice>,
}

/// Where a part begins; it ends where the next one begins.
#[derive(Debug, Clone, Copy)]
struct Part {
    order: u8,
    word: u32,
    byte: usize,
}

/// The error of a command, until it is taken: it cannot be copied. The command stays spoilt without it, and so does each copy.
#[derive(Debug)]
struct Spoilt(Option<Error>);

/// A long value that is not copied into the bytes, and its place there.
#[derive(Clone)]
struct Splice {
    at: usize,
    bytes: Bytes,
}

/// What is noted about the keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// Nothing: a single server needs no routing.
    #[default]
    Ignored,
    /// The position of each among the words, the command's name being 0.
    Noted,
    /// The slots of a cluster that they have; positions only where the command may have to be split.
    Slots,
}

/// The place of a finished command among those whose memory is kept: see `spare`.
#[derive(Debug, Default)]
struct Spare {
    before: Option<Box<Args>>,
    /// How many are kept before this one.
    count: u8,
}

/// What is noted of the keys that were written so far.
#[derive(Debug, Clone, Copy, Default)]
struct Noted {
    mode: Keys,
    /// Of keys that stay.
    fixed: Slots,
    /// How many of them there are, unless their positions are noted too.
    fixed_count: u32,
    /// Of keys within options and lists, which may be replaced.
    movable: Slots,
}

impl Noted {
    #[inline]
    fn new(mode: Keys) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("command", &self.name())
            .field("words", &self.words)
            .field("bytes", &self.encoded_len())
            .finish_non_exhaustive()
    }
}

/// Without its bytes, which are part of a command.
impl fmt::Debug for Splice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splice")
            .field("at", &self.at)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

impl Args {
    /// Starts a command with its name.
    #[must_use]
    pub fn new(info: &'static CommandInfo, keys: Keys) -> Self {
        /// Room for most commands.
        const ROOM: usize = 96;
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.put(info.header);
        Self {
            info,
            bytes,
            words: info.words,
            noted: Noted::new(keys),
            needed: 0,
            once_only: false,
            moves: false,
            keys: Vec::new(),
            parts: Vec::new(),
            rare: None,
            spare: Spare::default(),
        }
    }

    /// What is known about the command.
    #[must_use]
    pub fn info(&self) -> &'static CommandInfo {
        self.info
    }

    /// Whether it was built from words, so that nothing is known about what it does.
    pub(crate) fn is_raw(&self) -> bool {
        self.info.name.is_empty()
    }

    /// Whether it may change or read keys that it does not name.
    pub(crate) fn may_touch_unnamed(&self) -> bool {
        self.info.writes_unnamed || self.is_raw()
    }

    /// Replaces what is known about the command, for raw ones.
    pub(crate) fn set_info(&mut self, info: &'static CommandInfo) {
        self.info = info;
    }

    /// Writes a literal word.
    #[inline]
    pub fn word(&mut self, word: &str) {
        encode::bulk(&mut self.bytes, word.as_bytes());
        self.words += 1;
    }

    /// Writes one argument; errors call it `name`.
    #[inline]
    pub fn arg<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        if let Err(reason) = self.write_one(value) {
            self.refuse(Error::argument(reason).of_argument(name));
        }
    }

    /// Writes one key.
    #[inline]
    pub fn key<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        if self.noted.mode == Keys::Ignored {
            return self.arg(name, value);
        }
        self.noting(|args| args.arg(name, value));
    }

    /// Notes how long the server may hold the command; that time is the argument that is written next.
    pub fn block<L: BlockLimit>(&mut self, limit: &L) {
        let place = TimeoutPlace::new::<L>(self.bytes.len());
        let timeout = self.info.waits.then_some(place);
        let rare = self.rare_mut();
        rare.block = Some(limit.limit().map_or(Block::Forever, Block::For));
        rare.timeout = timeout;
    }

    /// Writes one argument of a list; for implementations of [`ToArgs`].
    #[inline]
    pub fn item<A: ToArg + ?Sized>(&mut self, value: &A) {
        if let Err(reason) = self.write_one(value) {
            self.refuse(Error::argument(reason));
        }
    }

    /// Writes one argument, unless the command cannot be sent anyway. Of one that fails nothing stays, so that the command is whole
    /// without it.
    #[inline]
    fn write_one<A: ToArg + ?Sized>(&mut self, value: &A) -> Result<(), ArgError> {
        if self.is_spoilt() {
            return Ok(());
        }
        let start = self.bytes.len();
        let mut out = ArgWriter::new(&mut self.bytes, !self.moves);
        if let Err(reason) = value.write_arg(&mut out) {
            self.bytes.truncate(start);
            return Err(reason);
        }
        let (len, shared) = out.finish();
        self.words += 1;
        if value.once_only() && !self.info.readonly {
            self.once_only = true;
        }
        if len >= SHARE {
            return self.note_long(start, len, shared);
        }
        Ok(())
    }

    /// Writes one argument and counts it as a key; for implementations of [`crate::Record`].
    pub fn key_item<A: ToArg + ?Sized>(&mut self, value: &A) {
        self.noting(|args| args.item(value));
    }

    /// The positions of the keys among the words, if they were asked for.
    #[must_use]
    pub fn key_positions(&self) -> &[u32] {
        &self.keys
    }

    /// How long the server may hold it, if it blocks.
    #[inline]
    #[must_use]
    pub fn block_limit(&self) -> Option<Block> {
        self.rare.as_ref()?.block
    }

    /// Marks the command as unsafe to send twice because of an option, such as NX on SET, or of an argument.
    pub fn once_only(&mut self) {
        self.once_only = true;
    }

    /// Notes that one of [`CommandInfo::newer`] was chosen.
    pub fn needs(&mut self, place: u32) {
        self.needed |= 1_u32.checked_shl(place).unwrap_or_default();
    }

    /// The newer options that were chosen, a bit for each.
    pub(crate) fn needed(&self) -> u32 {
        self.needed
    }

    /// Whether the command may be sent again after a lost connection.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.info.idempotent && !self.once_only
    }

    /// The deadline of this one call, instead of the configured timeout.
    pub fn set_deadline(&mut self, deadline: Duration) {
        let rare = self.rare_mut();
        (rare.deadline, rare.is_rest) = (Some(deadline), false);
    }

    /// A part of its time has passed: of the deadline of this call, or of the usual time.
    pub(crate) fn set_time_left(&mut self, left: Duration) {
        let rare = self.rare_mut();
        rare.is_rest |= rare.deadline.is_none();
        rare.deadline = Some(left);
    }

    /// Whether its deadline is what is left of the usual time.
    pub(crate) fn has_rest(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.is_rest)
    }

    #[inline]
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.rare.as_ref()?.deadline
    }

    /// Has no replica of a cluster answer it: the caller may have seen more than a replica has.
    pub(crate) fn keep_at_primary(&mut self) {
        self.rare_mut().at_primary = true;
    }

    /// Whether no replica may answer it.
    pub(crate) fn is_for_primary(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.at_primary)
    }

    /// Whether it is a command of the spec that any socket can carry and that has nothing special.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.rare.is_none() && self.info.plain
    }

    /// The words, each as its bytes; for a user's tests and logs.
    #[must_use]
    pub fn to_words(&self) -> Vec<Vec<u8>> {
        encode::words(&self.joined()).map(<[u8]>::to_vec).collect()
    }

    /// The command's name: the spec's, or the first word of a raw one.
    pub(crate) fn name(&self) -> CommandName {
        if self.is_raw() {
            // The bytes of a long command are shared once it is sent.
            let encoded = match self.shared().first() {
                Some(Splice { at: 0, bytes }) => bytes,
                _ => &*self.bytes,
            };
            CommandName::from_bytes(encode::words(encoded).next().unwrap_or_default())
        } else {
            CommandName::from(self.info.name)
        }
    }

    /// The most bytes that [`Args::write_to`] appends.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        let long = match &self.rare {
            None => 0,
            Some(rare) => rare.shared.iter().map(|long| long.bytes.len()).sum(),
        };
        self.bytes.len() + long + HEADER
    }

    /// The number of words after the name.
    #[cfg(feature = "tracing")]
    pub(crate) fn count_arguments(&self) -> usize {
        let name = if self.is_raw() { 1 } else { self.info.words };
        self.words.saturating_sub(name) as usize
    }

    /// Appends the whole encoded command; long values are shared from then on.
    #[inline(always)]
    pub(crate) fn write_to(&mut self, out: &mut Outgoing) {
        if self.rare.is_none() && self.bytes.len() < SHARE {
            encode::array_header(out, self.words);
            out.put(&self.bytes);
        } else {
            self.write_long(out);
        }
    }

    /// Appends a command that may have long values.
    #[inline(never)]
    fn write_long(&mut self, out: &mut Outgoing) {
        encode::array_header(out, self.words);
        if self.bytes.len() >= SHARE {
            self.share();
        }
        if self.shared().is_empty() {
            out.put(&self.bytes);
        } else {
            self.write_pieces(out);
        }
    }

    /// Turns all the bytes into one long value.
    #[cold]
    fn share(&mut self) {
        if self.shared().is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.bytes));
            self.rare_mut().shared.push(Splice { at: 0, bytes });
        }
    }

    fn write_pieces(&self, out: &mut Outgoing) {
        let mut from = 0;
        for Splice { at, bytes } in self.shared() {
            out.put(self.bytes.get(from..*at).unwrap_or_default());
            out.put_shared(bytes.clone());
            from = *at;
        }
        out.put(self.bytes.get(from..).unwrap_or_default());
    }

    fn shared(&self) -> &[Splice] {
        self.rare.as_ref().map_or(&[], |rare| &rare.shared)
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Notes a long argument that was just written, from `start` on, and the part of it that is shared.
    #[cold]
    fn note_long(
        &mut self,
        start: usize,
        len: usize,
        shared: Option<Bytes>,
    ) -> Result<(), ArgError> {
        if len > MAX_ARGUMENT {
            self.bytes.truncate(start);
            self.words -= 1;
            return Err(ArgError::new(format!(
                "{len} bytes are more than the {MAX_ARGUMENT} that a server takes"
            )));
        }
        if let Some(bytes) = shared {
            // The place is before the line break.
            let at = self.bytes.len().saturating_sub(2);
            self.rare_mut().shared.push(Splice { at, bytes });
        }
        Ok(())
    }

    /// The place where the next word begins: its byte, and its number.
    pub(super) fn end(&self) -> (usize, u32) {
        (self.bytes.len(), self.words)
    }

    /// Writes what `write` writes, which must be at least one word.
    pub(super) fn at_least_one(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        let first = self.words;
        write(self);
        if self.words == first && !self.is_spoilt() {
            let reason = ArgError::new("at least one is required, none was given");
            self.refuse(Error::argument(reason).of_argument(name));
        }
    }
}
