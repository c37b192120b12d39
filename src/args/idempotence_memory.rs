//! What XCFGSET sets: [`IdempotenceMemory`].

use typedis_core::{Args, ToArgs};

/// How long, and how many, idempotent ids a stream remembers: the two settings of XCFGSET, at least one of them.
///
/// ```
/// # use typedis::args::IdempotenceMemory;
/// let longer = IdempotenceMemory::seconds(600);
/// let more = IdempotenceMemory::ids(1_000);
/// let both = IdempotenceMemory::seconds(600).ids(1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotenceMemory {
    seconds: Option<u64>,
    ids: Option<u64>,
}

/// An [`IdempotenceMemory`] whose time is set, and whose number of ids can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotenceSeconds(u64);

impl IdempotenceMemory {
    /// For how many seconds each id is remembered: 1 to 86,400. A new stream has 100.
    #[must_use]
    pub fn seconds(seconds: u64) -> IdempotenceSeconds {
        IdempotenceSeconds(seconds)
    }

    /// How many ids of each producer are remembered: 1 to 10,000. A new stream has 100.
    #[must_use]
    pub fn ids(ids: u64) -> Self {
        Self {
            seconds: None,
            ids: Some(ids),
        }
    }
}

impl IdempotenceSeconds {
    /// Also says how many ids of each producer are remembered: 1 to 10,000.
    #[must_use]
    pub fn ids(self, ids: u64) -> IdempotenceMemory {
        IdempotenceMemory {
            seconds: Some(self.0),
            ids: Some(ids),
        }
    }
}

impl From<IdempotenceSeconds> for IdempotenceMemory {
    fn from(IdempotenceSeconds(seconds): IdempotenceSeconds) -> Self {
        Self {
            seconds: Some(seconds),
            ids: None,
        }
    }
}

impl ToArgs for IdempotenceMemory {
    fn write_args(&self, out: &mut Args) {
        let settings = [("IDMP-DURATION", self.seconds), ("IDMP-MAXSIZE", self.ids)];
        for (word, value) in settings {
            if let Some(value) = value {
                out.word(word);
                out.item(&value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn one_setting_is_sent_or_both() {
        let seconds = IdempotenceMemory::from(IdempotenceMemory::seconds(60));
        assert_eq!(words(&seconds), ["IDMP-DURATION", "60"]);
        assert_eq!(words(&IdempotenceMemory::ids(5)), ["IDMP-MAXSIZE", "5"]);
        let both = IdempotenceMemory::seconds(60).ids(5);
        assert_eq!(words(&both), ["IDMP-DURATION", "60", "IDMP-MAXSIZE", "5"]);
    }
}
