//! How XADD and XTRIM trim a stream: [`Trim`].

use typedis_core::{Args, ToArgs};

use super::stream_id::StreamId;

/// How far a stream is trimmed.
///
/// ```
/// # use typedis::args::Trim;
/// let exact = Trim::max_len(1_000);
/// let cheap = Trim::max_len(1_000).approximate();          // whole blocks only: much faster
/// let bounded = Trim::min_id("1700000000000").approximate().limit(500);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trim {
    threshold: Threshold,
    precision: Precision,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Threshold {
    MaxLen(u64),
    MinId(StreamId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Exact,
    Approximate { limit: Option<u64> },
}

impl Trim {
    /// Keeps the newest `entries` entries.
    #[must_use]
    pub fn max_len(entries: u64) -> Self {
        Self {
            threshold: Threshold::MaxLen(entries),
            precision: Precision::Exact,
        }
    }

    /// Keeps the entries from this id on; since 6.2.0.
    pub fn min_id(id: impl Into<StreamId>) -> Self {
        Self {
            threshold: Threshold::MinId(id.into()),
            precision: Precision::Exact,
        }
    }

    /// Trims only whole blocks of entries, which is much faster and leaves a few more entries.
    #[must_use]
    pub fn approximate(self) -> ApproximateTrim {
        ApproximateTrim {
            threshold: self.threshold,
            limit: None,
        }
    }
}

/// A [`Trim`] of whole blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproximateTrim {
    threshold: Threshold,
    limit: Option<u64>,
}

impl ApproximateTrim {
    /// Removes at most this many entries; 100 blocks by default, and no limit with 0. Since 6.2.0.
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }
}

impl From<ApproximateTrim> for Trim {
    fn from(trim: ApproximateTrim) -> Self {
        let ApproximateTrim { threshold, limit } = trim;
        Self {
            threshold,
            precision: Precision::Approximate { limit },
        }
    }
}

impl ToArgs for Trim {
    fn write_args(&self, out: &mut Args) {
        out.word(match &self.threshold {
            Threshold::MaxLen(_) => "MAXLEN",
            Threshold::MinId(_) => "MINID",
        });
        if matches!(self.precision, Precision::Approximate { .. }) {
            out.word("~");
        }
        match &self.threshold {
            Threshold::MaxLen(entries) => out.item(entries),
            Threshold::MinId(id) => out.item(id),
        }
        if let Precision::Approximate { limit: Some(limit) } = self.precision {
            out.word("LIMIT");
            out.item(&limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn exact_trimming_needs_no_sign() {
        assert_eq!(words(&Trim::max_len(10)), ["MAXLEN", "10"]);
        assert_eq!(words(&Trim::min_id((5, 1))), ["MINID", "5-1"]);
    }

    #[test]
    fn only_approximate_trimming_has_a_limit() {
        let trim = Trim::from(Trim::max_len(10).approximate());
        assert_eq!(words(&trim), ["MAXLEN", "~", "10"]);
        let trim = Trim::from(Trim::min_id("5").approximate().limit(100));
        assert_eq!(words(&trim), ["MINID", "~", "5", "LIMIT", "100"]);
    }
}
