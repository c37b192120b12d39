//! The handles that a cache can be made from: [`Origin`], and the sockets of one: [`Sources`].

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::bounds::Bounds;
use super::changes::{KeyHash, Subject};
use super::line::TrackedLine;
#[cfg(feature = "cluster")]
use super::nodes::NodeSources;
use super::shared::Shared;
use super::source::{Lane, Source};
use crate::client::Client;
#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
use crate::error::Result;
use crate::handle::{Connection, Pool};

/// A handle that a caching one can be made from: a [`Connection`], a [`Pool`] or a [`Cluster`].
pub trait Origin: Client + Clone + fmt::Debug + 'static {
    /// The connections that cached reads go over.
    #[doc(hidden)]
    fn lines(&self) -> Lines;
}

/// The connections that cached reads go over.
#[doc(hidden)]
#[derive(Debug)]
pub enum Lines {
    /// A connection, which has one socket.
    Connection(Connection),
    /// The lanes of a pool that are kept open.
    Lanes(Vec<Connection>),
    #[cfg(feature = "cluster")]
    Nodes(Cluster),
}

impl Lines {
    /// How many of them there may be at once.
    pub(super) fn most(&self) -> u16 {
        /// Of the primaries of a cluster: there are hardly more than a thousand.
        #[cfg(feature = "cluster")]
        const PRIMARIES: u16 = 2048;
        match self {
            Self::Connection(_) => 1,
            Self::Lanes(lanes) => u16::try_from(lanes.len())
                .unwrap_or(u16::MAX)
                .min(Bounds::PLACES),
            #[cfg(feature = "cluster")]
            Self::Nodes(_) => PRIMARIES,
        }
    }

    /// Whether keys have slots, so that one command takes keys of one slot only.
    pub(super) fn have_slots(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Lanes(_) => false,
            #[cfg(feature = "cluster")]
            Self::Nodes(_) => true,
        }
    }
}

impl Origin for Connection {
    fn lines(&self) -> Lines {
        Lines::Connection(self.clone())
    }
}

/// Only lanes that are kept open: when one closes because nobody uses it, what was read over it is forgotten.
impl Origin for Pool {
    fn lines(&self) -> Lines {
        Lines::Lanes(self.steady_lanes().to_vec())
    }
}

#[cfg(feature = "cluster")]
impl Origin for Cluster {
    fn lines(&self) -> Lines {
        Lines::Nodes(self.clone())
    }
}

/// The sockets that cached reads go over. Each key has one.
pub(super) enum Sources {
    /// The one socket of a connection.
    Line(TrackedLine),
    /// The lanes of a pool.
    Lanes(Vec<TrackedLine>),
    #[cfg(feature = "cluster")]
    Nodes(Box<NodeSources>),
}

impl Sources {
    /// # Errors
    /// Another cache has one of the connections, or one has ended.
    pub(super) fn new(lines: Lines, shared: &Arc<Shared>) -> Result<Self> {
        let tracked = |line: Connection, lane| TrackedLine::new(line.shared_link(), shared, lane);
        Ok(match lines {
            Lines::Connection(line) => Self::Line(tracked(line, Lane::ONLY)?),
            Lines::Lanes(lanes) => {
                let count = lanes.len();
                let lanes = lanes.into_iter().enumerate();
                let lanes = lanes.map(|(number, line)| tracked(line, Lane { number, count }));
                Self::Lanes(lanes.collect::<Result<_>>()?)
            }
            #[cfg(feature = "cluster")]
            Lines::Nodes(cluster) => Self::Nodes(Box::new(NodeSources::new(cluster, shared)?)),
        })
    }

    /// Takes over the present map of a cluster, so that replies about what has moved are not served.
    #[inline(always)]
    pub(super) fn keep_up(&self) {
        match self {
            Self::Line(_) | Self::Lanes(_) => {}
            #[cfg(feature = "cluster")]
            Self::Nodes(nodes) => nodes.keep_up(),
        }
    }

    /// Calls `with` with the socket over which this key is read, with the slot of the key, if it has one, and with how often that had
    /// moved before.
    #[inline(always)]
    pub(super) fn with<R>(
        &self,
        #[cfg_attr(
            not(feature = "cluster"),
            expect(
                unused_variables,
                reason = "only the nodes of a cluster are found by it"
            )
        )]
        key: &[u8],
        hash: KeyHash,
        with: impl FnOnce(&Arc<Source>, Option<u16>, u32) -> R,
    ) -> Option<R> {
        match self {
            Self::Line(line) => Some(with(&line.source, None, 0)),
            Self::Lanes(lines) => {
                let line = lines.get(hash.lane(lines.len()))?;
                Some(with(&line.source, None, 0))
            }
            #[cfg(feature = "cluster")]
            Self::Nodes(nodes) => {
                nodes.with(key, |source, slot, moves| with(source, Some(slot), moves))
            }
        }
    }

    /// The place where this key is read.
    pub(super) fn of(&self, key: &[u8], hash: KeyHash) -> Option<Place> {
        self.with(key, hash, |source, slot, moves| Place {
            source: source.clone(),
            subject: Subject { key: hash, slot },
            moves,
        })
    }

    /// Whether keys have slots, so that one command takes keys of one slot only.
    pub(super) fn have_slots(&self) -> bool {
        match self {
            Self::Line(_) | Self::Lanes(_) => false,
            #[cfg(feature = "cluster")]
            Self::Nodes(_) => true,
        }
    }

    /// Whether commands that go past the cache take the socket on which changes are reported. Otherwise their replies may
    /// show a change before it is reported.
    pub(super) fn report_on_the_same_socket(&self) -> bool {
        match self {
            // Before it has logged in, it is not known whether it speaks RESP3.
            Self::Line(line) => line.source.link.speaks_resp3(),
            Self::Lanes(_) => false,
            #[cfg(feature = "cluster")]
            Self::Nodes(_) => false,
        }
    }

    /// Over how many the server reports changes.
    pub(super) fn tracking(&self) -> usize {
        let mut count = 0;
        self.each(|source| count += usize::from(source.is_tracked()));
        count
    }

    fn each(&self, mut each: impl FnMut(&Arc<Source>)) {
        match self {
            Self::Line(line) => each(&line.source),
            Self::Lanes(lines) => lines.iter().for_each(|line| each(&line.source)),
            #[cfg(feature = "cluster")]
            Self::Nodes(nodes) => nodes.each(each),
        }
    }

    /// Has the map of a cluster asked for.
    pub(super) fn want_map(&self) {
        match self {
            Self::Line(_) | Self::Lanes(_) => {}
            #[cfg(feature = "cluster")]
            Self::Nodes(nodes) => nodes.want_map(),
        }
    }

    /// Where the sockets live.
    pub(super) fn runtime(&self) -> Option<&Handle> {
        let line = match self {
            Self::Line(line) => line,
            Self::Lanes(lines) => lines.first()?,
            #[cfg(feature = "cluster")]
            Self::Nodes(nodes) => return Some(nodes.runtime()),
        };
        Some(line.source.link.hub().runtime())
    }

    /// Calls `each` with every socket that there is now; the nodes of a cluster may have changed.
    pub(super) fn each_now(&self, each: impl FnMut(&Arc<Source>)) {
        self.keep_up();
        self.each(each);
    }
}

/// Where a key is read.
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    pub(super) subject: Subject,
    /// How often the slot of the key had moved before this socket was chosen: what is read over it is older than later moves.
    pub(super) moves: u32,
}
