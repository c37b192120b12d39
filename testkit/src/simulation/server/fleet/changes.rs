//! How a cluster changes: [`Change`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use typedis_core::cluster::slot;

use super::{Fleet, Map};
use crate::simulation::keys;
use crate::simulation::network::Welcome;
use crate::simulation::server::{Accepting, Server};
use crate::simulation::world::lock;

/// Something that happens to a cluster. Places and shards are counted round and round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The slot of a place moves to another shard, key by key, with pauses.
    Migrate(usize, usize, Duration),
    /// Slots of some places move at once.
    Move(Vec<usize>, usize),
    /// The slot of a place moves to another shard at once, and comes back after a while.
    Visit(usize, usize, Duration),
    /// A replica takes over in good order.
    SwitchOver(usize),
    /// A primary is gone; its replica takes over after a while, and the primary comes back as a replica.
    Crash(usize, Duration, Duration),
    /// A replica takes over, and the primary does not know it for a while.
    Split(usize, Duration),
    /// All nodes take the cluster to be down.
    Down(Duration),
    /// A node gets another address.
    Readdress(usize),
    /// A node joins, and gets the slots of some places.
    Grow(Vec<usize>),
    /// A shard gives all of its slots away, and its nodes leave after a while.
    Shrink(usize, Duration),
}

/// The slots that can be moved: those of the keys.
fn slot_of(place: usize) -> u16 {
    let stable: Vec<String> = keys::stable().collect();
    let index = place % (keys::PLACES * 3);
    match index.checked_sub(keys::PLACES * 2) {
        Some(index) => stable.get(index).map_or(0, slot),
        None => slot(keys::counter(index % keys::PLACES)),
    }
}

impl Fleet {
    /// Carries a change out, after those before it.
    pub(crate) async fn change(self: &Arc<Self>, change: &Change) {
        let _changing = self.changing.lock().await;
        let Some(map) = self.truth() else { return };
        match change {
            Change::Migrate(place, shard, pause) => {
                let slot = slot_of(*place);
                if let Some(shard) = another_shard(&map, slot, *shard) {
                    self.migrate(&map, slot, shard, *pause).await;
                }
            }
            Change::Move(places, shard) => {
                let slots: Vec<u16> = places.iter().map(|place| slot_of(*place)).collect();
                if let Some(shard) = live_shard(&map, *shard) {
                    self.move_slots(&map, &slots, shard).await;
                }
            }
            Change::Visit(place, shard, time) => {
                self.visit(&map, slot_of(*place), *shard, *time).await;
            }
            Change::SwitchOver(shard) => self.switch_over(&map, *shard).await,
            Change::Crash(shard, unnoticed, down) => {
                self.crash(&map, *shard, *unnoticed, *down).await;
            }
            Change::Split(shard, time) => self.split(&map, *shard, *time).await,
            Change::Down(time) => {
                let until = Instant::now() + *time;
                self.servers()
                    .iter()
                    .for_each(|server| server.despair(until));
                sleep(*time).await;
            }
            Change::Readdress(node) => self.readdress(&map, *node).await,
            Change::Grow(places) => self.grow(&map, places).await,
            Change::Shrink(shard, time) => self.shrink(&map, *shard, *time).await,
        }
    }

    async fn migrate(&self, map: &Arc<Map>, slot: u16, to: usize, pause: Duration) {
        let source = map.primary(slot).and_then(|node| self.server(node));
        let target = map
            .shards
            .get(to)
            .and_then(|shard| self.server(shard.primary));
        let (Some(source), Some(target)) = (source, target) else {
            return;
        };
        *lock(&self.arriving) = Some((slot, target.id));
        target.set_arriving(slot, Some(source.id));
        source.set_leaving(slot, Some(target.id));
        self.world.note(31, slot.into(), || {
            format!("slot {slot} leaves {} for {}", source.id, target.id)
        });
        loop {
            sleep(pause).await;
            let Some(key) = source.keys_in(slot).into_iter().next() else {
                break;
            };
            source.hand_over(&key, &target);
        }
        self.give(map, &[slot], to, &source, &target).await;
        *lock(&self.arriving) = None;
    }

    /// The target owns the slots from now on; it knows first.
    async fn give(
        &self,
        map: &Arc<Map>,
        slots: &[u16],
        to: usize,
        source: &Server,
        target: &Server,
    ) {
        let map = self.set_truth(map.with_slots(slots, to));
        target.adopt(&map);
        sleep(self.millis(30)).await;
        for server in self.servers() {
            for slot in slots {
                let shard = map.shard_of(server.id).map(|shard| shard.primary);
                if shard != Some(target.id) {
                    server.drop_slot(*slot);
                }
            }
        }
        self.spread(map, &[target.id, source.id], 100).await;
    }

