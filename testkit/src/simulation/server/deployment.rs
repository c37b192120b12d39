//! All servers of a world: [`Deployment`], which is one server, a service with its Sentinels, or the nodes of a cluster.
//!
//! # Layout
//!
//! - `map`: which node has which slots
//! - `changes`: slots that move, nodes that come, go and get other addresses; `failover`: replicas that take over
//! - `check`: whether everything that was acknowledged is there at the end

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use typedis_core::cluster::slot;

use super::{Accepting, Group, Kind, SENTINEL_PORT, Server};
use crate::simulation::keys;
use crate::simulation::network::{Network, PORT, Welcome};
use crate::simulation::random::Random;
use crate::simulation::world::{World, lock};

mod changes;
mod check;
mod failover;
mod map;

pub(crate) use changes::Change;
pub(crate) use map::{Map, NodeId};

/// The name of the host of all servers.
pub(crate) const HOST: &str = "model";

/// All servers of a world.
pub(crate) struct Deployment {
    world: Arc<World>,
    network: Arc<Network>,
    kind: Kind,
    servers: Mutex<Vec<Arc<Server>>>,
    random: Mutex<Random>,
    /// The state of the cluster or service; its nodes may know an older one. `None` for a server that is alone.
    truth: Mutex<Option<Arc<Map>>>,
    /// The slot that is being moved key by key, and to whom.
    arriving: Mutex<Option<(u16, NodeId)>>,
    /// Whether there were two primaries with the same keys: one that was replaced, and did not know of it.
    was_split: AtomicBool,
    /// Held while the cluster changes: one change comes after another.
    changing: tokio::sync::Mutex<()>,
}

impl Deployment {
    pub(crate) fn new(world: &Arc<World>, network: &Arc<Network>, kind: Kind) -> Arc<Self> {
        let map = match kind.group {
            Group::Alone => None,
            Group::Service(service) => {
                let sentinels = (SENTINEL_PORT..).take(service.sentinels);
                Some(Map::of_service(PORT, sentinels))
            }
            Group::Cluster(cluster) => Some(Map::even(cluster.shards, cluster.replicas, PORT)),
        };
        let deployment = Arc::new(Self {
            world: world.clone(),
            network: network.clone(),
            kind,
            servers: Mutex::default(),
            // The name of a stream decides its choices: with another one, each seed would have another world.
            random: Mutex::new(Random::of(world.seed, "fleet", 0)),
            truth: Mutex::new(map.clone().map(Arc::new)),
            arriving: Mutex::default(),
            was_split: AtomicBool::new(false),
            changing: tokio::sync::Mutex::default(),
        });
        let ports = map.map_or_else(|| vec![PORT], |map| map.ports);
        for port in ports {
            deployment.start(port);
        }
        for server in deployment.servers() {
            server.fill(keys::stable().filter(|key| deployment.has(server.id, key)));
        }
        deployment
    }

