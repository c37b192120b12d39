//! A place in a stream, as stream commands take it: [`StreamId`].

use std::fmt;

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

use crate::replies::EntryId;

/// A place in a stream: the id of an entry, or one of the special signs.
///
/// Text is sent as it is, in the notation of the servers. An [`EntryId`], a `(milliseconds, sequence)` pair, and a
/// number of milliseconds are ids.
///
/// | place | sent as | for |
/// | --- | --- | --- |
/// | `EntryId`, `(5, 1)`, `"5-1"` | `5-1` | all |
/// | `5_u64`, `"5"` | `5` | XRANGE: all of that millisecond; others: `5-0` |
/// | [`AUTO`](Self::AUTO) | `*` | XADD: an id that the server chooses |
/// | [`MIN`](Self::MIN), [`MAX`](Self::MAX) | `-`, `+` | XRANGE and XPENDING: the ends of the stream |
/// | [`END`](Self::END) | `$` | XREAD and XGROUP: entries from now on |
/// | [`UNDELIVERED`](Self::UNDELIVERED) | `>` | XREADGROUP: entries that no consumer has got yet |
/// | [`after`](Self::after) | `(5-1` | XRANGE: after an entry, without the entry itself |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamId(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Sign(&'static str),
    Milliseconds(u64),
    Entry(EntryId),
    Beyond(EntryId),
    Text(String),
}

impl StreamId {
    /// `*`: an id that the server chooses.
    pub const AUTO: Self = Self(Place::Sign("*"));
    /// `-`: before all entries.
    pub const MIN: Self = Self(Place::Sign("-"));
    /// `+`: after all entries; for XREAD since Redis 7.4, the last entry.
    pub const MAX: Self = Self(Place::Sign("+"));
    /// `$`: the last entry at the time of the command.
    pub const END: Self = Self(Place::Sign("$"));
    /// `>`: after all entries that were delivered to the consumers of a group.
    pub const UNDELIVERED: Self = Self(Place::Sign(">"));

    /// `(id`: an end of a range that excludes this entry, such as the last one of the previous page.
    #[must_use]
    pub const fn after(id: EntryId) -> Self {
        Self(Place::Beyond(id))
    }
}

impl From<EntryId> for StreamId {
    fn from(id: EntryId) -> Self {
        Self(Place::Entry(id))
    }
}

impl From<&EntryId> for StreamId {
    fn from(id: &EntryId) -> Self {
        Self(Place::Entry(*id))
    }
}

impl From<(u64, u64)> for StreamId {
    fn from((milliseconds, sequence): (u64, u64)) -> Self {
        Self(Place::Entry(EntryId::new(milliseconds, sequence)))
    }
}

impl From<u64> for StreamId {
    fn from(milliseconds: u64) -> Self {
        Self(Place::Milliseconds(milliseconds))
    }
}

impl From<&str> for StreamId {
    fn from(text: &str) -> Self {
        match text {
            "*" => Self::AUTO,
            "-" => Self::MIN,
            "+" => Self::MAX,
            "$" => Self::END,
            ">" => Self::UNDELIVERED,
            _ => Self::from(text.to_owned()),
        }
    }
}

impl From<String> for StreamId {
    fn from(text: String) -> Self {
        Self(Place::Text(text))
    }
}

impl From<&String> for StreamId {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Self> for StreamId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sign(sign) => f.write_str(sign),
            Place::Milliseconds(milliseconds) => write!(f, "{milliseconds}"),
            Place::Entry(id) => write!(f, "{id}"),
            Place::Beyond(id) => write!(f, "({id}"),
            Place::Text(text) => f.write_str(text),
        }
    }
}

impl ToArg for StreamId {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match &self.0 {
            Place::Sign(sign) => out.text(sign),
            Place::Milliseconds(milliseconds) => out.integer(*milliseconds),
            Place::Entry(id) => id.write_arg(out)?,
            Place::Beyond(id) => {
                out.text("(");
                id.write_arg(out)?;
            }
            Place::Text(text) => out.text(text),
        }
        Ok(())
    }
}

impl ToArgs for StreamId {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn every_form_has_its_notation() {
        let id = EntryId::new(5, 1);
        let ids = [
            StreamId::AUTO,
            StreamId::MIN,
            StreamId::MAX,
            StreamId::END,
            StreamId::UNDELIVERED,
            StreamId::from(id),
            StreamId::after(id),
            StreamId::from((5, 1)),
            StreamId::from(7),
            StreamId::from("5-*"),
        ];
        let notation = ["*", "-", "+", "$", ">", "5-1", "(5-1", "5-1", "7", "5-*"];
        assert_eq!(words(&ids), notation);
        assert_eq!(ids.map(|id| id.to_string()), notation);
    }

    #[test]
    fn signs_are_the_same_as_text() {
        assert_eq!(StreamId::from(">"), StreamId::UNDELIVERED);
        assert_eq!(StreamId::from("$"), StreamId::END);
    }
}