    /// Moves slots with all that is in them.
    async fn move_slots(&self, map: &Arc<Map>, slots: &[u16], to: usize) {
        let Some(target) = map
            .shards
            .get(to)
            .and_then(|shard| self.server(shard.primary))
        else {
            return;
        };
        let mut sources = Vec::new();
        for slot in slots {
            let source = map.primary(*slot).and_then(|node| self.server(node));
            let Some(source) = source.filter(|source| source.id != target.id) else {
                continue;
            };
            for key in source.keys_in(*slot) {
                source.hand_over(&key, &target);
            }
            sources.push(source.id);
        }
        let map = self.set_truth(map.with_slots(slots, to));
        let first: Vec<usize> = std::iter::once(target.id).chain(sources).collect();
        self.spread(map, &first, 100).await;
    }

    async fn visit(&self, map: &Arc<Map>, slot: u16, shard: usize, time: Duration) {
        let home = map.owner(slot);
        let (Some(home), Some(shard)) = (home, another_shard(map, slot, shard)) else {
            return;
        };
        self.move_slots(map, &[slot], shard).await;
        sleep(time).await;
        if let Some(map) = self.truth() {
            self.move_slots(&map, &[slot], home).await;
        }
    }

    /// A server has another port from now on; those who are connected are gone. The first server stays where clients look
    /// for it: who finds no server that he knows is lost.
    async fn readdress(self: &Arc<Self>, map: &Arc<Map>, node: usize) {
        let Some(server) = self
            .pick(node)
            .filter(|server| server.id > 0 && map.shard_of(server.id).is_some())
        else {
            return;
        };
        // Nobody else has this port, and nobody has had it.
        let port = map.ports.iter().max().map_or(1, |port| port + 100);
        self.kill(&server);
        sleep(self.millis(50)).await;
        let map = self.set_truth(map.with_port(server.id, port));
        server.adopt(&map);
        self.network
            .listen(port, Arc::new(Accepting(server.clone())));
        self.spread(map, &[server.id], 100).await;
    }

    async fn grow(self: &Arc<Self>, map: &Arc<Map>, places: &[usize]) {
        if map.shards.len() > 5 {
            return;
        }
        let port = map.ports.iter().max().map_or(1, |port| port + 1);
        let map = self.set_truth(map.with_node(port));
        self.start(port);
        self.spread(map.clone(), &[], 30).await;
        let slots: Vec<u16> = places.iter().map(|place| slot_of(*place)).collect();
        self.move_slots(&map, &slots, map.shards.len() - 1).await;
    }

    async fn shrink(&self, map: &Arc<Map>, shard: usize, time: Duration) {
        let owners: Vec<usize> = (0..map.shards.len())
            .filter(|shard| !map.slots_of(*shard).is_empty())
            .filter(|shard| !is_first(map, *shard))
            .collect();
        let leaving = shard.checked_rem(owners.len());
        let Some(leaving) = leaving.and_then(|index| owners.get(index)) else {
            return;
        };
        let Some(heir) = owners
            .iter()
            .find(|owner| *owner != leaving && owners.len() > 2)
        else {
            return;
        };
        self.move_slots(map, &map.slots_of(*leaving), *heir).await;
        sleep(time).await;
        let shard = map.shards.get(*leaving);
        for node in shard
            .iter()
            .flat_map(|shard| shard.replicas.iter().chain([&shard.primary]))
        {
            if let Some(server) = self.server(*node) {
                self.network.set_welcome(map.port(*node), Welcome::Refused);
                server.restart(false, false);
            }
        }
    }
}

/// Another shard than that of a slot.
fn another_shard(map: &Map, slot: u16, number: usize) -> Option<usize> {
    let owner = map.owner(slot)?;
    let others: Vec<usize> = (0..map.shards.len())
        .filter(|shard| *shard != owner && is_live(map, *shard))
        .collect();
    others.get(number.checked_rem(others.len())?).copied()
}

/// A shard that has slots.
fn live_shard(map: &Map, number: usize) -> Option<usize> {
    let live: Vec<usize> = (0..map.shards.len())
        .filter(|shard| is_live(map, *shard))
        .collect();
    live.get(number.checked_rem(live.len())?).copied()
}

/// Whether a shard has slots: one without any may have left.
fn is_live(map: &Map, shard: usize) -> bool {
    map.ranges().iter().any(|(.., owner)| *owner == shard)
}

/// Whether a shard has the server that clients look for.
fn is_first(map: &Map, shard: usize) -> bool {
    let shard = map.shards.get(shard);
    shard.is_some_and(|shard| shard.primary == 0 || shard.replicas.contains(&0))
}
