//! What needs a socket for itself: elements of lists, watched keys, leases and transactions by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use typedis_core::{
    Detached, Exclusive, Phase, Request, Result, Run, Timeout, Value, Watched, cmd,
};

use super::call::{self, BLPOP, Call};
use super::errors;
use super::record::{record, record_failure};
use super::{Handle, Scene};
use crate::simulation::keys;
use crate::simulation::ledger::Outcome;
use crate::simulation::world::World;

/// How often a watch is tried.
pub(super) const ATTEMPTS: u32 = 10;

/// How long a leased socket waits for an element.
pub(super) const LEASED_WAIT: Duration = Duration::from_millis(200);

/// A call that may take an element. Where it ends without a reply, that is noted.
pub(super) struct Pop {
    world: Arc<World>,
    /// Its number, which the server is told.
    call: u64,
    list: String,
    /// Whether an element that comes after the call has gone is handed to the world.
    reported: bool,
    settled: bool,
}

impl Pop {
    /// `leased` says whether the call is made on a socket that the caller holds: then the socket goes with the caller.
    pub(super) fn new(scene: &Scene, list: Option<usize>, leased: bool) -> Option<Self> {
        let list = keys::list(list?);
        Some(Self {
            world: scene.world.clone(),
            call: scene.world.ledger().begin_pop(),
            list,
            // Where nothing breaks, no reply is lost.
            reported: scene.knobs.calm && scene.knobs.reports && !leased,
            settled: false,
        })
    }

    fn settle(mut self, scene: &Scene, result: Result<Value>) {
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                let outcome = errors::outcome(scene, &error);
                scene
                    .world
                    .note(9, 0, || format!("BLPOP: {error} ({:?})", error.phase()));
                self.settled = matches!(outcome, Outcome::NotSent | Outcome::Refused);
                return;
            }
        };
        self.settled = true;
        match value.as_slice() {
            Some([list, element]) if list.as_str() == Some(&self.list) => {
                received(&self.world, element.as_str().unwrap_or_default());
            }
            None if value.is_nil() => {}
            _ => {
                let text = format!("BLPOP of {} got {value:?}", self.list);
                self.world.violate("replies belong to their callers", text);
            }
        }
    }
}

impl Drop for Pop {
    fn drop(&mut self) {
        if !self.settled && !self.reported {
            self.world.ledger().pop_uncertain(self.call);
        }
    }
}

/// Notes an element that came.
pub(super) fn received(world: &World, element: &str) {
    let token = element
        .strip_prefix('#')
        .and_then(|number| number.parse().ok());
    world.note(11, token.unwrap_or(0), || format!("{element} is received"));
    let outcome = world.ledger().received(token.unwrap_or(0));
    world.judge(outcome);
}

/// Waits for an element. Another key, of a list that there never is, has the number of the call.
fn blpop(list: usize, time: Duration, call: u64) -> Request<Detached, Value> {
    Request::new(cmd(), &BLPOP, |args| {
        args.key("key", &keys::list(list));
        args.key("key", &keys::call(list, call));
        let time = Timeout::from(time);
        args.block(&time);
        args.arg("timeout", &time);
    })
}

pub(super) async fn pop_once(
    scene: Scene,
    handle: Handle,
    list: usize,
    time: Duration,
    pop: Option<Pop>,
) {
    let Some(pop) = pop else { return };
    let request = blpop(list, time, pop.call);
    let result = match handle {
        Handle::Pool(pool) => pool.run(request).await,
        Handle::Cluster(cluster) => cluster.run(request).await,
        Handle::Connection(_) => return,
    };
    pop.settle(&scene, result);
}

pub(super) async fn watch(scene: Scene, handle: Handle, key: usize, calls: Vec<Call>) {
    let [call] = &calls[..] else { return };
    let name = keys::counter(key);
    let read = Arc::new(AtomicI64::new(0));
    let attempt = |tx: Watched| {
        let (name, read, call) = (name.clone(), read.clone(), *call);
        async move {
            let value: Option<i64> = tx.run(call::read_counter(&name)).await?;
            read.store(value.unwrap_or(0), Ordering::Relaxed);
            Ok(tx.transaction().run(call.request(None)))
        }
    };
    let outcome = match handle {
        Handle::Pool(pool) => pool.watch([&name], attempt).attempts(ATTEMPTS).await,
        Handle::Cluster(cluster) => cluster.watch([&name], attempt).attempts(ATTEMPTS).await,
        Handle::Connection(_) => return,
    };
    match outcome {
        Ok((value,)) => {
            let before = read.load(Ordering::Relaxed);
            let added = i64::try_from(call.token).unwrap_or(i64::MAX);
            if value.as_i64() != Some(before + added) {
                let text = format!("{name} was {before}, and after adding {added} {value:?}");
                scene
                    .world
                    .violate("a watched key is not changed by others", text);
            }
            record(&scene, *call, Ok(value));
        }
        Err(error) => record(&scene, *call, Err(error)),
    }
}

