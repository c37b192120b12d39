//! The keys of a command among its bytes, for a client-side cache.

use std::ops::Range;

use super::Args;
use crate::command::info::{RequestPolicy, ResponsePolicy};
use crate::wire::outgoing::SHARE;

impl Args {
    /// The encoded words and the place of the first key in them, if a client-side cache may keep the reply.
    ///
    /// The positions of its keys must have been noted. A command that blocks, calls a script, has an error or holds long
    /// values is none.
    #[inline]
    pub(crate) fn cacheable(&self) -> Option<(&[u8], Range<usize>)> {
        if !self.info.cacheable || self.once_only || self.bytes.len() >= SHARE {
            return None;
        }
        if let Some(rare) = &self.rare
            && (rare.error.is_some()
                || rare.block.is_some()
                || rare.script.is_some()
                || rare.cursor.is_some()
                || !rare.shared.is_empty())
        {
            return None;
        }
        let position = *self.keys.first()?;
        Some((&self.bytes, self.place_of_key(position)?))
    }

    /// The place of the content of the word at this position.
    #[inline]
    pub(super) fn place_of_key(&self, position: u32) -> Option<Range<usize>> {
        if position == self.info.words && self.words == position + 1 {
            return only_word(&self.bytes, self.info.header.len());
        }
        let (mut at, mut word) = (0, 0);
        if position >= self.info.words {
            (at, word) = (self.info.header.len(), self.info.words);
        }
        loop {
            let place = word_at(&self.bytes, at)?;
            if word == position {
                return Some(place);
            }
            (at, word) = (place.end + 2, word + 1);
        }
    }

    /// Calls `each` with every key whose position was noted.
    pub(crate) fn each_key(&self, mut each: impl FnMut(&[u8])) {
        let mut positions = self.keys.iter().peekable();
        for (word, position) in self.each_word().zip(0..) {
            if positions.next_if_eq(&&position).is_some() {
                each(word);
            }
        }
    }

    /// The encoded words, as long as none is kept elsewhere because it is long.
    pub(crate) fn encoded_words(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is a list of keys and nothing else, whose reply has an element for each key.
    #[inline]
    pub(crate) fn reads_each_key(&self) -> bool {
        let info = self.info;
        info.request_policy == RequestPolicy::MultiShard
            && info.response_policy == ResponsePolicy::Default
            && u32::try_from(self.keys.len()).is_ok_and(|keys| info.words + keys == self.words)
    }

    /// Whether it has more than one key.
    #[inline]
    pub(crate) fn has_several_keys(&self) -> bool {
        self.keys.len() > 1
    }
}

/// The place of the content of the word from `at` to the end. A short one is found only from the number of bytes: its
/// length has one or two digits.
#[inline]
pub(super) fn only_word(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let header = match bytes.len().checked_sub(at)? {
        0..=15 => 4,
        16..=106 => 5,
        _ => return word_at(bytes, at),
    };
    Some(at + header..bytes.len() - 2)
}

/// The place of the content of the word that begins at `at`.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let line = bytes.get(at..)?.strip_prefix(b"$")?;
    let (mut len, mut digits) = (0_usize, 0);
    for byte in line {
        match byte {
            b'0'..=b'9' => len = len * 10 + usize::from(byte - b'0'),
            _ => break,
        }
        digits += 1;
    }
    let start = at + 1 + digits + 2;
    let place = start..start.checked_add(len)?;
    (place.end + 2 <= bytes.len()).then_some(place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::command::info::{CommandInfo, command_info};
    use crate::command::{Keys, StateChange};

    static GET: CommandInfo = command_info!("GET").readonly().cacheable();
    static MEMORY: CommandInfo = command_info!("MEMORY USAGE").readonly().cacheable();
    static ZUNION: CommandInfo = command_info!("ZUNION").readonly().cacheable();
    static RESET: CommandInfo = command_info!("RESET").state(StateChange::Mode);

    fn key_of(args: &Args) -> Option<&[u8]> {
        args.cacheable().map(|(bytes, place)| &bytes[place])
    }

    fn keys_of(args: &Args) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        args.each_key(|key| keys.push(key.to_vec()));
        keys
    }

    #[test]
    fn the_first_key_is_found_wherever_it_stands() {
        let mut args = Args::new(&GET, Keys::Noted);
        args.key("key", "a long key of more than nine bytes");
        assert_eq!(
            key_of(&args).unwrap(),
            b"a long key of more than nine bytes"
        );
        for len in [0, 1, 9, 10, 99, 100, 101, 1000] {
            let key = "k".repeat(len);
            let mut args = Args::new(&GET, Keys::Noted);
            args.key("key", &key);
            assert_eq!(key_of(&args).unwrap(), key.as_bytes());
        }
        let mut args = Args::new(&MEMORY, Keys::Noted);
        args.key("key", "");
        assert_eq!(key_of(&args).unwrap(), b"");
        let mut args = Args::new(&ZUNION, Keys::Noted);
        args.counted(1, |args| args.keys("key", &["a", "bc"]));
        args.part(0, |args| args.word("WITHSCORES"));
        assert_eq!(key_of(&args).unwrap(), b"a");
        assert_eq!(keys_of(&args), [b"a".to_vec(), b"bc".to_vec()]);
        assert!(args.has_several_keys());
    }

    #[test]
    fn only_what_its_row_says_and_has_a_key_is_cacheable() {
        assert_eq!(key_of(&Args::new(&RESET, Keys::Noted)), None);
        let mut unnoted = Args::new(&GET, Keys::Ignored);
        unnoted.key("key", "a");
        assert_eq!(key_of(&unnoted), None);
        let mut long = Args::new(&GET, Keys::Noted);
        long.key("key", &vec![b'k'; SHARE]);
        assert_eq!(key_of(&long), None);
        let mut blocks = Args::new(&GET, Keys::Noted);
        blocks.key("key", "a");
        blocks.block(&crate::command::Timeout::from(1));
        assert_eq!(key_of(&blocks), None);
    }
}
