//! What a step does: [`Job`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use typedis_core::{
    Connection, Cursor, Detached, Event, IntoScanStream, Pool, Request, Result, Run, Timeout,
    Value, Watched, cmd,
};

use super::call::{self, BLPOP, Call, SCAN};
use super::errors;
use super::listening::Listening;
use super::manner::{self, Limited, Work};
use super::{Handle, Scene};
use crate::simulation::answer::decoded;
use crate::simulation::keys;
use crate::simulation::ledger::Outcome;
use crate::simulation::plan::{Act, CallKind, Manner, Step};
use crate::simulation::world::World;

/// How often a watch is tried.
const ATTEMPTS: u32 = 10;

/// What a step does, entered in the ledger.
pub(super) struct Job {
    act: Act,
    calls: Vec<Call>,
    handle: Handle,
    deadline: Option<Duration>,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self.calls.iter().map(Call::to_string).collect();
        let place = match self.handle {
            Handle::Connection(_) => "a connection",
            Handle::Pool(_) => "the pool",
        };
        let name = match &self.act {
            Act::Single(_) => "a command".to_owned(),
            Act::Pipeline(_) => "a pipeline".to_owned(),
            Act::Transaction(_) => "a transaction".to_owned(),
            Act::Batch(_) => "a batch".to_owned(),
            Act::Each(..) => "the same command for each item".to_owned(),
            Act::Together(_) => "commands at the same time".to_owned(),
            other => format!("{other:?}"),
        };
        write!(f, "{name} on {place} [{}]", calls.join(", "))
    }
}

impl Job {
    pub(super) fn new(scene: &Scene, task: usize, step: &Step) -> Self {
        let mut ledger = scene.world.ledger();
        let mut enter = |kinds: &[CallKind]| -> Vec<Call> {
            kinds
                .iter()
                .map(|kind| Call::issue(&mut ledger, task, *kind))
                .collect()
        };
        let calls = match &step.act {
            Act::Single(kind) => enter(&[*kind]),
            Act::Pipeline(kinds) | Act::Transaction(kinds) => enter(kinds),
            Act::Batch(kinds) | Act::Together(kinds) => enter(kinds),
            Act::Each(kind, count) => enter(&vec![*kind; *count]),
            Act::Watch(key) => enter(&[CallKind::Add(*key)]),
            Act::Lease { calls, .. } => enter(calls),
            Act::Pop(..) | Act::Listen { .. } | Act::Scan => Vec::new(),
        };
        if let Act::Transaction(_) = step.act {
            let seen = calls.iter().filter(|call| call.shows_its_token());
            let tokens: Vec<u64> = seen.map(|call| call.token).collect();
            ledger.bind(&tokens);
        }
        drop(ledger);
        let deadline = match step.manner {
            Manner::Deadline(deadline) => Some(deadline),
            _ => None,
        };
        Self {
            act: step.act.clone(),
            calls,
            handle: scene.handle(step.place),
            deadline,
        }
    }

    /// Does it, and notes which of its commands have no outcome.
    pub(super) async fn run(self, scene: &Scene, manner: Manner) {
        let limited = Limited {
            limit: self.limit(scene),
            what: self.to_string(),
        };
        let (tokens, pops) = (self.tokens(), self.pops());
        let popped = Pop::new(scene, pops);
        let work = self.work(scene.clone(), popped);
        manner::wait(scene, manner, limited, work).await;
        for token in tokens {
            scene.world.ledger().abandon(token);
        }
    }

    fn tokens(&self) -> Vec<u64> {
        self.calls.iter().map(|call| call.token).collect()
    }

    fn pops(&self) -> Option<usize> {
        match self.act {
            Act::Pop(list, _) => Some(list),
            Act::Lease { pops, .. } => pops,
            _ => None,
        }
    }