/// A socket for itself, for keys of this place.
async fn borrow(handle: &Handle, place: usize) -> Result<Option<Exclusive>> {
    match handle {
        Handle::Pool(pool) => pool.exclusive().await.map(Some),
        Handle::Cluster(cluster) => cluster.exclusive_for(keys::counter(place)).await.map(Some),
        Handle::Connection(_) => Ok(None),
    }
}

pub(super) async fn lease(
    mut scene: Scene,
    (handle, place): (Handle, usize),
    calls: Vec<Call>,
    pops: Option<(usize, Pop)>,
    leaves_watch: bool,
) {
    scene.excuses.is_leased = true;
    scene.begins(None);
    let lease = match borrow(&handle, place).await {
        Ok(Some(lease)) => lease,
        Ok(None) => return,
        Err(error) => return record_failure(&scene, &calls, &error),
    };
    for call in &calls {
        scene.begins(None);
        let result = lease.run(call.request(None)).await;
        record(&scene, *call, result);
    }
    if let Some((list, pop)) = pops {
        scene.begins(None);
        let result = lease.run(blpop(list, LEASED_WAIT, pop.call)).await;
        pop.settle(&scene, result);
    }
    if leaves_watch {
        // The next borrower must not find it; whether it succeeds does not matter.
        drop(lease.run(call::watch_counter(place)).await);
    }
}

pub(super) async fn open(
    mut scene: Scene,
    (handle, place): (Handle, usize),
    calls: Vec<Call>,
    executes: bool,
) {
    scene.excuses.is_leased = true;
    scene.begins(None);
    let lease = match borrow(&handle, place).await {
        Ok(Some(lease)) => lease,
        Ok(None) => return,
        Err(error) => return record_failure(&scene, &calls, &error),
    };
    open_on(&mut scene, &lease, &calls, executes).await;
    // The socket is usable, or it was closed because nobody knows whether a MULTI is open on it. What is sent now is no part
    // of the transaction.
    if lease.is_closed() {
        return;
    }
    let after = Call::issue(
        &mut scene.world.ledger(),
        usize::MAX,
        crate::simulation::plan::CallKind::Echo,
    );
    scene.begins(None);
    let result = lease.run(after.request(None)).await;
    record(&scene, after, result);
}

async fn open_on(scene: &mut Scene, lease: &Exclusive, calls: &[Call], executes: bool) {
    scene.begins(None);
    let open = match lease.begin().await {
        Ok(open) => open,
        // MULTI failed, so none of the commands was sent.
        Err(error) => return drop(errors::outcome(scene, &error)),
    };
    let mut queued = Vec::new();
    let mut is_spoiled = false;
    for call in calls {
        scene.begins(None);
        match open.run(call.request(None)).await {
            Ok(place) => queued.push((*call, place)),
            Err(error) => {
                // If it was sent, EXEC does nothing, or DISCARD takes its place.
                is_spoiled = error.phase() != Phase::NotSent;
                record(scene, *call, Err(error));
                break;
            }
        }
    }
    if !executes {
        return;
    }
    scene.begins(None);
    match open.exec().await {
        Ok(_) if is_spoiled => {
            let text = "EXEC did something after a command was refused or lost".to_owned();
            scene
                .world
                .violate("a transaction is carried out as a whole", text);
        }
        Err(_) if is_spoiled => {
            for (call, _) in queued {
                let ended = scene.world.ledger().ended(call.token, Outcome::Refused);
                scene.world.judge(ended);
            }
        }
        Ok(mut replies) => {
            for (call, place) in queued {
                record(scene, call, replies.take(place));
            }
        }
        Err(error) => {
            // They were sent, but without EXEC the server does not carry them out.
            let outcome = match errors::outcome(scene, &error) {
                Outcome::NotSent | Outcome::Refused => Outcome::Refused,
                _ => Outcome::MaybeApplied,
            };
            for (call, _) in queued {
                let ended = scene.world.ledger().ended(call.token, outcome.clone());
                scene.world.judge(ended);
            }
        }
    }
}
