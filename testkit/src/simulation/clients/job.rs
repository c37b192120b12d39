//! What a step does: [`Job`].

use std::fmt;
use std::time::Duration;

use super::call::Call;
use super::leased::{self, ATTEMPTS, LEASED_WAIT, Pop};
use super::manner::{self, Limited, Work};
use super::plain::{self, between};
use super::{Handle, Scene};
use super::{cached, many, reading};
use crate::simulation::plan::{Act, CallKind, Manner, Step};

/// What a step does, entered in the ledger.
pub(super) struct Job {
    act: Act,
    calls: Vec<Call>,
    handle: Handle,
    /// Whether it uses the handle that is closed meanwhile.
    may_close: bool,
    deadline: Option<Duration>,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self.calls.iter().map(Call::to_string).collect();
        let place = match self.handle {
            Handle::Connection(_) => "a connection",
            Handle::Pool(_) => "the pool",
            Handle::Cluster(_) => "the cluster",
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
    pub(super) fn new(scene: &Scene, task: usize, step: &Step) -> Option<Self> {
        let handle = scene.handle(step.place)?;
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
            Act::Lease { calls, .. } | Act::Open { calls, .. } => enter(calls),
            Act::WriteMany(texts) | Act::CachedWrite(texts) => {
                enter(&texts.iter().copied().map(CallKind::Set).collect::<Vec<_>>())
            }
            Act::ReadMany(_)
            | Act::CachedRead(_)
            | Act::Close
            | Act::Pop(..)
            | Act::Listen { .. }
            | Act::Follow { .. }
            | Act::Scan => Vec::new(),
        };
        if let Act::Transaction(_) = step.act {
            let seen = calls.iter().filter(|call| call.shows_its_token());
            let tokens: Vec<u64> = seen.map(|call| call.token).collect();
            ledger.bind(&tokens);
        }
        if let Act::Pipeline(_) | Act::Batch(_) | Act::Each(..) = step.act {
            let with_key = calls.iter().filter(|call| call.shows_its_token());
            let keyed = with_key.filter_map(|call| {
                let (kind, place) = call.kind.key()?;
                Some((call.token, kind, place))
            });
            ledger.group(&keyed.collect::<Vec<_>>());
        }
        if let Act::WriteMany(_) = step.act {
            ledger.join(&calls.iter().map(|call| call.token).collect::<Vec<_>>());
        }
        drop(ledger);
        let deadline = match step.manner {
            Manner::Deadline(deadline) => Some(deadline),
            _ => None,
        };
        Some(Self {
            act: step.act.clone(),
            calls,
            handle,
            may_close: step.uses_doomed(),
            deadline,
        })
    }

