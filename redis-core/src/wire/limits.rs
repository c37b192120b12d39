//! How large a reply may be, and what ends a scan.

use std::fmt;

/// The deepest nesting that [`Limits::max_depth`] can allow; values are built and dropped recursively.
pub(super) const DEEPEST: usize = 256;

/// What a connection accepts from its server.
///
/// Anything beyond a limit is a protocol error, and the connection is closed. Memory is never allocated only
/// because the server announced a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How deep arrays, maps, sets and pushes may be nested: 128 by default, and never more than 256.
    pub max_depth: usize,
    /// How many elements a reply may hold in all its aggregates together: 128 Mi by default. A pair of a map counts
    /// as two.
    pub max_elements: u64,
    /// How many bytes a string may have: 512 MiB by default, which is also the limit of the servers.
    pub max_bulk: usize,
    /// How many bytes a line of text may have, such as a status or an error: 512 MiB by default, as for strings,
    /// because a script may put any value into its error. Numbers have separate, shorter limits.
    pub max_line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 128,
            max_elements: 128 << 20,
            max_bulk: 512 << 20,
            max_line: 512 << 20,
        }
    }
}

impl Limits {
    /// No limits, for bytes that were scanned before.
    pub(crate) const NONE: Self = Self {
        max_depth: DEEPEST,
        max_elements: u64::MAX,
        max_bulk: usize::MAX >> 1,
        max_line: usize::MAX,
    };
}

/// Why bytes are not RESP, or not within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanError {
    UnknownType(u8),
    LineBreak,
    LineTooLong,
    Number,
    PayloadEnd,
    Verbatim,
    BulkTooLong(u64),
    TooManyElements,
    TooDeep,
    Streamed,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(byte) => {
                write!(f, "no reply begins with the byte {:?}", char::from(*byte))
            }
            Self::LineBreak => {
                f.write_str("the line of a number or a length ends with a lone CR or LF")
            }
            Self::LineTooLong => f.write_str("a line is longer than the limit"),
            Self::Number => f.write_str("a number or truth value is malformed or out of range"),
            Self::PayloadEnd => f.write_str("a string does not end where its length says"),
            Self::Verbatim => f.write_str("a verbatim string has no format"),
            Self::BulkTooLong(len) => write!(f, "a string of {len} bytes is longer than the limit"),
            Self::TooManyElements => f.write_str("a reply has more elements than the limit"),
            Self::TooDeep => f.write_str("a reply is nested deeper than the limit"),
            Self::Streamed => {
                f.write_str("streamed strings and aggregates (length `?`) are not supported")
            }
        }
    }
}

impl std::error::Error for ScanError {}
