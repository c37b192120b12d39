//! Reads and writes through a caching handle, and how old a reply may be: [`Caching`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis_core::cluster::Cluster;
use typedis_core::{Cached, Connection, Detached, FromRedis, Pool, Request, Result, Run, Value};

use super::call::Call;
use super::many::{check, mget};
use super::record::{place_of, record};
use super::{Scene, errors};
use crate::simulation::keys;
use crate::simulation::ledger::Token;
use crate::simulation::plan::CallKind;
use crate::simulation::world::lock;

/// A caching handle, and what it has shown so far.
#[derive(Clone)]
pub(crate) struct Caching {
    handle: Handle,
    /// Whether replies and reports come on one socket, so that whoever has a reply has heard of all changes before it.
    in_order: bool,
    /// Whether each key is read by one command only: in RESP2, replies to different ones may differ for the time that a report
    /// takes.
    gets_only: bool,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone)]
pub(crate) enum Handle {
    Connection(Cached<Connection>),
    Pool(Cached<Pool>),
    Cluster(Cached<Cluster>),
}

#[derive(Debug, Default)]
struct Seen {
    /// By the clock of the ledger, the last moment of which a reply came.
    clock: u64,
    /// By text, the place of the newest write that was shown.
    newest: BTreeMap<usize, usize>,
}

impl Caching {
    pub(crate) fn new(handle: Handle, in_order: bool, gets_only: bool) -> Self {
        Self {
            handle,
            in_order,
            gets_only,
            seen: Arc::default(),
        }
    }

    async fn run<R: FromRedis>(&self, request: Request<Detached, R>) -> Result<R> {
        match &self.handle {
            Handle::Connection(cache) => cache.run(request).await,
            Handle::Pool(cache) => cache.run(request).await,
            Handle::Cluster(cache) => cache.run(request).await,
        }
    }

    /// The value of a text, as the cache has it.
    pub(crate) async fn get(&self, text: usize) -> Result<Value> {
        let get = Call {
            kind: CallKind::Get(text),
            token: 0,
        };
        self.run(get.request(None)).await
    }

    /// The place of the oldest write that a read may show that begins now.
    fn floor(&self, scene: &Scene, text: usize) -> usize {
        let seen = lock(&self.seen);
        let newest = seen.newest.get(&text).copied().unwrap_or(0);
        let ledger = scene.world.ledger();
        let heard = match ledger.writes_of(&keys::text(text)) {
            Some(writes) if self.in_order && !scene.deployment.has_changed_protocol() => {
                writes.place_at(seen.clock)
            }
            _ => 0,
        };
        newest.max(heard)
    }

    /// Checks what a read has shown that began with this floor.
    fn check(&self, scene: &Scene, text: usize, floor: usize, value: &Value) {
        let key = keys::text(text);
        let ledger = scene.world.ledger();
        let Some(place) = place_of(&ledger, text, value) else {
            drop(ledger);
            let text = format!("{key} is {value:?}, which nobody wrote");
            return scene.world.violate("replies belong to their callers", text);
        };
        let Some(writes) = ledger.writes_of(&key) else {
            return;
        };
        // Older values are shown by a server that has lost a write, and by replicas. So they are by a primary that was replaced,
        // if a Sentinel still names it.
        let is_misled = scene.knobs.kind.service().is_some() && scene.deployment.was_split();
        if writes.rollbacks > 0 || scene.knobs.reads_copies || is_misled {
            return;
        }
        let newest = writes.place_at(u64::MAX);
        drop(ledger);
        if place < floor {
            let text = format!(
                "{key} is {value:?}, write {place} of {newest}, and may not be older than write {floor}"
            );
            scene
                .world
                .violate("a cache shows nothing older than it may", text);
        }
        let mut seen = lock(&self.seen);
        let known = seen.newest.entry(text).or_default();
        *known = place.max(*known);
    }

    /// Notes that a write was acknowledged: from then on, nothing older is shown.
    fn wrote(&self, scene: &Scene, text: usize, token: Token) {
        let ledger = scene.world.ledger();
        let writes = ledger.writes_of(&keys::text(text));
        let place = writes.and_then(|writes| writes.place_of(Some(token)));
        let clock = ledger.clock_of(token);
        drop(ledger);
        let mut seen = lock(&self.seen);
        if let Some(place) = place {
            let known = seen.newest.entry(text).or_default();
            *known = place.max(*known);
        }
        seen.clock = seen.clock.max(clock.unwrap_or(0));
    }
}

/// Reads texts, with one command for all or with one for each.
pub(super) async fn read(mut scene: Scene, texts: Vec<usize>, deadline: Option<Duration>) {
    let Some(caching) = scene.caching.clone() else {
        return;
    };
    if texts.len() > 1 && !caching.gets_only {
        let floors: Vec<usize> = texts
            .iter()
            .map(|text| caching.floor(&scene, *text))
            .collect();
        let request = mget(&texts);
        let request = match deadline {
            Some(deadline) => request.deadline(deadline),
            None => request,
        };
        match caching.run(request).await {
            Ok(values) => {
                check(&scene, &texts, &values);
                for ((text, floor), value) in texts.iter().zip(floors).zip(&values) {
                    caching.check(&scene, *text, floor, value);
                }
            }
            Err(error) => drop(errors::outcome(&scene, &error)),
        }
        return;
    }
    for text in texts.into_iter().take(2) {
        scene.begins(None);
        let floor = caching.floor(&scene, text);
        match caching.get(text).await {
            Ok(value) => caching.check(&scene, text, floor, &value),
            Err(error) => drop(errors::outcome(&scene, &error)),
        }
    }
}

pub(super) async fn write(mut scene: Scene, calls: Vec<Call>, deadline: Option<Duration>) {
    let Some(caching) = scene.caching.clone() else {
        return;
    };
    for call in calls {
        scene.begins(deadline);
        let result = caching.run(call.request(deadline)).await;
        if let (Ok(_), CallKind::Set(text)) = (&result, call.kind) {
            caching.wrote(&scene, text, call.token);
        }
        record(&scene, call, result);
    }
}
