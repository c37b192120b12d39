//! Making subscriptions on a cluster: [`ClusterDesk`], and the task that moves them to where they belong.

use std::sync::{Arc, Weak};

use tokio::time::{sleep, timeout};

use super::places::{Displaced, EntryId, Notes, SILENCE, Sockets};
use super::redirect::Redirect;
use super::shared::Shared;
use crate::config::Lag;
use crate::engine::inflight::Failure;
use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::Message;
use crate::engine::subscriptions::table::Entrance;
use crate::error::Phase;
use crate::pubsub::{Desk, Reach, Subscription};

/// Subscribes for one inbox.
#[derive(Debug)]
pub(super) struct ClusterDesk {
    shared: Weak<Shared>,
    reach: Reach,
    sockets: Arc<Sockets>,
}

impl ClusterDesk {
    pub(super) fn new(
        shared: &Arc<Shared>,
        reach: Reach,
        lag: Lag,
        inbox: &Arc<Inbox<Message>>,
    ) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            reach,
            sockets: Arc::new(Sockets::new(lag, inbox.clone())),
        }
    }
}

impl Desk for ClusterDesk {
    fn join(&self, entrance: Entrance) -> Box<dyn Subscription> {
        let entry = self.shared.upgrade().map(|shared| {
            // It waits for a place until there is a map.
            shared.want_first_map();
            let (places, routes) = (&shared.places, shared.routes());
            places.add(entrance, self.reach, self.sockets.clone(), &routes)
        });
        Box::new(Place {
            shared: self.shared.clone(),
            entry: entry.unwrap_or_default(),
        })
    }

    fn attend(&self, inbox: &Arc<Inbox<Message>>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.places.attend(inbox);
        }
    }
}

/// A subscription on a cluster; dropping it ends it.
#[derive(Debug)]
struct Place {
    shared: Weak<Shared>,
    entry: EntryId,
}

impl Subscription for Place {
    fn is_current(&self) -> bool {
        let shared = self.shared.upgrade();
        shared.is_some_and(|shared| shared.places.has(self.entry))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.places.remove(self.entry);
        }
    }
}

/// Keeps subscriptions where they belong for as long as there is a handle.
pub(super) fn run(shared: Weak<Shared>) -> impl Future<Output = ()> {
    keep(Keeper { shared })
}

/// Belongs to the task. If the task goes while there are handles and nobody closed the cluster, its runtime has ended, and no reader
/// may wait for ever then.
struct Keeper {
    shared: Weak<Shared>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.life.abandon();
            shared.stop_accepting();
            shared.events.end();
            shared.places.end(&Failure::Abandoned(Phase::NotSent));
        }
    }
}

async fn keep(keeper: Keeper) {
    let shared = &keeper.shared;
    let Some(notes) = shared.upgrade().map(|shared| shared.places.notes()) else {
        return;
    };
    let mut rounds = 0;
    loop {
        let is_idle = shared
            .upgrade()
            .is_none_or(|shared| shared.places.is_empty());
        if is_idle {
            notes.changed().await;
        } else {
            // A node that is lost does not say so: so this looks at times.
            let _ = timeout(SILENCE, notes.changed()).await;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.places.is_over() {
            return;
        }
        let has_moved = settle_all(&shared, &notes);
        // Nodes that disagree send a subscription to and fro.
        rounds = if has_moved { rounds + 1 } else { 0 };
        let pause = (rounds > 1).then(|| shared.config.backoff.pause(rounds - 2));
        drop(shared);
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }
}

/// Heeds what nodes said, and puts every subscription where it belongs. Returns whether one was sent away.
fn settle_all(shared: &Shared, notes: &Notes) -> bool {
    let displaced = notes.take();
    for gone in &displaced {
        heed(shared, gone);
    }
    let has_moved = !displaced.is_empty();
    let is_lost = shared.places.settle(displaced, &shared.routes());
    if notes.take_hindered() || is_lost {
        shared.want_refresh();
    }
    has_moved
}

/// A node that sent a subscription away may have said where to.
fn heed(shared: &Shared, gone: &Displaced) {
    let (Cause::Refused(refusal), Some(node)) = (&gone.cause, gone.node.upgrade()) else {
        return;
    };
    let Some(redirect) = Redirect::parse(&refusal.to_string()) else {
        return;
    };
    if let Some(address) = redirect.address(&node.address) {
        shared.moved(redirect.slot, &shared.config.mapped(address));
    }
}
