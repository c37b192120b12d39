//! A cluster whose primary fails, in good order or by a crash: [`Failing`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use typedis::Cluster;
use typedis::cluster::slot;
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::{LONG, blocking, config};

/// A cluster of three primaries, each with a replica.
pub(crate) struct Failing {
    servers: Arc<Servers>,
    pub(crate) cluster: Cluster,
}

impl Failing {
    pub(crate) async fn start() -> Self {
        let servers = blocking(|| {
            let servers = Servers::builder(ServerKind::Valkey9).replicas(1).start();
            let servers = servers.unwrap();
            // A node that stands still for a moment does not lose its slots: a test says who fails, and when.
            servers.set_node_timeout(Duration::from_secs(60)).unwrap();
            servers
        })
        .await;
        let url: Vec<String> = servers.addrs().iter().map(ToString::to_string).collect();
        let url = format!("redis://{}", url.join(","));
        let cluster = typedis::cluster(config(&url)).await.unwrap();
        Self {
            servers: Arc::new(servers),
            cluster,
        }
    }

    /// Names whose keys lie on the same node as `key`, so that it fails for all of them at once.
    pub(crate) async fn beside<const N: usize>(
        &self,
        key: &str,
        key_of: impl Fn(&str) -> String + Send + 'static,
    ) -> [String; N] {
        let (servers, key) = (Arc::clone(&self.servers), slot(key));
        blocking(move || {
            let owner = |slot| servers.owner_of(slot).unwrap().id().to_owned();
            let wanted = owner(key);
            let mut names = (0..)
                .map(|number| format!("beside-{number}"))
                .filter(|name| owner(slot(key_of(name))) == wanted);
            std::array::from_fn(|_| names.next().unwrap())
        })
        .await
    }

    /// Waits until the replica of the node of a key has all that was written. Of what is written from now on it hears nothing.
    pub(crate) async fn cut_replica_off(&self, key: &str) {
        let (servers, slot) = (Arc::clone(&self.servers), slot(key));
        blocking(move || {
            let owner = servers.owner_of(slot).unwrap();
            let replicas = servers.replicas_of(&owner).unwrap();
            let [replica] = &replicas[..] else {
                panic!("{} replicas", replicas.len())
            };
            // WAIT counts the replicas that have what this connection wrote.
            let mut conn = owner.connect().unwrap();
            conn.call(&["SET", &mark(slot), "1"]).unwrap();
            let start = Instant::now();
            while conn.call(&["WAIT", "1", "5000"]).unwrap() != "1" {
                assert!(start.elapsed() < LONG, "the replica lags behind");
            }
            // With a password that the primary does not know, the replica cannot come back.
            replica
                .call(&["CONFIG", "SET", "masterauth", "wrong"])
                .unwrap();
            conn.call(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
        })
        .await;
    }

    /// The replica of the node of a key takes over, in good order: nothing is lost.
    pub(crate) async fn hand_over(&self, key: &str) {
        let (servers, slot) = (Arc::clone(&self.servers), slot(key));
        blocking(move || {
            let owner = servers.owner_of(slot).unwrap();
            servers.replicas_of(&owner).unwrap()[0].take_over().unwrap();
            servers.wait_until_agreed().unwrap();
        })
        .await;
    }

    /// The node of a key dies, and its replica takes over with what it has: all that was written before [`cut_replica_off`](Self::cut_replica_off)
    /// and nothing after it, if that was called.
    pub(crate) async fn kill(&self, key: &str) {
        let (servers, slot) = (Arc::clone(&self.servers), slot(key));
        blocking(move || {
            let owner = servers.owner_of(slot).unwrap();
            let replicas = servers.replicas_of(&owner).unwrap();
            owner.server().kill().unwrap();
            replicas[0].take_over_by_force().unwrap();
        })
        .await;
    }
}

/// A key of this slot, which no recipe uses.
fn mark(wanted: u16) -> String {
    let mut keys = (0..).map(|number| format!("mark:{number}"));
    keys.find(|key| slot(key) == wanted).unwrap()
}
