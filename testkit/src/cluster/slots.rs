//! Slots that move: key by key, as every server can ([`SlotMove`]), or in one step, as newer ones do.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::view;
use super::{Cluster, Node};
use crate::error::{Error, Result};
use crate::raw::Reply;

/// How many keys go in one MIGRATE.
const KEYS_AT_ONCE: usize = 100;

/// A slot that is being moved key by key. If this is dropped before [`SlotMove::finish`], the slot stays as it is,
/// as after an interrupted migration.
#[derive(Debug)]
#[must_use = "the slot moves step by step"]
pub struct SlotMove<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: Arc<Node>,
    to: Arc<Node>,
}

impl SlotMove<'_> {
    /// The node that the slot leaves.
    #[must_use]
    pub fn from(&self) -> &Node {
        &self.from
    }

    /// The node that the slot goes to.
    #[must_use]
    pub fn to(&self) -> &Node {
        &self.to
    }

    /// Moves at most this many keys (MIGRATE), and returns how many there were.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn migrate(&self, count: usize) -> Result<usize> {
        let (slot, count) = (self.slot.to_string(), count.to_string());
        let keys = self
            .from
            .reply(&["CLUSTER", "GETKEYSINSLOT", &slot, &count])?;
        let keys: Vec<&str> = keys.items().iter().filter_map(Reply::text).collect();
        self.migrate_keys(&keys)?;
        Ok(keys.len())
    }

    /// Moves these keys (MIGRATE), as far as they exist.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn migrate_keys(&self, keys: &[&str]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let port = self.to.port_for_nodes();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "REPLACE"];
        let password = self.cluster.settings.password_of_nodes();
        if let Some(password) = password {
            words.extend(["AUTH", password]);
        }
        words.push("KEYS");
        words.extend(keys);
        self.from.call(&words).map(drop)
    }

    /// Moves the keys that are left, and gives the slot to its new owner, which is told first.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn finish(self) -> Result<()> {
        view::wait_for(|| {
            // A node that has given its last slot away becomes a replica of the node that got it, with all of its keys.
            if self.from.is_replica()? {
                return Ok(None);
            }
            while self.migrate(KEYS_AT_ONCE)? > 0 {}
            let slot = self.slot.to_string();
            let words = ["CLUSTER", "SETSLOT", &slot, "NODE", self.to.id()];
            self.to.call(&words)?;
            self.from.call(&words)?;
            Ok(None)
        })
    }

    /// Stops moving: the slot stays with its owner. Keys that went to the other node stay there and cannot be read.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn stop(self) -> Result<()> {
        let slot = self.slot.to_string();
        for node in [&self.from, &self.to] {
            node.call(&["CLUSTER", "SETSLOT", &slot, "STABLE"])?;
        }
        Ok(())
    }
}

impl Cluster {
    /// Begins to move a slot: its owner exports it, `to` imports it, no key has moved yet.
    ///
    /// # Errors
    ///
    /// If a node refuses, as when `to` owns the slot.
    pub fn begin_move(&self, slot: u16, to: &Arc<Node>) -> Result<SlotMove<'_>> {
        let from = self.owner_of(slot)?;
        let text = slot.to_string();
        to.call(&["CLUSTER", "SETSLOT", &text, "IMPORTING", from.id()])?;
        from.call(&["CLUSTER", "SETSLOT", &text, "MIGRATING", to.id()])?;
        Ok(SlotMove {
            cluster: self,
            slot,
            from,
            to: Arc::clone(to),
        })
    }

    /// Moves a slot with its keys, key by key. Other nodes learn about it a moment later.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn move_slot(&self, slot: u16, to: &Arc<Node>) -> Result<()> {
        self.begin_move(slot, to)?.finish()
    }

    /// Moves a slot with its keys, key by key, to another primary.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn move_slot_elsewhere(&self, slot: u16) -> Result<()> {
        self.move_slot(slot, &self.other_primary(slot)?)
    }

    /// Moves slots of one owner with their keys in one step (CLUSTER MIGRATESLOTS), and waits until that is done.
    ///
    /// # Errors
    ///
    /// If the server is older than Valkey 9, or the move fails.
    pub fn move_slots_at_once(&self, slots: RangeInclusive<u16>, to: &Arc<Node>) -> Result<()> {
        let from = self.owner_of(*slots.start())?;
        let (first, last) = (slots.start().to_string(), slots.end().to_string());
        let ranges = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", &first, &last];
        let words: Vec<&str> = ranges.into_iter().chain(["NODE", to.id()]).collect();
        from.call(&words)?;
        let mut outcome = String::new();
        view::wait_for(|| {
            let migrations = from.reply(&["CLUSTER", "GETSLOTMIGRATIONS"])?;
            outcome = state_of_newest(&migrations, &format!("{first}-{last}"));
            let over = ["success", "failed", "cancelled"].contains(&outcome.as_str());
            Ok((!over).then(|| format!("the move of {first}-{last} is at {outcome}")))
        })?;
        if outcome == "success" {
            Ok(())
        } else {
            Err(Error::cluster(format!(
                "the move of {first}-{last} {outcome}"
            )))
        }
    }
}

/// The state of the newest move of these slots.
fn state_of_newest(migrations: &Reply, slots: &str) -> String {
    let text = |migration: &Reply, name| {
        let value = migration.get(name).and_then(Reply::text);
        value.unwrap_or_default().to_owned()
    };
    let created = |migration: &&Reply| match migration.get("create_time") {
        Some(Reply::Integer(time)) => *time,
        _ => 0,
    };
    let ours = |migration: &&Reply| text(migration, "slot_ranges") == slots;
    let newest = migrations
        .items()
        .iter()
        .filter(ours)
        .rev()
        .max_by_key(created);
    newest
        .map(|migration| text(migration, "state"))
        .unwrap_or_default()
}
