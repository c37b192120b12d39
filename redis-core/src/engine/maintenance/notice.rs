//! A push that announces maintenance: [`Notice`], and what users are told of it: [`Maintenance`].
//!
//! ```text
//! MOVING       sequence seconds host:port      or nil in place of the last
//! MIGRATING    sequence seconds shards         FAILING_OVER  the same
//! MIGRATED     sequence shards                 FAILED_OVER   the same
//! SMIGRATING   sequence slots
//! SMIGRATED    sequence [[from to slots] …]    from and to are host:port
//! ```
//!
//! Texts are simple or bulk strings. Elements that are missing, or that follow, do no harm.

use std::fmt;
use std::time::Duration;

use crate::config::Address;
use crate::reply::view::Elements;
use crate::reply::{FromRedis, Reply};

/// The longest time that is believed. Also how long an operation counts as lasting if its end is not announced.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// What a managed service announces about the server of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Maintenance {
    /// MOVING: the endpoint goes to another node within this time, and then this socket is closed. The connection
    /// changes to a new socket before.
    Moving {
        /// Where it goes, if the server was asked to say so.
        to: Option<Address>,
        /// The time until then; at most 10 minutes.
        within: Duration,
    },
    /// MIGRATING: shards are about to go to another node.
    Migrating {
        /// The shards, as the server wrote them.
        shards: String,
        /// The time until it begins.
        within: Duration,
    },
    /// MIGRATED: shards have gone to another node.
    Migrated {
        /// The shards, as the server wrote them.
        shards: String,
    },
    /// FAILING_OVER: replicas are about to replace the primaries of shards.
    FailingOver {
        /// The shards, as the server wrote them.
        shards: String,
        /// The time until it begins.
        within: Duration,
    },
    /// FAILED_OVER: replicas have replaced the primaries of shards.
    FailedOver {
        /// The shards, as the server wrote them.
        shards: String,
    },
    /// SMIGRATING: slots of a cluster are about to go to other nodes.
    SlotsMigrating {
        /// Numbers and ranges, such as `123,789-1000`.
        slots: String,
    },
    /// SMIGRATED: slots of a cluster have gone to other nodes. A [`Cluster`](crate::cluster::Cluster) asks for its
    /// topology then.
    SlotsMigrated {
        /// Which slots went where.
        moves: Vec<SlotsMove>,
    },
}

/// Slots that went from one node of a cluster to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotsMove {
    /// The node that had them, as `host:port`.
    pub from: String,
    /// The node that has them.
    pub to: String,
    /// Numbers and ranges, such as `123,789-1000`.
    pub slots: String,
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moving {
                to: Some(to),
                within,
            } => write!(f, "the endpoint moves to {to} within {within:?}"),
            Self::Moving { to: None, within } => write!(f, "the endpoint moves within {within:?}"),
            Self::Migrating { shards, within } => {
                write!(f, "shards migrate in {within:?}: {shards}")
            }
            Self::Migrated { shards } => write!(f, "shards have migrated: {shards}"),
            Self::FailingOver { shards, within } => {
                write!(f, "shards fail over in {within:?}: {shards}")
            }
            Self::FailedOver { shards } => write!(f, "shards have failed over: {shards}"),
            Self::SlotsMigrating { slots } => write!(f, "slots migrate: {slots}"),
            Self::SlotsMigrated { moves } => {
                f.write_str("slots have migrated:")?;
                moves
                    .iter()
                    .try_for_each(|one| write!(f, " {} from {} to {}", one.slots, one.from, one.to))
            }
        }
    }
}

/// A notice, and the number that the server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) sequence: i64,
    pub(crate) content: Maintenance,
}

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Move,
    Migration,
    Failover,
    SlotMigration,
}

/// What a notice says of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Begins(Kind),
    Ends(Kind),
}