    /// How long it may take.
    fn limit(&self, scene: &Scene) -> Duration {
        let usual = scene.knobs.command_timeout;
        let each = self.deadline.unwrap_or(usual);
        let count = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        match &self.act {
            Act::Single(_)
            | Act::Pipeline(_)
            | Act::Transaction(_)
            | Act::Batch(_)
            | Act::Each(..) => scene.calm_bound().map_or(each, |bound| bound.min(each)),
            Act::Together(_) => {
                let sending: Duration = self.calls.iter().map(|call| between(*call)).sum();
                scene.calm_bound().map_or(each, |bound| bound.min(each)) + sending
            }
            Act::Pop(_, time) => {
                let beyond = scene.calm_bound().map_or(usual, |bound| bound.min(usual));
                *time + beyond
            }
            // Each attempt leases, watches, reads and executes.
            Act::Watch(_) => ATTEMPTS * (4 * usual + Duration::from_millis(50)),
            Act::Lease { .. } => (count + 4) * usual.max(each) + LEASED_WAIT,
            Act::Listen { time, .. } => usual + *time,
            Act::Scan => 30 * usual,
        }
    }

    fn work(self, scene: Scene, pop: Option<Pop>) -> Work {
        let Self {
            act,
            calls,
            handle,
            deadline,
        } = self;
        match (act, handle) {
            (Act::Pop(list, time), handle) => Box::pin(pop_once(scene, handle, list, time, pop)),
            (Act::Watch(key), handle) => Box::pin(watch(scene, handle, key, calls)),
            (
                Act::Lease {
                    pops, leaves_watch, ..
                },
                handle,
            ) => Box::pin(lease(scene, handle, calls, pops.zip(pop), leaves_watch)),
            (
                Act::Listen {
                    channel,
                    pattern,
                    time,
                },
                handle,
            ) => Box::pin(listen(scene, handle, channel, pattern, time)),
            (Act::Scan, handle) => Box::pin(scan(scene, handle)),
            (act, Handle::Connection(connection)) => {
                Box::pin(on_connection(scene, connection, act, calls, deadline))
            }
            (act, Handle::Pool(pool)) => Box::pin(on_pool(scene, pool, act, calls, deadline)),
        }
    }
}

/// How long a leased socket waits for an element.
const LEASED_WAIT: Duration = Duration::from_millis(200);

/// Notes what the caller of a command was told.
pub(super) fn record(scene: &Scene, call: Call, result: Result<Value>) {
    let outcome = match result {
        Ok(value) => answered(scene, call, &value),
        Err(error) => {
            scene.world.note(9, call.token, || {
                format!("{call}: {error} ({:?})", error.phase())
            });
            Some(errors::outcome(scene, &error))
        }
    };
    if let Some(outcome) = outcome {
        let ended = scene.world.ledger().ended(call.token, outcome);
        scene.world.judge(ended);
    }
}

fn answered(scene: &Scene, call: Call, value: &Value) -> Option<Outcome> {
    let Some(answer) = decoded(value) else {
        let text = format!("{call} got {value:?}");
        scene.world.violate("replies belong to their callers", text);
        return None;
    };
    scene
        .world
        .note(10, call.token, || format!("{call} is answered"));
    if let CallKind::Get(key) = call.kind {
        // The value names its key.
        let name = keys::text(key);
        if !value.is_nil() && !value.as_str().is_some_and(|text| text.starts_with(&name)) {
            let text = format!("{call} got {value:?}");
            scene.world.violate("replies belong to their callers", text);
        }
        return None;
    }
    Some(Outcome::Answered(answer))
}

/// Notes the outcomes of commands that were sent together.
fn record_all(scene: &Scene, calls: &[Call], result: Result<Vec<Result<Value>>>) {
    match result {
        Ok(replies) => {
            for (call, reply) in calls.iter().zip(replies) {
                record(scene, *call, reply);
            }
        }
        Err(error) => record_failure(scene, calls, &error),
    }
}

