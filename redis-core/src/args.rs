//! A command while it is built: its encoded words, kept in the declared order whatever order they were given in.

use smallvec::SmallVec;

use crate::arg::{ArgWriter, ToArg, ToArgs};
use crate::command::CommandInfo;
use crate::error::Error;
use crate::records::ToRecords;
use crate::resp::encode;
use crate::script::Text;

/// Encoded bytes; most commands fit without an allocation.
pub(crate) type Buffer = SmallVec<[u8; 96]>;

/// The longest argument that a server takes by default (`proto-max-bulk-len`).
const MAX_ARGUMENT: usize = 512 * 1024 * 1024;

/// A command under construction.
///
/// Arguments are encoded as they are given. Options belong to *parts*, numbered as the syntax declares them, and are
/// moved to their place at once. The first argument that cannot be sent spoils the command: it is then refused with
/// that error when it is executed, and nothing is sent.
#[derive(Debug)]
pub struct Args {
    info: &'static CommandInfo,
    bytes: Buffer,
    words: u32,
    parts: SmallVec<[Part; 4]>,
    keys: Keys,
    error: Option<Error>,
    longest: Longest,
    block: Option<Block>,
    deadline: Option<std::time::Duration>,
    /// Whether an option makes a repetition do something else than the first time.
    once_only: bool,
    /// Where the cursor of a scan stands among the bytes.
    cursor: Option<u32>,
    /// The script that it calls by its SHA-1.
    script: Option<Text>,
}

/// Where a part begins; it ends where the next one begins.
#[derive(Debug, Clone, Copy)]
struct Part {
    order: u8,
    byte: usize,
    word: u32,
}

/// What is noted of the keys.
#[derive(Debug, Default, Clone)]
pub enum Keys {
    /// Nothing: a single server needs no routing.
    #[default]
    Ignored,
    /// The position of each among the words, the command's name being 0.
    Positions(Vec<u32>),
}

#[derive(Debug, Clone, Copy, Default)]
struct Longest {
    name: &'static str,
    len: usize,
}

/// How long a server may hold a blocking command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Until something happens.
    Forever,
    /// At most so long.
    For(std::time::Duration),
}

/// A type of argument that bounds how long the server blocks.
pub trait BlockLimit {
    /// The bound; `None` is for ever.
    fn limit(&self) -> Option<std::time::Duration>;
}

impl Args {
    /// Starts a command with its name.
    #[must_use]
    pub fn new(info: &'static CommandInfo, keys: Keys) -> Self {
        let mut bytes = Buffer::new();
        bytes.extend_from_slice(info.header);
        Self {
            info,
            bytes,
            words: info.words,
            parts: SmallVec::new(),
            keys,
            error: None,
            longest: Longest::default(),
            block: None,
            deadline: None,
            once_only: false,
            cursor: None,
            script: None,
        }
    }

    /// The same command once more, to be sent as it is. An error that spoils it is not copied.
    pub(crate) fn again(&self) -> Self {
        Self {
            info: self.info,
            bytes: self.bytes.clone(),
            words: self.words,
            parts: self.parts.clone(),
            keys: self.keys.clone(),
            error: None,
            longest: self.longest,
            block: self.block,
            deadline: self.deadline,
            once_only: self.once_only,
            cursor: self.cursor,
            script: self.script.clone(),
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

    /// Writes the arguments of another command, without its name.
    pub(crate) fn append_from(&mut self, other: &Self) {
        self.bytes.extend_from_slice(
            other
                .bytes
                .get(other.info.header.len()..)
                .unwrap_or_default(),
        );
        self.words += other.words - other.info.words;
    }

    /// Replaces what is known of the command, for raw ones.
    pub(crate) fn set_info(&mut self, info: &'static CommandInfo) {
        self.info = info;
    }

    /// Writes a literal word.
    pub fn word(&mut self, word: &str) {
        encode::bulk(&mut self.bytes, word.as_bytes());
        self.words += 1;
    }

    /// Writes one argument; `name` is what an error calls it.
    pub fn arg<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        self.named(name, |args| args.item(value));
    }

    /// Writes one key.
    pub fn key<A: ToArg + ?Sized>(&mut self, name: &'static str, value: &A) {
        let first = self.words;
        self.arg(name, value);
        self.note_keys(first);
    }

    /// Writes any number of arguments, none included.
    pub fn args<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        self.named(name, |args| values.write_args(args));
    }

