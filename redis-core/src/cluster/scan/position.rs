//! How far a scan has come: [`Position`], and its text.
//!
//! ```text
//!   scan1 . done slots . node . process . epoch . first slot not counted yet . slots that stayed . in doubt . cursor, with its kind before it
//! ```
//!
//! Between two nodes, only the first two are there.

use std::fmt;
use std::str::FromStr;

use super::slot_set::SlotSet;

const FORM: &str = "scan1";

/// Which slots are done, and where the scan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) done: SlotSet,
    pub(super) stretch: Option<Stretch>,
}

/// A part of a scan on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) cursor: ScanCursor,
    /// The node's id, and that of its process.
    pub(super) node: String,
    pub(super) run: String,
    /// The epoch of the node when it was last asked.
    pub(super) epoch: u64,
    /// Slots from here on were looked at and do not count as done yet. Only where slots come in order.
    pub(super) base: u16,
    /// The slots that were the node's for the whole time since the stretch began, or since `base`.
    pub(super) stable: SlotSet,
    /// Whether the node got slots meanwhile, so that any of its slots may have been away. Only where slots do not come in
    /// order.
    pub(super) is_doubtful: bool,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScanCursor {
    /// Of SCAN on the node.
    Node(u64),
    /// Of CLUSTERSCAN, which the cluster understands as a whole.
    Cluster(String),
}

impl Position {
    pub(super) fn new(done: SlotSet) -> Self {
        Self {
            done,
            stretch: None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}.{}", self.done)?;
        let Some(stretch) = &self.stretch else {
            return Ok(());
        };
        let (node, run, epoch, base) = (&stretch.node, &stretch.run, stretch.epoch, stretch.base);
        let (stable, doubt) = (&stretch.stable, u8::from(stretch.is_doubtful));
        write!(f, ".{node}.{run}.{epoch}.{base}.{stable}.{doubt}")?;
        match &stretch.cursor {
            ScanCursor::Node(cursor) => write!(f, ".n.{cursor}"),
            // It comes last, since nobody knows what it may contain.
            ScanCursor::Cluster(cursor) => write!(f, ".c.{cursor}"),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.splitn(10, '.');
        let mut word = || words.next().ok_or(());
        if word()? != FORM {
            return Err(());
        }
        let mut position = Self::new(word()?.parse()?);
        let Ok(node) = word() else {
            return Ok(position);
        };
        let run = word()?.to_owned();
        let epoch = word()?.parse().map_err(drop)?;
        let base = word()?.parse().map_err(drop)?;
        let stable = word()?.parse()?;
        let is_doubtful = word()? == "1";
        let cursor = match (word()?, word()?) {
            ("n", cursor) => ScanCursor::Node(cursor.parse().map_err(drop)?),
            ("c", cursor) => ScanCursor::Cluster(cursor.to_owned()),
            _ => return Err(()),
        };
        position.stretch = Some(Stretch {
            cursor,
            node: node.to_owned(),
            run,
            epoch,
            base,
            stable,
            is_doubtful,
        });
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn set() -> impl Strategy<Value = SlotSet> {
        prop::collection::vec(0_u16..16_384, 0..40).prop_map(|slots| {
            let mut set = SlotSet::new();
            slots.into_iter().for_each(|slot| set.insert(slot));
            set
        })
    }

    fn cursor() -> impl Strategy<Value = ScanCursor> {
        prop_oneof![
            any::<u64>().prop_map(ScanCursor::Node),
            "[a-zA-Z0-9:.{}-]{1,30}".prop_map(ScanCursor::Cluster),
        ]
    }

    proptest! {
        #[test]
        fn a_position_is_read_as_it_was_written(
            done in set(), stable in set(), cursor in cursor(), epoch in any::<u64>(), base in 0_u16..16_384,
            is_doubtful in any::<bool>(), node in "[0-9a-f]{0,40}",
        ) {
            let mut position = Position::new(done);
            prop_assert_eq!(&position.to_string().parse::<Position>().unwrap(), &position);
            let run = "ab".to_owned();
            position.stretch = Some(Stretch { cursor, node, run, epoch, base, stable, is_doubtful });
            prop_assert_eq!(&position.to_string().parse::<Position>().unwrap(), &position);
        }

        #[test]
        fn junk_is_refused_and_survived(text in "(scan1|)[0-9a-z.,-]{0,60}") {
            let _ = text.parse::<Position>();
        }
    }

    #[test]
    fn sets_of_slots_are_written_as_ranges() {
        for text in ["-", "0", "16383", "0-16383", "1-2,5,7-9"] {
            assert_eq!(text.parse::<SlotSet>().unwrap().to_string(), text);
        }
        assert_eq!(SlotSet::all().to_string(), "0-16383");
        for text in ["", "16384", "2-1", "a", "1,,2"] {
            assert!(text.parse::<SlotSet>().is_err(), "{text}");
        }
    }
}
