//! A command while it is built: its encoded words, kept in the declared order whatever order they were given in.
//!
//! # Layout
//!
//! - [`Args`]: what is written, word by word
//! - `lists`: arguments of which there may be any number
//! - `optional`: what `None` makes impossible
//! - `place`: words that are moved to their place: options, counts, columns
//! - `reuse`: a command that is sent in another form: with another cursor, with the text of its script
//! - `spare`: the memory of commands that are done, for those to come

use std::time::Duration;

use bytes::Bytes;

use super::arg::{ArgWriter, ToArg};
use super::info::CommandInfo;
use super::script_text::ScriptTextRef;
use crate::error::{ArgError, CommandName, Error};
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::{Outgoing, SHARE};

mod lists;
mod optional;
mod place;
mod reuse;
mod spare;

pub use lists::ToArgs;

/// The longest argument that a server takes by default (`proto-max-bulk-len`).
const MAX_ARGUMENT: usize = 512 * 1024 * 1024;

/// The longest line that says how many words there are.
const HEADER: usize = 16;

/// A command under construction.
///
/// Arguments are encoded as they are given. Options belong to *parts*, numbered as the syntax declares them, and are
/// moved to their place at once. The first argument that cannot be sent spoils the command: it is then refused with
/// that error when it is executed, and nothing is sent.
#[derive(Debug)]
pub struct Args {
    info: &'static CommandInfo,
    bytes: Vec<u8>,
    words: u32,
    notes_keys: bool,
    /// Whether an option makes a repetition do something else than the first time.
    once_only: bool,
    /// Whether what is written now may have to be moved, so that all of it has to lie in the buffer.
    moves: bool,
    /// The position of each key among the words, where they are noted.
    keys: Vec<u32>,
    parts: Vec<Part>,
    rare: Option<Box<Rare>>,
}

/// What few commands have, so that little has to be set anew for each.
#[derive(Debug, Default, Clone)]
struct Rare {
    /// Why the command cannot be sent.
    error: Option<Spoilt>,
    block: Option<Block>,
    deadline: Option<Duration>,
    /// Where the cursor of a scan stands among the bytes.
    cursor: Option<u32>,
    /// The script that it calls by its SHA-1.
    script: Option<ScriptTextRef>,
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

/// An error is not copied with its command.
#[derive(Debug)]
struct Spoilt(Option<Error>);

impl Clone for Spoilt {
    fn clone(&self) -> Self {
        Self(None)
    }
}

/// A long value that is not among the bytes, but belongs there.
#[derive(Debug, Clone)]
struct Splice {
    at: usize,
    bytes: Bytes,
}

/// What is noted of the keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// Nothing: a single server needs no routing.
    #[default]
    Ignored,
    /// The position of each among the words, the command's name being 0.
    Noted,
}

/// How long a server may hold a blocking command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Until something happens.
    Forever,
    /// At most so long.
    For(Duration),
}

/// A type of argument that bounds how long the server blocks.
pub trait BlockLimit {
    /// The bound; `None` is for ever.
    fn limit(&self) -> Option<Duration>;
}

impl Args {
    /// Starts a command with its name.
    #[must_use]
    pub fn new(info: &'static CommandInfo, keys: Keys) -> Self {
        /// Enough for most commands.
        const ROOM: usize = 96;
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.put(info.header);
        Self {
            info,
            bytes,
            words: info.words,
            notes_keys: keys == Keys::Noted,
            once_only: false,
            moves: false,
            keys: Vec::new(),
            parts: Vec::new(),
            rare: None,
        }
    }

