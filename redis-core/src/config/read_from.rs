//! Which nodes of a cluster are read from: [`ReadFrom`].

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Which nodes of a cluster commands that only read go to. Commands that write always go to primaries.
///
/// Replicas copy their primary with a delay: what was just written may not be there yet, and two reads may be answered by
/// different replicas. Replicas that do not answer, that are loading their data, or that have lost their primary are left
/// out until they are well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReadFrom {
    /// The primary. Nobody else has what was just written.
    #[default]
    Primary,
    /// A replica; if none is well, the primary.
    PreferReplica,
    /// A replica and nothing else; if none is well, the command fails. What a replica cannot know while a slot moves is still asked of
    /// the primary: see [`Cluster::read_from`](crate::cluster::Cluster::read_from).
    Replica,
    /// The primary and its replicas in turn.
    Any,
    /// The node of the shard that answers soonest, by its round trips.
    Nearest,
    /// A replica in this availability zone, or the primary if it is in there; otherwise as [`ReadFrom::PreferReplica`]. Valkey 8
    /// and later tell their zones (`availability-zone` in their configuration).
    Zone(String),
}

/// As it is written in a URL: `primary`, `prefer_replica`, `replica`, `any`, `nearest`, `zone:eu-1a`.
impl fmt::Display for ReadFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("primary"),
            Self::PreferReplica => f.write_str("prefer_replica"),
            Self::Replica => f.write_str("replica"),
            Self::Any => f.write_str("any"),
            Self::Nearest => f.write_str("nearest"),
            Self::Zone(zone) => write!(f, "zone:{zone}"),
        }
    }
}

/// As it is written in a URL.
impl FromStr for ReadFrom {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).map_err(Error::config)
    }
}

impl ReadFrom {
    /// Reads it, or says what is known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "primary" | "master" => Self::Primary,
            "prefer_replica" => Self::PreferReplica,
            "replica" => Self::Replica,
            "any" => Self::Any,
            "nearest" => Self::Nearest,
            _ => match text.strip_prefix("zone:") {
                Some(zone) if !zone.is_empty() => Self::Zone(zone.to_owned()),
                _ => {
                    return Err(format!(
                        "`{text}` names no nodes to read from; known are `primary`, `prefer_replica`, `replica`, `any`, \
                         `nearest` and `zone:` with the name of a zone"
                    ));
                }
            },
        })
    }
}