    /// Starts a server at this port.
    fn start(self: &Arc<Self>, port: u16) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        let server = Server::new(self.world.clone(), servers.len(), self.kind);
        servers.push(server.clone());
        drop(servers);
        server.join(self);
        if let Some(map) = self.truth() {
            server.enlist(map);
        }
        self.network
            .listen(port, Arc::new(Accepting(server.clone())));
        server
    }

    /// Whether a server has a key from the beginning.
    fn has(&self, server: NodeId, key: &str) -> bool {
        self.truth().is_none_or(|map| {
            let owner = map.primary(slot(key));
            map.shard_of(server).map(|shard| shard.primary) == owner
        })
    }

    pub(crate) fn servers(&self) -> Vec<Arc<Server>> {
        lock(&self.servers).clone()
    }

    pub(crate) fn server(&self, node: NodeId) -> Option<Arc<Server>> {
        lock(&self.servers).get(node).cloned()
    }

    /// One of the servers, counted round and round.
    pub(crate) fn pick(&self, number: usize) -> Option<Arc<Server>> {
        let servers = lock(&self.servers);
        let index = number.checked_rem(servers.len())?;
        servers.get(index).cloned()
    }

    /// One of the Sentinels, counted round and round.
    pub(crate) fn sentinel(&self, number: usize) -> Option<Arc<Server>> {
        let map = self.truth()?;
        let servers = self.servers().into_iter();
        let sentinels: Vec<_> = servers
            .filter(|server| map.shard_of(server.id).is_none())
            .collect();
        let index = number.checked_rem(sentinels.len())?;
        sentinels.get(index).cloned()
    }

    /// How many sockets are open to nodes of a service that are not its primary.
    pub(crate) fn strays(&self) -> usize {
        let Some(map) = self.truth().filter(|_| self.kind.service().is_some()) else {
            return 0;
        };
        let replicas = map.shards.iter().flat_map(|shard| &shard.replicas);
        let servers = replicas.filter_map(|node| self.server(*node));
        servers.map(|server| server.sessions()).sum()
    }

    /// The state of the cluster or service.
    pub(crate) fn truth(&self) -> Option<Arc<Map>> {
        lock(&self.truth).clone()
    }

    /// The port of a server.
    pub(crate) fn port(&self, node: NodeId) -> u16 {
        self.truth().map_or(PORT, |map| map.port(node))
    }

    /// The server that has a key now.
    pub(crate) fn owner(&self, key: &str) -> Option<Arc<Server>> {
        let node = match self.truth() {
            Some(map) => map.primary(slot(key))?,
            None => 0,
        };
        self.server(node)
    }

    /// Whether a node may change the keys of a slot; what others change is lost.
    pub(crate) fn is_current(&self, node: NodeId, slot: u16) -> bool {
        self.truth()
            .is_none_or(|map| map.primary(slot) == Some(node))
            || *lock(&self.arriving) == Some((slot, node))
    }

    /// When something that is written now arrives at a replica.
    pub(crate) fn copied_at(&self) -> Instant {
        Instant::now() + lock(&self.random).millis(0..=20)
    }

    /// Whether there were two primaries with the same keys. A caller may read from the new one first, and then from the old.
    pub(crate) fn was_split(&self) -> bool {
        self.was_split.load(Ordering::Relaxed)
    }

    /// How often data was lost.
    pub(crate) fn losses(&self) -> u64 {
        self.servers().iter().map(|server| server.losses()).sum()
    }

    /// How often all servers have this subscription.
    pub(crate) fn subscribers(&self, name: &[u8]) -> usize {
        let servers = self.servers();
        servers.iter().map(|server| server.subscribers(name)).sum()
    }

    /// Whether a server has begun or ceased to speak RESP3.
    pub(crate) fn has_changed_protocol(&self) -> bool {
        let servers = self.servers();
        servers.iter().any(|server| server.has_changed_protocol())
    }

    /// How many sockets only for subscriptions are open without any.
    pub(crate) fn former_subscribers(&self) -> usize {
        let servers = self.servers();
        servers
            .iter()
            .map(|server| server.former_subscribers())
            .sum()
    }

    /// How often nodes sent somebody to another node for good.
    pub(crate) fn moved(&self) -> u64 {
        self.servers().iter().map(|server| server.moved()).sum()
    }

    fn millis(&self, most: u64) -> Duration {
        lock(&self.random).millis(0..=most)
    }

    /// Tells all nodes of a new state of the cluster: these at once, the others a little later.
    async fn spread(&self, map: Arc<Map>, first: &[NodeId], later: u64) {
        for node in first {
            if let Some(server) = self.server(*node) {
                server.adopt(&map);
            }
        }
        for server in self.servers() {
            if !first.contains(&server.id) {
                sleep(self.millis(later)).await;
                server.adopt(&map);
            }
        }
    }

    /// From now on, this is the state of the cluster.
    fn set_truth(&self, map: Map) -> Arc<Map> {
        let map = Arc::new(map);
        *lock(&self.truth) = Some(map.clone());
        let epoch = map.epoch;
        self.world.note(30, epoch, || {
            format!("the cluster has epoch {epoch}: {:?}", map.ranges())
        });
        map
    }

    /// The process of a server is gone, and nobody can connect.
    fn kill(&self, server: &Server) {
        self.network
            .set_welcome(self.port(server.id), Welcome::Refused);
        server.restart(false, false);
    }

    fn revive(&self, server: &Server) {
        self.network
            .set_welcome(self.port(server.id), Welcome::Open);
    }
}
