//! A command that is sent again, or sent in another form than it was built in.

use std::borrow::Cow;

use super::{Args, Spare, Splice};
use crate::command::script_text::ScriptTextRef;
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::SHARE;

impl Args {
    /// A copy of the command, to be sent as it is. If the command cannot be sent, neither can the copy.
    pub(crate) fn again(&self) -> Self {
        Self {
            info: self.info,
            bytes: self.bytes.clone(),
            words: self.words,
            noted: self.noted,
            needed: self.needed,
            once_only: self.once_only,
            moves: self.moves,
            keys: self.keys.clone(),
            parts: self.parts.clone(),
            spare: Spare::default(),
            rare: self.rare.clone(),
        }
    }

    /// Appends the whole encoded command to `out`. A command with long values, which are shared and not copied, is left
    /// out; returns whether it was appended.
    #[inline]
    pub(crate) fn copy_to(&self, out: &mut Vec<u8>) -> bool {
        let is_short = self.bytes.len() < SHARE && self.shared().is_empty();
        if is_short {
            encode::array_header(out, self.words);
            out.put(&self.bytes);
        }
        is_short
    }

    /// Writes the arguments of another command, without its name.
    pub(crate) fn append_from(&mut self, other: &Self) {
        let all = other.joined();
        let arguments = all.get(other.info.header.len()..).unwrap_or_default();
        let words = other.words - other.info.words;
        self.append_encoded(std::iter::once(arguments), words);
    }

    /// Writes arguments that are encoded already: `words` of them, in any number of pieces.
    pub(crate) fn append_encoded<'a>(
        &mut self,
        pieces: impl Iterator<Item = &'a [u8]>,
        words: u32,
    ) {
        pieces.for_each(|piece| self.bytes.put(piece));
        self.words += words;
    }

    /// Writes a cursor, and notes its place, so that a scan can go on with another cursor.
    pub(crate) fn cursor_item(&mut self, cursor: u64) {
        self.note_cursor();
        self.item(&cursor);
    }

    /// Writes a cursor that is a text: that of a scan over a cluster.
    pub(crate) fn cursor_text_item(&mut self, cursor: &str) {
        self.note_cursor();
        self.item(cursor);
    }

    /// Notes that a cursor comes next, if it stays in its place: that of one in an option is not tracked. To a command that cannot be
    /// sent, none is written.
    fn note_cursor(&mut self) {
        if !self.moves && !self.is_spoilt() {
            self.rare_mut().cursor = u32::try_from(self.bytes.len()).ok();
        }
    }

    fn cursor_place(&self) -> Option<u32> {
        self.rare.as_ref()?.cursor
    }

    /// The cursor in the command, if it is a number.
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.cursor_text()?.parse().ok()
    }

    /// The cursor in the command, as it is written.
    pub(crate) fn cursor_text(&self) -> Option<&str> {
        let encoded = self.bytes.get(self.cursor_place()? as usize..)?;
        std::str::from_utf8(encode::words(encoded).next()?).ok()
    }

    /// The value of an option: the word after `name`.
    pub(crate) fn option(&self, name: &str) -> Option<Vec<u8>> {
        let all = self.joined();
        let mut words = encode::words(&all).skip(self.info.words as usize);
        words.find(|word| word.eq_ignore_ascii_case(name.as_bytes()))?;
        words.next().map(<[u8]>::to_vec)
    }

    /// The same command with another cursor.
    pub(crate) fn at_cursor(&self, cursor: u64) -> Option<Self> {
        let place = self.cursor_place()? as usize;
        let (before, rest) = self.bytes.split_at_checked(place)?;
        let mut old = Vec::new();
        encode::bulk(&mut old, encode::words(rest).next()?);
        let mut bytes = before.to_vec();
        encode::bulk_integer(&mut bytes, cursor);
        let grown = bytes.len() - place;
        bytes.put(rest.get(old.len()..)?);
        let mut again = Self {
            bytes,
            // The places of the parts have changed, and nothing is added to the command any more.
            parts: Vec::new(),
            ..self.again()
        };
        for long in again
            .rare_mut()
            .shared
            .iter_mut()
            .filter(|long| long.at > place)
        {
            long.at = long.at + grown - old.len();
        }
        Some(again)
    }

    /// Writes the SHA-1 of a script, and remembers its text.
    pub(crate) fn script_text(&mut self, script: &ScriptTextRef) {
        self.word(script.sha1());
        self.rare_mut().script = Some(script.clone());
    }

    /// The script that the command calls by its SHA-1.
    pub(crate) fn called_script(&self) -> Option<&ScriptTextRef> {
        self.rare.as_ref()?.script.as_ref()
    }

    /// Sends the script's text instead of its SHA-1, if it calls one.
    pub(crate) fn send_script_text(&mut self) -> bool {
        let Some(script) = self.rare.as_mut().and_then(|rare| rare.script.take()) else {
            return false;
        };
        let mut sha1 = Vec::new();
        encode::bulk(&mut sha1, script.sha1().as_bytes());
        let info = script.whole_info();
        let mut bytes = info.header.to_vec();
        encode::bulk(&mut bytes, script.source().as_bytes());
        let rest = self.info.header.len() + sha1.len();
        bytes.put(self.joined().get(rest..).unwrap_or_default());
        self.parts.clear();
        let rare = self.rare_mut();
        rare.shared.clear();
        rare.timeout = None;
        self.bytes = bytes;
        self.info = info;
        true
    }

    /// The bytes, with all shared values in their places.
    pub(crate) fn joined(&self) -> Cow<'_, [u8]> {
        if self.shared().is_empty() {
            return Cow::Borrowed(&self.bytes);
        }
        let mut all = Vec::with_capacity(self.encoded_len());
        let mut from = 0;
        for Splice { at, bytes } in self.shared() {
            all.extend_from_slice(self.bytes.get(from..*at).unwrap_or_default());
            all.extend_from_slice(bytes);
            from = *at;
        }
        all.extend_from_slice(self.bytes.get(from..).unwrap_or_default());
        Cow::Owned(all)
    }
}