    /// What is known of the command.
    #[must_use]
    pub fn info(&self) -> &'static CommandInfo {
        self.info
    }

    /// Whether it was built from words, so that nothing is known of what it does.
    pub(crate) fn is_raw(&self) -> bool {
        self.info.name.is_empty()
    }

    /// Replaces what is known of the command, for raw ones.
    pub(crate) fn set_info(&mut self, info: &'static CommandInfo) {
        self.info = info;
    }

    /// Writes a literal word.
    #[inline]
    pub fn word(&mut self, word: &str) {
        encode::bulk(&mut self.bytes, word.as_bytes());
        self.words += 1;
    }

    /// Writes one argument; `name` is what an error calls it.
    #[inline]
    pub fn arg<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        let spoilt = self.is_spoilt();
        self.item(value);
        self.name_error(name, spoilt);
    }

    /// Writes one key.
    #[inline]
    pub fn key<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        let first = self.words;
        self.arg(name, value);
        if self.notes_keys && self.words > first {
            self.keys.push(first);
        }
    }

    /// Notes how long the server may hold the command.
    pub fn block(&mut self, limit: &impl BlockLimit) {
        self.rare_mut().block = Some(limit.limit().map_or(Block::Forever, Block::For));
    }

    /// Spoils the command: it will be refused with this error, unless an earlier one stands.
    pub fn refuse(&mut self, error: Error) {
        if !self.is_spoilt() {
            self.rare_mut().error = Some(Spoilt(Some(error)));
        }
    }

    /// Writes one argument of a list; for implementations of [`ToArgs`].
    #[inline]
    pub fn item<A: ToArg + ?Sized>(&mut self, value: &A) {
        if self.is_spoilt() {
            return;
        }
        let mut out = ArgWriter::new(&mut self.bytes, !self.moves);
        match value.write_arg(&mut out) {
            Ok(()) => {
                let (len, shared) = out.finish();
                self.words += 1;
                if len >= SHARE {
                    self.note_long(len, shared);
                }
            }
            Err(reason) => self.refuse(Error::argument(reason)),
        }
    }

    /// Writes one argument and counts it as a key; for implementations of [`crate::Record`].
    pub fn key_item<A: ToArg + ?Sized>(&mut self, value: &A) {
        let first = self.words;
        self.item(value);
        self.note_keys(first);
    }

    /// The positions of the keys among the words, where they were asked for.
    #[must_use]
    pub fn key_positions(&self) -> &[u32] {
        &self.keys
    }

    /// How long the server may hold it, if it blocks.
    #[must_use]
    pub fn block_limit(&self) -> Option<Block> {
        self.rare.as_ref()?.block
    }

    /// Says that an option keeps the command from being sent twice, such as NX on SET.
    pub fn once_only(&mut self) {
        self.once_only = true;
    }

    /// Whether the command may be sent again after a lost connection.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.info.idempotent && !self.once_only
    }

    /// Bounds this one call instead of the configured timeout.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.rare_mut().deadline = Some(deadline);
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.rare.as_ref()?.deadline
    }

    /// Whether it is a command of the spec that any socket can carry, with nothing uncommon about it.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        let info = self.info;
        self.rare.is_none() && !info.blocking && info.state.is_none() && !self.is_raw()
    }

    /// Why it cannot go over a socket that others share.
    pub(crate) fn needs_own_socket(&self) -> Option<&'static str> {
        if self.info.blocking || self.block_limit().is_some() {
            Some(
                "it can block, and others share this socket; call it on a pool or an exclusive connection",
            )
        } else if self.info.state.is_some() {
            Some(
                "it changes its connection's state, and others share this socket; call it on an exclusive connection",
            )
        } else {
            None
        }
    }

    /// The words, each as its bytes; for tests and logs of a user's own.
    #[must_use]
    pub fn to_words(&self) -> Vec<Vec<u8>> {
        encode::words(&self.joined()).map(<[u8]>::to_vec).collect()
    }

    /// The command's name: the spec's, or the first word of a raw one.
    pub(crate) fn name(&self) -> CommandName {
        if self.is_raw() {
            let first = encode::words(&self.bytes).next().unwrap_or_default();
            CommandName::from_bytes(first)
        } else {
            CommandName::from(self.info.name)
        }
    }

    /// Takes the error that spoils the command, with the command's name put to it.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let Spoilt(error) = self.rare.as_mut()?.error.take()?;
        error.map(|error| error.of_command(self.name()))
    }

    /// How many bytes [`Args::write_to`] appends, at most.
    pub(crate) fn encoded_len(&self) -> usize {
        self.bytes.len()
            + self
                .shared()
                .iter()
                .map(|long| long.bytes.len())
                .sum::<usize>()
            + HEADER
    }

    /// How many words follow the name.
    #[cfg(feature = "tracing")]
    pub(crate) fn count_arguments(&self) -> usize {
        let name = if self.is_raw() { 1 } else { self.info.words };
        self.words.saturating_sub(name) as usize
    }

    /// Appends the whole command as it goes over the wire; long values are shared from then on.
    pub(crate) fn write_to(&mut self, out: &mut Outgoing) {
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

    /// Makes one long value of all the bytes.
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

    #[inline]
    pub(super) fn is_spoilt(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.error.is_some())
    }

    /// Notes a long argument that was written a moment ago, and what of it is not among the bytes.
    fn note_long(&mut self, len: usize, shared: Option<Bytes>) {
        if len > MAX_ARGUMENT {
            self.refuse(Error::argument(ArgError::new(format!(
                "{len} bytes are more than the {MAX_ARGUMENT} that a server takes"
            ))));
        }
        if let Some(bytes) = shared {
            // Before the line break.
            let at = self.bytes.len().saturating_sub(2);
            self.rare_mut().shared.push(Splice { at, bytes });
        }
    }

    /// Puts `name` to an error that came up since the command was `spoilt` or not.
    #[inline]
    pub(super) fn name_error(&mut self, name: &'static str, spoilt: bool) {
        if !spoilt
            && let Some(rare) = &mut self.rare
            && let Some(Spoilt(error)) = &mut rare.error
        {
            *error = error.take().map(|error| error.of_argument(name));
        }
    }

    /// Where the next word begins: its byte, and its number.
    pub(super) fn end(&self) -> (usize, u32) {
        (self.bytes.len(), self.words)
    }

    pub(super) fn require_some(&mut self, name: &'static str, first: u32) {
        if self.words == first && !self.is_spoilt() {
            let reason = ArgError::new("at least one is required, none was given");
            self.refuse(Error::argument(reason).of_argument(name));
        }
    }

    #[inline]
    pub(super) fn note_keys(&mut self, first: u32) {
        if self.notes_keys {
            self.keys.extend(first..self.words);
        }
    }
}
