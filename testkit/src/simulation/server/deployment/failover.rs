//! Replicas that take over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Deployment, Map};
use crate::simulation::server::Server;

/// A primary, and the replica that takes over.
struct Pair {
    old: Arc<Server>,
    new: Arc<Server>,
}

impl Deployment {
    fn pair(&self, map: &Map, number: usize) -> Option<Pair> {
        let with_replicas: Vec<_> = map
            .shards
            .iter()
            .filter(|shard| !shard.replicas.is_empty() && !map.ranges().is_empty())
            .collect();
        let shard = with_replicas.get(number.checked_rem(with_replicas.len())?)?;
        Some(Pair {
            old: self.server(shard.primary)?,
            new: self.server(*shard.replicas.first()?)?,
        })
    }

    /// The replica has everything when it takes over.
    pub(super) async fn switch_over(&self, map: &Map, shard: usize) {
        let Some(Pair { old, new }) = self.pair(map, shard) else {
            return;
        };
        new.catch_up(true);
        let map = self.set_truth(map.with_primary(new.id));
        self.spread(map, &[new.id, old.id], 100).await;
    }

    /// What the replica does not have when it takes over is lost.
    pub(super) async fn crash(
        &self,
        map: &Arc<Map>,
        shard: usize,
        unnoticed: Duration,
        down: Duration,
    ) {
        let Some(Pair { old, new }) = self.pair(map, shard) else {
            return self.stop(map, shard, down).await;
        };
        self.kill(&old);
        sleep(unnoticed).await;
        let despair = self.millis(300);
        for server in self.servers() {
            server.despair(Instant::now() + despair);
            server.suspect();
        }
        sleep(despair).await;
        new.catch_up(false);
        self.account(&old, &new);
        let map = self.set_truth(map.with_primary(new.id));
        self.spread(map, &[new.id], 100).await;
        sleep(down).await;
        old.copy(&new);
        self.revive(&old);
    }

    /// A primary without a replica is gone for a while, and comes back with its data.
    async fn stop(&self, map: &Map, shard: usize, down: Duration) {
        let index = shard.checked_rem(map.shards.len());
        let primary = index.and_then(|index| map.shards.get(index));
        let Some(server) = primary.and_then(|shard| self.server(shard.primary)) else {
            return;
        };
        if map
            .ranges()
            .iter()
            .any(|(first, ..)| map.primary(*first) == Some(server.id))
        {
            self.kill(&server);
            sleep(down).await;
            self.revive(&server);
        }
    }

    /// Whatever the old primary still carries out is lost. After a while it notices that it is alone: then it serves nobody, and
    /// still has its old map.
    pub(super) async fn split(&self, map: &Map, shard: usize, time: Duration) {
        let Some(Pair { old, new }) = self.pair(map, shard) else {
            return;
        };
        new.catch_up(false);
        self.account(&old, &new);
        self.was_split.store(true, Ordering::Relaxed);
        let map = self.set_truth(map.with_primary(new.id));
        for server in self.servers() {
            if server.id != old.id {
                server.adopt(&map);
                sleep(self.millis(20)).await;
            }
        }
        let alone = time / 2;
        sleep(time - alone).await;
        old.despair(Instant::now() + alone);
        sleep(alone).await;
        old.copy(&new);
        old.adopt(&map);
    }

    /// Notes what is lost with the old primary, and which elements are there again although somebody got them.
    fn account(&self, old: &Server, new: &Server) {
        let (before, after) = (old.entries(), new.entries());
        let mut ledger = self.world.ledger();
        for (key, entry) in &before {
            let kept = after.get(key).map_or(&[][..], |entry| &entry.history);
            for token in entry.history.iter().filter(|token| !kept.contains(token)) {
                ledger.lost(key, *token);
            }
        }
        for (key, entry) in &after {
            let had: Vec<&[u8]> = before
                .get(key)
                .iter()
                .flat_map(|entry| entry.elements())
                .collect();
            for element in entry.elements().filter(|element| !had.contains(element)) {
                if let Some(token) = crate::simulation::ledger::token_of(element) {
                    ledger.came_back(token);
                }
            }
        }
    }
}