    /// Does it, and notes which of its commands have no outcome.
    pub(super) async fn run(self, scene: &Scene, manner: Manner) {
        let limited = Limited {
            limit: self.limit(scene),
            what: self.to_string(),
        };
        let (tokens, pops) = (self.tokens(), self.pops());
        let popped = Pop::new(scene, pops, matches!(self.act, Act::Lease { .. }));
        let mut seen = scene.clone();
        let own = self.deadline.filter(|_| self.has_deadline());
        seen.excuses.waits_for_others = self.may_wait_for_others(scene);
        seen.begins(own);
        seen.may_close = self.may_close;
        seen.watches = matches!(self.act, Act::Watch(_));
        let work = self.work(seen, popped);
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

    /// Whether its calls are given the deadline of the step.
    fn has_deadline(&self) -> bool {
        match self.act {
            Act::Single(_)
            | Act::Pipeline(_)
            | Act::Transaction(_)
            | Act::Batch(_)
            | Act::Each(..)
            | Act::Together(_)
            | Act::ReadMany(_)
            | Act::WriteMany(_)
            | Act::CachedRead(_)
            | Act::CachedWrite(_) => true,
            Act::Pop(..)
            | Act::Watch(_)
            | Act::Lease { .. }
            | Act::Close
            | Act::Listen { .. }
            | Act::Open { .. }
            | Act::Follow { .. }
            | Act::Scan => false,
        }
    }

    /// Whether it may have to wait for the leases of others, as for those of calls that pop.
    fn may_wait_for_others(&self, scene: &Scene) -> bool {
        let leases = matches!(
            self.act,
            Act::Pop(..) | Act::Watch(_) | Act::Lease { .. } | Act::Open { .. }
        );
        leases && scene.knobs.has_few_leases()
    }

    /// How long it may take. Where nothing breaks, each call is fast, whatever time it was given.
    fn limit(&self, scene: &Scene) -> Duration {
        let bound = scene
            .calm_bound()
            .filter(|_| !self.may_wait_for_others(scene));
        let bounded = |time: Duration| bound.map_or(time, |bound| bound.min(time));
        let usual = bounded(scene.knobs.command_timeout);
        let each = self.deadline.map_or(usual, bounded);
        let count = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        match &self.act {
            Act::Single(_)
            | Act::Pipeline(_)
            | Act::Transaction(_)
            | Act::Batch(_)
            | Act::ReadMany(_)
            | Act::WriteMany(_)
            | Act::Each(..) => each,
            Act::Together(_) => {
                let sending: Duration = self.calls.iter().map(|call| between(*call)).sum();
                each + sending
            }
            Act::Pop(_, time) => *time + usual,
            Act::Close => reading::CLOSING,
            Act::CachedRead(_) => 2 * usual.max(each),
            Act::CachedWrite(texts) => {
                let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
                count * each
            }
            // Each attempt leases, watches, reads and executes.
            Act::Watch(_) => ATTEMPTS * (4 * usual + Duration::from_millis(50)),
            Act::Lease { .. } => (count + 4) * usual.max(each) + LEASED_WAIT,
            Act::Open { .. } => (count + 4) * usual,
            Act::Listen { time, .. } => usual + *time,
            Act::Follow { changes, time } => {
                let changes = u32::try_from(changes.len()).unwrap_or(u32::MAX);
                changes * usual + *time
            }
            Act::Scan => 30 * usual,
        }
    }

    fn work(self, scene: Scene, pop: Option<Pop>) -> Work {
        let Self {
            act,
            calls,
            handle,
            deadline,
            ..
        } = self;
        match (act, handle) {
            (Act::Pop(list, time), handle) => {
                Box::pin(leased::pop_once(scene, handle, list, time, pop))
            }
            (Act::Watch(key), handle) => Box::pin(leased::watch(scene, handle, key, calls)),
            (
                Act::Lease {
                    place,
                    pops,
                    leaves_watch,
                    ..
                },
                handle,
            ) => Box::pin(leased::lease(
                scene,
                (handle, place),
                calls,
                pops.zip(pop),
                leaves_watch,
            )),
            (
                Act::Listen {
                    channel,
                    kind,
                    time,
                },
                handle,
            ) => Box::pin(reading::listen(scene, handle, channel, kind, time)),
            (
                Act::Open {
                    place, executes, ..
                },
                handle,
            ) => Box::pin(leased::open(scene, (handle, place), calls, executes)),
            (Act::Close, _) => Box::pin(reading::close(scene)),
            (Act::CachedRead(texts), _) => Box::pin(cached::read(scene, texts, deadline)),
            (Act::CachedWrite(_), _) => Box::pin(cached::write(scene, calls, deadline)),
            (Act::ReadMany(texts), handle) => Box::pin(many::read(scene, handle, texts, deadline)),
            (Act::WriteMany(_), handle) => Box::pin(many::write(scene, handle, calls, deadline)),
            (Act::Follow { changes, time }, handle) => {
                Box::pin(reading::follow(scene, handle, changes, time))
            }
            (Act::Scan, handle) => Box::pin(reading::scan(scene, handle)),
            (act, Handle::Connection(connection)) => Box::pin(plain::on_connection(
                scene, connection, act, calls, deadline,
            )),
            (act, Handle::Pool(pool)) => {
                Box::pin(plain::on_pool(scene, pool, act, calls, deadline))
            }
            (act, Handle::Cluster(cluster)) => {
                Box::pin(plain::on_cluster(scene, cluster, act, calls, deadline))
            }
        }
    }
}
