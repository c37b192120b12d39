//! Words that are known at compile time, encoded by the compiler: [`FixedWords`], and `fixed_command!` for a whole command.

/// The most bytes that they take.
const ROOM: usize = 64;

/// Encoded words, and how many there are.
pub(crate) struct FixedWords {
    bytes: [u8; ROOM],
    len: usize,
    count: u32,
}

impl FixedWords {
    /// Encodes words, each separated from the next by a space.
    pub(crate) const fn new(words: &str) -> Self {
        Self::empty().words(words.as_bytes())
    }

    /// Encodes a command of a single word, with the line that says how many words there are.
    pub(crate) const fn command(word: &str) -> Self {
        Self::empty().put(b"*1\r\n").words(word.as_bytes())
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.len).0
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    const fn empty() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
            count: 0,
        }
    }

    const fn words(mut self, text: &[u8]) -> Self {
        let mut rest = text;
        loop {
            let (word, after) = rest.split_at(word_len(rest));
            self = self.word(word);
            match after.split_first() {
                Some((_space, after)) => rest = after,
                None => return self,
            }
        }
    }

    const fn word(mut self, word: &[u8]) -> Self {
        self.count += 1;
        let (tens, ones) = (word.len() / 10, word.len() % 10);
        self = self.put(b"$");
        if tens > 0 {
            self = self.put(&[b'0' + tens as u8]);
        }
        let ones = b'0' + ones as u8;
        self.put(&[ones, b'\r', b'\n']).put(word).put(b"\r\n")
    }

    const fn put(mut self, bytes: &[u8]) -> Self {
        let (_, free) = self.bytes.split_at_mut(self.len);
        let (target, _) = free.split_at_mut(bytes.len());
        target.copy_from_slice(bytes);
        self.len += bytes.len();
        self
    }
}

/// How many bytes there are before the first space.
const fn word_len(text: &[u8]) -> usize {
    let (mut len, mut rest) = (0, text);
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b' ' {
            break;
        }
        (len, rest) = (len + 1, after);
    }
    len
}

/// The bytes of a command of a single word: `fixed_command!("PING")`.
macro_rules! fixed_command {
    ($word:literal) => {{
        const COMMAND: &$crate::wire::FixedWords = &$crate::wire::FixedWords::command($word);
        COMMAND.as_bytes()
    }};
}

pub(crate) use fixed_command;

#[cfg(test)]
mod tests {
    use super::FixedWords;
    use crate::wire::encode;

    #[test]
    fn the_compiler_encodes_words_as_the_encoder_does() {
        for text in [
            "A",
            "CLIENT UNBLOCK",
            "EVALSHA_RO",
            "ONE TWENTY-LETTERS-LONG- 3",
        ] {
            let (mut encoded, mut count) = (Vec::new(), 0);
            for word in text.split(' ') {
                encode::bulk(&mut encoded, word.as_bytes());
                count += 1;
            }
            let fixed = FixedWords::new(text);
            assert_eq!((fixed.as_bytes(), fixed.count()), (&encoded[..], count));
        }
    }

    #[test]
    fn the_compiler_encodes_a_command_as_the_encoder_does() {
        let mut encoded = Vec::new();
        encode::array_header(&mut encoded, 1);
        encode::bulk(&mut encoded, b"MULTI");
        assert_eq!(fixed_command!("MULTI"), encoded);
    }
}