/// Notes the failure of several commands: of which one it is may not be known.
fn record_failure(scene: &Scene, calls: &[Call], error: &typedis_core::Error) {
    let outcome = errors::outcome(scene, error);
    for call in calls {
        scene.world.note(9, call.token, || {
            format!("{call}: {error} ({:?})", error.phase())
        });
        let outcome = match outcome {
            Outcome::NotSent if error.index().is_none() => Outcome::NotSent,
            _ => Outcome::Unknown,
        };
        let ended = scene.world.ledger().ended(call.token, outcome);
        scene.world.judge(ended);
    }
}

/// The same code for both handles, which have no trait in common for all of it.
macro_rules! plain {
    ($name:ident, $handle:ty) => {
        async fn $name(
            scene: Scene,
            handle: $handle,
            act: Act,
            calls: Vec<Call>,
            deadline: Option<Duration>,
        ) {
            match (&act, &calls[..]) {
                (Act::Single(_), [call]) => {
                    let result = handle.run(call.request(deadline)).await;
                    record(&scene, *call, result);
                }
                (Act::Pipeline(_), [a, b, c]) => {
                    let result = handle
                        .pipeline()
                        .run(a.request(deadline))
                        .attempt()
                        .run(b.request(deadline))
                        .attempt()
                        .run(c.request(deadline))
                        .attempt()
                        .await;
                    record_all(&scene, &calls, result.map(|(a, b, c)| vec![a, b, c]));
                }
                (Act::Transaction(_), [a, b, c]) => {
                    let result = handle
                        .transaction()
                        .run(a.request(deadline))
                        .run(b.request(deadline))
                        .run(c.request(deadline))
                        .await;
                    let result = result.map(|(a, b, c)| vec![Ok(a), Ok(b), Ok(c)]);
                    record_all(&scene, &calls, result);
                }
                (Act::Each(..), calls) => {
                    let commands = calls.iter().map(|call| call.request(deadline));
                    let result = handle
                        .pipeline_each(commands, |_, command| command)
                        .await
                        .map(|values| values.into_iter().map(Ok).collect());
                    record_all(&scene, calls, result);
                }
                (Act::Together(_), calls) => {
                    let mut sent = Vec::new();
                    for call in calls {
                        sent.push(handle.run(call.request(deadline)).send());
                        sleep(between(*call)).await;
                    }
                    together(&scene, calls, sent).await;
                }
                (_, calls) => {
                    let mut batch = handle.batch();
                    let handles: Vec<_> = calls
                        .iter()
                        .map(|call| batch.push(call.request(deadline)))
                        .collect();
                    let result = batch.execute().await.map(|mut replies| {
                        let taken = handles.into_iter().map(|handle| replies.take(handle));
                        taken.collect()
                    });
                    record_all(&scene, calls, result);
                }
            }
        }
    };
}

plain!(on_connection, Connection);
plain!(on_pool, Pool);

/// How long to wait until the next command is sent: not at all, or a little.
fn between(call: Call) -> Duration {
    Duration::from_millis(call.token % 3)
}

