//! A command as it came in: [`Words`], and the parser that finds it in received bytes.

use std::fmt;
use std::io;

/// The longest line of a command, and the most words of a command.
const LIMIT: usize = 1 << 20;

/// The words of one command. Compares with arrays and slices of text: `words == ["GET", "a"]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(Vec<Vec<u8>>);

impl Words {
    /// The first word in upper case.
    #[must_use]
    pub fn name(&self) -> String {
        self.0
            .first()
            .map(|word| String::from_utf8_lossy(word).to_ascii_uppercase())
            .unwrap_or_default()
    }

    /// All words, as they came in.
    #[must_use]
    pub fn bytes(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// A word as text; empty if there is none at this place.
    #[must_use]
    pub fn text(&self, index: usize) -> String {
        self.0
            .get(index)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .unwrap_or_default()
    }

    /// Parses the command at the start of `bytes`, and says how many bytes it takes; `None` if it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut parser = Parser { bytes, position: 0 };
        Ok(parser
            .command()?
            .map(|words| (Self(words), parser.position)))
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|word| String::from_utf8_lossy(word)))
            .finish()
    }
}

impl PartialEq<[&str]> for Words {
    fn eq(&self, other: &[&str]) -> bool {
        self.0
            .iter()
            .map(Vec::as_slice)
            .eq(other.iter().map(|word| word.as_bytes()))
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Words {
    fn eq(&self, other: &[&str; N]) -> bool {
        *self == other[..]
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Parser<'a> {
    fn command(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let Some(count) = self.header(b'*')? else {
            return Ok(None);
        };
        let mut words = Vec::new();
        for _ in 0..count {
            let Some(length) = self.header(b'$')? else {
                return Ok(None);
            };
            let Some(word) = self.take(length) else {
                return Ok(None);
            };
            words.push(word.to_vec());
            match self.take(2) {
                None => return Ok(None),
                Some(b"\r\n") => {}
                Some(_) => {
                    return Err(invalid(format!(
                        "the word {:?} is longer than its length",
                        words.last()
                    )));
                }
            }
        }
        Ok(Some(words))
    }

    /// A line such as `*3`: its number.
    fn header(&mut self, kind: u8) -> io::Result<Option<usize>> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            return if rest.len() > LIMIT {
                Err(invalid("a header does not end".to_owned()))
            } else {
                Ok(None)
            };
        };
        let line = rest.get(..end).unwrap_or_default();
        let number = line
            .strip_prefix(&[kind])
            .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        let number = number.ok_or_else(|| {
            invalid(format!(
                "expected {}<number>, found {:?}",
                char::from(kind),
                String::from_utf8_lossy(line)
            ))
        })?;
        self.position += end + 2;
        Ok(Some(number))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(length)?;
        let taken = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(taken)
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_command_is_found_once_it_is_complete() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n";
        for end in 0..23 {
            assert!(Words::parse(&bytes[..end]).unwrap().is_none(), "{end}");
        }
        let (words, length) = Words::parse(bytes).unwrap().unwrap();
        assert_eq!(words, ["GET", "a\r\nb"]);
        assert_eq!(length, 23);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for bytes in [
            &b"PING\r\n"[..],
            b"*1\r\n:1\r\n",
            b"*x\r\n",
            b"*1\r\n$1\r\nab\r\n",
        ] {
            assert!(
                Words::parse(bytes).is_err(),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
