//! A cluster whose primary fails: [`Failing`].

use std::sync::Arc;

use typedis::Cluster;
use typedis::cluster::slot;
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::{blocking, config};

/// A cluster of three primaries, each with a replica.
pub(crate) struct Failing {
    servers: Arc<Servers>,
    pub(crate) cluster: Cluster,
}

impl Failing {
    pub(crate) async fn start() -> Self {
        let servers = blocking(|| {
            let builder = Servers::builder(ServerKind::Valkey9);
            builder.replicas(1).start()
        });
        let servers = servers.await.unwrap();
        let url: Vec<String> = servers.addrs().iter().map(ToString::to_string).collect();
        let url = format!("redis://{}", url.join(","));
        let cluster = typedis::cluster(config(&url)).await.unwrap();
        Self {
            servers: Arc::new(servers),
            cluster,
        }
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

    /// The node of a key dies, and its replica takes over with what it has.
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