impl Notice {
    /// Reads a push. Other and unreadable ones give `None`.
    pub(crate) fn read(push: &Reply<'_>) -> Option<Self> {
        let mut elements = push.elements()?;
        let word = elements.next()?;
        let word = word.text()?.as_bytes();
        if !is_known(word) {
            return None;
        }
        let sequence = integer(&mut elements)?;
        let content = content(word, &mut elements)?;
        Some(Self { sequence, content })
    }

    pub(super) fn step(&self) -> Step {
        match self.content {
            Maintenance::Moving { .. } => Step::Begins(Kind::Move),
            Maintenance::Migrating { .. } => Step::Begins(Kind::Migration),
            Maintenance::Migrated { .. } => Step::Ends(Kind::Migration),
            Maintenance::FailingOver { .. } => Step::Begins(Kind::Failover),
            Maintenance::FailedOver { .. } => Step::Ends(Kind::Failover),
            Maintenance::SlotsMigrating { .. } => Step::Begins(Kind::SlotMigration),
            Maintenance::SlotsMigrated { .. } => Step::Ends(Kind::SlotMigration),
        }
    }
}

fn is_known(word: &[u8]) -> bool {
    matches!(
        word,
        b"MOVING"
            | b"MIGRATING"
            | b"MIGRATED"
            | b"FAILING_OVER"
            | b"FAILED_OVER"
            | b"SMIGRATING"
            | b"SMIGRATED"
    )
}

/// What follows the word and the number.
fn content(word: &[u8], elements: &mut Elements<'_>) -> Option<Maintenance> {
    Some(match word {
        b"MOVING" => Maintenance::Moving {
            within: seconds(elements)?,
            to: endpoint(elements)?,
        },
        b"MIGRATING" => Maintenance::Migrating {
            within: seconds(elements)?,
            shards: text(elements),
        },
        b"MIGRATED" => Maintenance::Migrated {
            shards: text(elements),
        },
        b"FAILING_OVER" => Maintenance::FailingOver {
            within: seconds(elements)?,
            shards: text(elements),
        },
        b"FAILED_OVER" => Maintenance::FailedOver {
            shards: text(elements),
        },
        b"SMIGRATING" => Maintenance::SlotsMigrating {
            slots: text(elements),
        },
        b"SMIGRATED" => Maintenance::SlotsMigrated {
            moves: moves(&elements.next()?)?,
        },
        _ => return None,
    })
}

fn integer(elements: &mut Elements<'_>) -> Option<i64> {
    i64::from_redis(elements.next()?).ok()
}

/// A time, which is at most [`LONGEST`].
fn seconds(elements: &mut Elements<'_>) -> Option<Duration> {
    let seconds = u64::try_from(integer(elements)?).ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// The outer `None` means that it is unreadable, the inner one that there is none.
fn endpoint(elements: &mut Elements<'_>) -> Option<Option<Address>> {
    let Some(element) = elements.next() else {
        return Some(None);
    };
    if element.is_nil() {
        return Some(None);
    }
    match element.text()?.to_str().ok()? {
        // Clients of Redis expect the word as well.
        "" | "null" => Some(None),
        text => Address::parse_endpoint(text).map(Some),
    }
}

/// A text, or several as one; empty if there is none.
fn text(elements: &mut Elements<'_>) -> String {
    let Some(element) = elements.next() else {
        return String::new();
    };
    let whole = |reply: &Reply<'_>| {
        let text = reply.text()?;
        Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
    };
    match element.elements() {
        Some(several) => {
            let texts: Vec<String> = several.filter_map(|one| whole(&one)).collect();
            texts.join(",")
        }
        None => whole(&element).unwrap_or_default(),
    }
}

fn moves(reply: &Reply<'_>) -> Option<Vec<SlotsMove>> {
    reply
        .elements()?
        .map(|one| {
            let (from, to, slots) = FromRedis::from_redis(one).ok()?;
            Some(SlotsMove { from, to, slots })
        })
        .collect()
}
