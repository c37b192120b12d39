//! What the fuzz targets need of the inside of this crate: `cargo xtask fuzz`. It exists with the feature `fuzzing` only, and
//! is no part of the public interface.

use crate::cluster::Topology;
use crate::config::Address;
use crate::error::DecodeError;
use crate::reply::Reply;
use crate::wire::scan::{Found, FrameKind, Scanner};
use crate::wire::{Limits, ScanError, token};

/// One frame that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundFrame {
    /// Where it ends, counted from the first byte of all.
    pub end: usize,
    /// Whether it answers no command.
    pub is_push: bool,
    /// Whether pushes stand between its elements.
    pub has_inner_pushes: bool,
}

/// All frames of a stream of bytes, and why it cannot be read on, if so.
pub type FoundFrames = (Vec<FoundFrame>, Option<String>);

/// The ways in which the scanner finds frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// Token by token, which finds all of them.
    General,
    /// Short ones without that, as most of what servers send. The longest string may have a byte more: with limits below
    /// the length of short strings, the scanner does not take these ways.
    Short,
}

impl Ways {
    /// Smaller limits than the default, so that short inputs reach them.
    fn limits(self) -> Limits {
        let max_bulk = match self {
            Self::General => token::SHORT - 1,
            Self::Short => token::SHORT,
        };
        Limits {
            max_depth: 8,
            max_elements: 64,
            max_bulk,
            max_line: 256,
        }
    }
}

/// Scans bytes as a session does, which come in these pieces; what is left comes in one.
#[must_use]
pub fn scan(bytes: &[u8], ways: Ways, pieces: impl IntoIterator<Item = usize>) -> FoundFrames {
    let mut scan = Scan {
        scanner: Scanner::new(ways.limits()),
        start: 0,
        frames: Vec::new(),
    };
    let mut arrived = 0_usize;
    for piece in pieces.into_iter().chain([usize::MAX]) {
        arrived = bytes.len().min(arrived.saturating_add(piece));
        let here = bytes.get(..arrived).unwrap_or_default();
        if let Err(error) = scan.go_on(here) {
            return (scan.frames, Some(error));
        }
        if arrived == bytes.len() {
            break;
        }
    }
    (scan.frames, None)
}

/// Both ways find the same frames, and the same error behind them. One error is excused: the limits differ by a byte, so there
/// is a length of strings at which only the general way ends.
///
/// # Panics
/// They found something else.
pub fn assert_same(general: &FoundFrames, short: &FoundFrames) {
    let excused = ScanError::BulkTooLong(token::SHORT as u64).to_string();
    if general.1 == Some(excused) {
        assert!(short.0.starts_with(&general.0), "{general:?} {short:?}");
    } else {
        assert_eq!(general, short);
    }
}

struct Scan {
    scanner: Scanner,
    /// Where the next frame begins.
    start: usize,
    frames: Vec<FoundFrame>,
}

impl Scan {
    /// Finds the frames that are complete among the bytes that have arrived.
    fn go_on(&mut self, arrived: &[u8]) -> Result<(), String> {
        loop {
            let rest = arrived.get(self.start..).unwrap_or_default();
            let short: Vec<Found> = self.scanner.short_replies(rest).collect();
            short.into_iter().for_each(|found| self.note(found));
            let rest = arrived.get(self.start..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match self.scanner.scan_on(rest) {
                Ok(Some(found)) => self.note(found),
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn note(&mut self, found: Found) {
        self.start += found.len;
        self.frames.push(FoundFrame {
            end: self.start,
            is_push: found.kind == FrameKind::Push,
            has_inner_pushes: found.has_inner_pushes,
        });
    }
}

/// Reads a reply to CLUSTER SLOTS.
///
/// # Errors
/// It is no such reply, or contradicts itself.
pub fn topology(reply: Reply<'_>) -> Result<Topology, DecodeError> {
    let asked = Address::Tcp("asked.example".to_owned(), 6379);
    Topology::from_slots(reply, 1, &asked, &|address| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_taken_and_find_the_same() {
        let bytes = b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n+OK\r\n:5\r\n%1\r\n$1\r\na\r\n:1\r\n";
        let short = |ways: Ways| Scanner::new(ways.limits()).short_replies(bytes).count();
        assert_eq!((short(Ways::General), short(Ways::Short)), (0, 3));
        let [general, all] = [Ways::General, Ways::Short].map(|ways| scan(bytes, ways, []));
        assert_same(&general, &all);
        assert_eq!(general, all);
        assert_eq!(general.0.len(), 4);
    }

    /// What both ways find of these bytes.
    fn both(bytes: &[u8]) -> [FoundFrames; 2] {
        [Ways::General, Ways::Short].map(|ways| scan(bytes, ways, []))
    }

    #[test]
    fn only_the_one_length_that_one_way_accepts_is_excused() {
        let [general, short] = both(format!("+OK\r\n${}\r\n", token::SHORT).as_bytes());
        assert!(general.1.is_some() && short.1.is_none());
        assert_same(&general, &short);
        let [general, short] = both(b"+OK\r\n:x\r\n");
        assert!(general.1.is_some());
        assert_same(&general, &short);
        let mut wrong = short;
        wrong.1 = None;
        assert!(std::panic::catch_unwind(|| assert_same(&general, &wrong)).is_err());
    }
}