    /// Writes a list of arguments, of which there must be one at least.
    pub fn list<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        let first = self.words;
        self.args(name, values);
        self.require_some(name, first);
    }

    /// Writes a list of keys, of which there must be one at least.
    pub fn keys<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        let first = self.words;
        self.list(name, values);
        self.note_keys(first);
    }

    /// Writes a list of keys that may be empty.
    pub fn any_keys<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        let first = self.words;
        self.args(name, values);
        self.note_keys(first);
    }

    /// Writes records, of which there must be one at least.
    pub fn records<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, records: &A) {
        let first = self.words;
        self.named(name, |args| records.write_records(args));
        self.require_some(name, first);
    }

    /// Writes records that may be absent.
    pub fn any_records<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, records: &A) {
        self.named(name, |args| records.write_records(args));
    }

    /// Writes pairs as two lists of equal length: all the first halves, then all the second ones.
    pub fn columns<S, A: ToRecords<S> + ?Sized>(&mut self, name: &'static str, pairs: &A) {
        let (byte, word) = (self.bytes.len(), self.words);
        self.records(name, pairs);
        self.deinterleave(byte, word);
    }

    /// Writes what `write` writes, and before it how many words that was, divided by `per_item`.
    pub fn counted(&mut self, per_item: u32, write: impl FnOnce(&mut Self)) {
        let (byte, word) = (self.bytes.len(), self.words);
        write(self);
        let count = (self.words - word) / per_item.max(1);
        let end = self.bytes.len();
        encode::bulk_integer(&mut self.bytes, count);
        let len = self.bytes.len() - end;
        self.move_tail(byte, word, len, 1);
    }

    /// Writes an option to its place among the parts; what was there before is replaced.
    pub fn part(&mut self, order: u8, write: impl FnOnce(&mut Self)) {
        self.remove(order);
        self.append(order, write);
    }

    /// Writes an option to its place among the parts, after what is there already.
    pub fn append(&mut self, order: u8, write: impl FnOnce(&mut Self)) {
        let (end, last, cursor) = (self.bytes.len(), self.words, self.cursor);
        write(self);
        // Parts are moved about, and the place of a cursor among them is not kept track of.
        self.cursor = cursor;
        let (len, words) = (self.bytes.len() - end, self.words - last);
        let place = self.parts.partition_point(|part| part.order <= order);
        let (byte, word) = self
            .parts
            .get(place)
            .map_or((end, last), |next| (next.byte, next.word));
        // The words were counted as they were written; `move_tail` counts them again.
        self.words = last;
        self.move_tail(byte, word, len, words);
        for later in self.parts.iter_mut().skip(place) {
            later.byte += len;
            later.word += words;
        }
        self.parts.insert(place, Part { order, byte, word });
    }

    /// Notes how long the server may hold the command.
    pub fn block(&mut self, limit: &impl BlockLimit) {
        self.block = Some(limit.limit().map_or(Block::Forever, Block::For));
    }

    /// Spoils the command: it will be refused with this error, unless an earlier one stands.
    pub fn refuse(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Writes one argument of a list; for implementations of [`ToArgs`].
    pub fn item<A: ToArg + ?Sized>(&mut self, value: &A) {
        if self.error.is_some() {
            return;
        }
        let mut out = ArgWriter::new(&mut self.bytes);
        match value.write_arg(&mut out) {
            Ok(()) => {
                let len = out.finish();
                self.words += 1;
                if len > self.longest.len {
                    self.longest.len = len;
                }
            }
            Err(reason) => self.error = Some(Error::argument(reason)),
        }
    }

    /// Writes one argument and counts it as a key; for implementations of [`crate::Record`].
    pub fn key_item<A: ToArg + ?Sized>(&mut self, value: &A) {
        let first = self.words;
        self.item(value);
        self.note_keys(first);
    }

    /// Writes a cursor, and notes where it stands, so that a scan can go on with another one.
    pub(crate) fn cursor_item(&mut self, cursor: u64) {
        self.cursor = u32::try_from(self.bytes.len()).ok();
        self.item(&cursor);
    }

    /// The cursor that it has.
    pub(crate) fn cursor(&self) -> Option<u64> {
        let encoded = self.bytes.get(self.cursor? as usize..)?;
        std::str::from_utf8(encode::words(encoded).next()?)
            .ok()?
            .parse()
            .ok()
    }

    /// The same command with another cursor.
    pub(crate) fn at_cursor(&self, cursor: u64) -> Option<Self> {
        let (before, rest) = self.bytes.split_at_checked(self.cursor? as usize)?;
        let mut old = Buffer::new();
        encode::bulk(&mut old, encode::words(rest).next()?);
        let mut bytes = Buffer::from_slice(before);
        encode::bulk_integer(&mut bytes, cursor);
        bytes.extend_from_slice(rest.get(old.len()..)?);
        Some(Self {
            bytes,
            // Where they begin has changed, and nothing is added to the command any more.
            parts: SmallVec::new(),
            ..self.again()
        })
    }

    /// Writes the SHA-1 of a script; the engine sends its text where the server does not have it.
    pub fn script(&mut self, script: &crate::script::Script) {
        self.word(script.sha1());
        self.script = Some(script.text().clone());
    }

    /// The script that it calls by its SHA-1.
    pub(crate) fn called_script(&self) -> Option<&Text> {
        self.script.as_ref()
    }

    /// Sends the script's text instead of its SHA-1, if it calls one.
    pub(crate) fn send_script_text(&mut self) -> bool {
        let Some(script) = self.script.take() else {
            return false;
        };
        let mut sha1 = Buffer::new();
        encode::bulk(&mut sha1, script.sha1().as_bytes());
        let info = script.whole_info();
        let mut bytes = Buffer::from_slice(info.header);
        encode::bulk(&mut bytes, script.source().as_bytes());
        let rest = self.bytes.get(self.info.header.len() + sha1.len()..);
        bytes.extend_from_slice(rest.unwrap_or_default());
        self.parts.clear();
        self.bytes = bytes;
        self.info = info;
        true
    }

    /// The positions of the keys among the words, where they were asked for.
    #[must_use]
    pub fn key_positions(&self) -> &[u32] {
        match &self.keys {
            Keys::Positions(positions) => positions,
            Keys::Ignored => &[],
        }
    }

    /// How long the server may hold it, if it blocks.
    #[must_use]
    pub fn block_limit(&self) -> Option<Block> {
        self.block
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
    pub fn set_deadline(&mut self, deadline: std::time::Duration) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn deadline(&self) -> Option<std::time::Duration> {
        self.deadline
    }

    /// Why it cannot go over a socket that others share.
    pub(crate) fn needs_own_socket(&self) -> Option<&'static str> {
        if self.block.is_some() || self.info.blocking {
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
        encode::words(&self.bytes).map(<[u8]>::to_vec).collect()
    }

    /// The command's name: the spec's, or the first word of a raw one.
    pub(crate) fn name(&self) -> crate::error::CommandName {
        if self.is_raw() {
            let first = encode::words(&self.bytes).next().unwrap_or_default();
            crate::error::CommandName::from_bytes(first)
        } else {
            crate::error::CommandName::from(self.info.name)
        }
    }

    /// Takes the error that spoils the command, with the command's name put to it.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        if self.error.is_none() && self.longest.len > MAX_ARGUMENT {
            let Longest { name, len } = self.longest;
            self.error = Some(
                Error::argument(crate::arg::ArgError::new(format!(
                    "{len} bytes are more than the {MAX_ARGUMENT} that a server takes"
                )))
                .of_argument(name),
            );
        }
        self.error.take().map(|error| error.of_command(self.name()))
    }

    /// How many bytes [`Args::write_to`] appends, at most.
    pub(crate) fn encoded_len(&self) -> usize {
        self.bytes.len() + 16
    }

    /// How many words follow the name.
    #[cfg(feature = "tracing")]
    pub(crate) fn count_arguments(&self) -> usize {
        let name = if self.is_raw() { 1 } else { self.info.words };
        self.words.saturating_sub(name) as usize
    }

    /// Appends the whole command as it goes over the wire.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        encode::array_header(out, self.words);
        out.extend_from_slice(&self.bytes);
    }

    /// Runs `write` and puts `name` to an error that it leaves, and to the longest argument.
    fn named(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        let (spoilt, longest) = (self.error.is_some(), self.longest.len);
        write(self);
        if self.longest.len > longest {
            self.longest.name = name;
        }
        if !spoilt && let Some(error) = self.error.take() {
            self.error = Some(error.of_argument(name));
        }
    }

    fn require_some(&mut self, name: &'static str, first: u32) {
        if self.words == first && self.error.is_none() {
            let reason = crate::arg::ArgError::new("at least one is required, none was given");
            self.error = Some(Error::argument(reason).of_argument(name));
        }
    }

    fn note_keys(&mut self, first: u32) {
        if let Keys::Positions(positions) = &mut self.keys {
            positions.extend(first..self.words);
        }
    }

    fn remove(&mut self, order: u8) {
        let Some(index) = self.parts.iter().position(|part| part.order == order) else {
            return;
        };
        let part = self.parts.remove(index);
        let (end, last) = self
            .parts
            .get(index)
            .map_or((self.bytes.len(), self.words), |next| {
                (next.byte, next.word)
            });
        let (len, words) = (end - part.byte, last - part.word);
        self.bytes.drain(part.byte..end);
        self.words -= words;
        for later in self.parts.iter_mut().skip(index) {
            later.byte -= len;
            later.word -= words;
        }
        if let Keys::Positions(positions) = &mut self.keys {
            positions.retain(|position| !(part.word..last).contains(position));
            for position in positions.iter_mut().filter(|position| **position >= last) {
                *position -= words;
            }
        }
    }

    /// Moves the last `len` bytes, which are `words` words not yet counted, to `byte`, where word number `word` stood.
    fn move_tail(&mut self, byte: usize, word: u32, len: usize, words: u32) {
        if let Some(tail) = self.bytes.get_mut(byte..) {
            tail.rotate_right(len);
        }
        let written = self.words;
        self.words += words;
        if let Keys::Positions(positions) = &mut self.keys {
            for position in positions.iter_mut().filter(|position| **position >= word) {
                *position = if *position < written {
                    *position + words
                } else {
                    *position - (written - word)
                };
            }
            positions.sort_unstable();
        }
    }

    /// Turns `a 1 b 2` from `byte` on, where word number `word` stands, into `a b 1 2`.
    fn deinterleave(&mut self, byte: usize, word: u32) {
        let Some(tail) = self.bytes.get(byte..) else {
            return;
        };
        let words: Vec<&[u8]> = encode::words(tail).collect();
        let mut sorted = Buffer::with_capacity(tail.len());
        for half in 0..2 {
            words
                .iter()
                .skip(half)
                .step_by(2)
                .for_each(|word| encode::bulk(&mut sorted, word));
        }
        self.bytes.truncate(byte);
        self.bytes.extend_from_slice(&sorted);
        if let Keys::Positions(positions) = &mut self.keys {
            for position in positions.iter_mut().filter(|position| **position >= word) {
                *position = word + (*position - word) / 2;
            }
        }
    }
}
