//! The id of an entry of a stream: [`EntryId`].

use std::fmt;
use std::str::FromStr;

use typedis_core::{ArgError, ArgWriter, Args, DecodeError, FromRedis, Reply, ToArg, ToArgs};

/// The id of an entry of a stream: when it was added, in milliseconds since 1970, and its number within the
/// millisecond.
///
/// Ids are ordered as the entries of the stream are.
///
/// ```
/// # use typedis::replies::{EntryId, ParseEntryIdError};
/// let id: EntryId = "1700000000000-3".parse()?;
/// assert_eq!(id, EntryId::new(1_700_000_000_000, 3));
/// assert_eq!(id.to_string(), "1700000000000-3");
/// # Ok::<(), ParseEntryIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    /// Milliseconds since 1970, unless the writer of the entry chose another number.
    pub milliseconds: u64,
    /// The number of the entry within the millisecond.
    pub sequence: u64,
}

impl EntryId {
    /// An id from its two numbers.
    #[must_use]
    pub const fn new(milliseconds: u64, sequence: u64) -> Self {
        Self {
            milliseconds,
            sequence,
        }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// Why a text is not an [`EntryId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseEntryIdError(());

impl fmt::Display for ParseEntryIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no id of a stream entry: those are two numbers and a hyphen, such as 1700000000000-0")
    }
}

impl std::error::Error for ParseEntryIdError {}

impl FromStr for EntryId {
    type Err = ParseEntryIdError;

    fn from_str(text: &str) -> Result<Self, ParseEntryIdError> {
        let (milliseconds, sequence) = text.split_once('-').ok_or(ParseEntryIdError(()))?;
        Ok(Self {
            milliseconds: number(milliseconds)?,
            sequence: number(sequence)?,
        })
    }
}

/// Only digits: `u64::from_str` would accept a sign too.
fn number(digits: &str) -> Result<u64, ParseEntryIdError> {
    if digits.starts_with('+') {
        return Err(ParseEntryIdError(()));
    }
    digits.parse().map_err(|_| ParseEntryIdError(()))
}

impl FromRedis for EntryId {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let text = reply
            .text()
            .ok_or_else(|| DecodeError::expected("the id of a stream entry", &reply))?;
        text.to_str()?
            .parse()
            .map_err(|error: ParseEntryIdError| DecodeError::new(error.to_string()))
    }
}

impl ToArg for EntryId {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.integer(self.milliseconds);
        out.text("-");
        out.integer(self.sequence);
        Ok(())
    }
}

impl ToArgs for EntryId {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::args::wire::words;
    use crate::replies::wire::decode;

    #[test]
    fn an_id_is_read_and_sent_as_the_same_text() {
        let id: EntryId = decode("$15\r\n1795335942969-2\r\n").unwrap();
        assert_eq!(id, EntryId::new(1_795_335_942_969, 2));
        assert_eq!(words(&id), ["1795335942969-2"]);
    }

    #[test]
    fn ids_are_ordered_by_time_and_number() {
        assert!(EntryId::new(5, 10) < EntryId::new(6, 0));
        assert!(EntryId::new(5, 2) < EntryId::new(5, 10));
    }

    #[test]
    fn nothing_else_is_an_id() {
        for text in ["5", "5-", "-5", "5-*", "a-b", "+5-1", "5-+1", "5-1-2", ""] {
            assert!(text.parse::<EntryId>().is_err(), "{text}");
        }
        assert!(decode::<EntryId>("$-1\r\n").is_err());
        assert_eq!(decode::<Option<EntryId>>("$-1\r\n").unwrap(), None);
    }
}
