//! One cluster of each kind for all tests of a process: [`shared_cluster`], and keys that no other test has:
//! [`KeySpace`].

use std::fmt;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Cluster;
use crate::error::Result;
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

struct Place {
    cluster: OnceLock<Result<Cluster, String>>,
    next: AtomicU32,
}

static PLACES: [Place; 6] = [const {
    Place {
        cluster: OnceLock::new(),
        next: AtomicU32::new(0),
    }
}; 6];

fn place(kind: ServerKind) -> &'static Place {
    let [valkey9, redis8, redis_stack, valkey8, redis6, system] = &PLACES;
    match kind {
        ServerKind::Valkey9 => valkey9,
        ServerKind::Redis8 => redis8,
        ServerKind::RedisStack => redis_stack,
        ServerKind::Valkey8 => valkey8,
        ServerKind::Redis6 => redis6,
        ServerKind::SystemRedis => system,
    }
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
    let place = place(kind);
    let start = || Cluster::start(kind).map_err(|error| error.to_string());
    match place.cluster.get_or_init(start) {
        Ok(cluster) => KeySpace {
            cluster,
            number: place.next.fetch_add(1, Ordering::Relaxed),
        },
        #[expect(
            clippy::panic,
            reason = "a test without its cluster fails, and says why"
        )]
        Err(error) => panic!("{error}"),
    }
}