/// Waits for all at once, and notes each when it ends.
async fn together<F>(scene: &Scene, calls: &[Call], futures: Vec<F>)
where
    F: Future<Output = Result<Value>> + Unpin,
{
    let mut open: Vec<Option<F>> = futures.into_iter().map(Some).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (slot, call) in open.iter_mut().zip(calls) {
            let Some(future) = slot else { continue };
            match std::pin::Pin::new(future).poll(cx) {
                std::task::Poll::Ready(result) => {
                    *slot = None;
                    record(scene, *call, result);
                }
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}

/// A call that may take an element. Where it ends without a reply, that is noted.
struct Pop {
    world: Arc<World>,
    list: String,
    settled: bool,
}

impl Pop {
    fn new(scene: &Scene, list: Option<usize>) -> Option<Self> {
        Some(Self {
            world: scene.world.clone(),
            list: keys::list(list?),
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
        if !self.settled {
            self.world.ledger().pop_uncertain();
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

fn blpop(list: usize, time: Duration) -> Request<Detached, Value> {
    Request::new(cmd(), &BLPOP, |args| {
        args.key("key", &keys::list(list));
        let time = Timeout::from(time);
        args.block(&time);
        args.arg("timeout", &time);
    })
}

async fn pop_once(scene: Scene, handle: Handle, list: usize, time: Duration, pop: Option<Pop>) {
    let Handle::Pool(pool) = handle else { return };
    let result = pool.run(blpop(list, time)).await;
    if let Some(pop) = pop {
        pop.settle(&scene, result);
    }
}

async fn watch(scene: Scene, handle: Handle, key: usize, calls: Vec<Call>) {
    let (Handle::Pool(pool), [call]) = (handle, &calls[..]) else {
        return;
    };
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
    match pool.watch([&name], attempt).attempts(ATTEMPTS).await {
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

async fn lease(
    scene: Scene,
    handle: Handle,
    calls: Vec<Call>,
    pops: Option<(usize, Pop)>,
    leaves_watch: bool,
) {
    let Handle::Pool(pool) = handle else { return };
    let lease = match pool.exclusive().await {
        Ok(lease) => lease,
        Err(error) => return record_failure(&scene, &calls, &error),
    };
    for call in &calls {
        let result = lease.run(call.request(None)).await;
        record(&scene, *call, result);
    }
    if let Some((list, pop)) = pops {
        let result = lease.run(blpop(list, LEASED_WAIT)).await;
        pop.settle(&scene, result);
    }
    if leaves_watch {
        // The next borrower must not find it; whether it succeeds does not matter.
        drop(lease.run(call::watch_counter()).await);
    }
}

async fn listen(scene: Scene, handle: Handle, channel: usize, pattern: bool, time: Duration) {
    let name = keys::channel(channel);
    let mut listening = Listening::default();
    macro_rules! listen_with {
        ($subscribing:expr) => {{
            let subscribed = $subscribing.await;
            let end = Instant::now() + time;
            match subscribed {
                Ok(mut events) => {
                    while let Ok(next) = timeout_at(end, events.next()).await {
                        if !take(&scene, &mut listening, next) {
                            break;
                        }
                    }
                }
                Err(error) => drop(errors::outcome(&scene, &error)),
            }
        }};
    }
    let stars = format!("{name}*");
    match (&handle, pattern) {
        (Handle::Connection(handle), false) => listen_with!(handle.subscribe(&name)),
        (Handle::Connection(handle), true) => listen_with!(handle.psubscribe(&stars)),
        (Handle::Pool(handle), false) => listen_with!(handle.subscribe(&name)),
        (Handle::Pool(handle), true) => listen_with!(handle.psubscribe(&stars)),
    }
}

/// Takes what a subscription yields. Returns whether it goes on.
pub(super) fn take(scene: &Scene, listening: &mut Listening, next: Option<Result<Event>>) -> bool {
    match next {
        Some(Ok(event)) => {
            listening.take(&scene.world, &event);
            true
        }
        Some(Err(error)) => {
            scene
                .world
                .violate("subscriptions are restored", error.to_string());
            false
        }
        None => {
            let text = "the stream of a subscription ended".to_owned();
            scene.world.violate("subscriptions are restored", text);
            false
        }
    }
}

async fn scan(scene: Scene, handle: Handle) {
    let before = scene.server.losses();
    macro_rules! scan_on {
        ($handle:expr) => {{
            let scan: Request<_, (u64, Vec<String>)> = Request::new($handle, &SCAN, |args| {
                args.args("cursor", &Cursor::from(0));
                args.word("COUNT");
                args.arg("count", &5);
            });
            scan.stream().try_collect::<Vec<String>>().await
        }};
    }
    let found = match &handle {
        Handle::Connection(connection) => scan_on!(connection),
        Handle::Pool(pool) => scan_on!(pool),
    };
    match found {
        Ok(keys) => {
            let missing = keys::stable().find(|key| !keys.contains(key));
            if let Some(missing) = missing.filter(|_| scene.server.losses() == before) {
                let text = format!("{missing} was not among {keys:?}");
                scene
                    .world
                    .violate("a scan finds what is always there", text);
            }
        }
        Err(error) => drop(errors::outcome(&scene, &error)),
    }
}
