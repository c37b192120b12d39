//! One cluster of each kind for all tests of a process: [`shared_cluster`], and keys that no other test has:
//! [`KeySpace`].

use std::fmt;
use std::process;
use std::time::Duration;

use super::Cluster;
use crate::error::Result;
use crate::per_kind::PerKind;
use crate::servers::ServerKind;

/// Keys of a shared cluster that no other test uses: all begin with the same few letters.
#[derive(Debug, Clone, Copy)]
pub struct KeySpace {
    cluster: &'static Cluster,
    number: u32,
}

impl KeySpace {
    /// The cluster that it is in. Commands that reach beyond keys (FLUSHALL, CONFIG SET, moves of slots, failovers)
    /// affect other tests: start a [`Cluster`] for them.
    #[must_use]
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// A key of this space; different names have different slots, unless they contain hash tags.
    #[must_use]
    pub fn key(&self, name: impl fmt::Display) -> String {
        format!("t{}.{}:{name}", process::id(), self.number)
    }

    /// A pattern that matches the keys of this space and no others.
    #[must_use]
    pub fn pattern(&self) -> String {
        self.key('*')
    }
}

static CLUSTERS: PerKind<Cluster> = PerKind::new();

/// After how long a silent node is suspected. Nothing moves and nobody fails over here, so it may be long: all tests would notice that a node stood
/// still.
const NODE_TIMEOUT: Duration = Duration::from_secs(60);

fn start(kind: ServerKind) -> Result<Cluster> {
    let cluster = Cluster::start(kind)?;
    cluster.set_node_timeout(NODE_TIMEOUT)?;
    Ok(cluster)
}

/// Separate keys for one test, in a cluster of three primaries that all tests of this process share; the first test
/// that asks starts it.
///
/// # Panics
///
/// If there is no such server: the test that calls this fails, with the reason.
#[must_use]
#[track_caller]
pub fn shared_cluster(kind: ServerKind) -> KeySpace {
    KeySpace {
        cluster: CLUSTERS.get(kind, || start(kind)),
        number: CLUSTERS.next_part(kind),
    }
}
