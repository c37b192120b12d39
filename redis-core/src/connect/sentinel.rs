//! Services that Sentinels watch: where a service is at present, and when it moves.
//!
//! ```text
//!   each connect:  Sentinel ──► address ──► socket ──► ROLE ──► ready
//!                     ▲                                 │ not the wanted role
//!                     └────────── the next one ◄────────┘
//!
//!   one watch for all connections of a configuration:
//!                  +switch-master ──► sockets to the demoted node are left, and attempts to connect to it given up
//! ```
//!
//! # Layout
//!
//! - this file: from a service to a socket that is ready
//! - `ask`: one Sentinel, and its answers; `role`: what a node says of its role
//! - `watch`: the task that listens for failovers

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use tokio::time::Instant;

use super::attempt::{Attempt, Opened, Ready, share};
use super::refusal::Refusal;
use crate::config::{Address, Claim, Config, Credentials, Moves, Sentinels, ServiceRole};
use crate::error::{SentinelCause, SentinelError};

mod ask;
mod role;
mod watch;

use ask::Miss;
use role::verified;
pub(crate) use watch::guard;

/// Asks the known Sentinels in turn, until one leads to a node that has the wanted role.
pub(crate) async fn connect_to_service(
    config: &Config,
    service: &str,
    credentials: Option<&Credentials>,
    end: Instant,
    opened: Opened<'_>,
) -> Result<Box<Ready>, Refusal> {
    let mut search = Search {
        config,
        service,
        asking: ask::settings(config),
        credentials,
        end,
        opened,
        queue: config.service.sentinels.to_ask(config.addresses()).into(),
        asked: Vec::new(),
        late: VecDeque::new(),
        tried: Vec::new(),
        failures: Failures::default(),
    };
    while let Some(named) = search.next().await {
        if let Some(ready) = search.try_nodes(named).await? {
            return Ok(ready);
        }
    }
    Err(search.failures.into_refusal(service))
}

/// The search for a node, which goes from Sentinel to Sentinel.
struct Search<'a> {
    config: &'a Config,
    service: &'a str,
    /// The settings for Sentinels.
    asking: Config,
    credentials: Option<&'a Credentials>,
    end: Instant,
    opened: Opened<'a>,
    /// The Sentinels that are still to be asked.
    queue: VecDeque<Address>,
    asked: Vec<Address>,
    /// Answers that are older than what is known.
    late: VecDeque<Named>,
    /// The nodes that cannot be used.
    tried: Vec<Address>,
    failures: Failures,
}

/// The nodes that a Sentinel named.
struct Named {
    sentinel: Address,
    nodes: Vec<Address>,
    epoch: Option<u64>,
    /// The moves of the service from before the Sentinel was asked: its answer may be outdated when it comes.
    moves: Moves,
    /// When their share of the time is over.
    end: Instant,
}

impl Search<'_> {
    fn sentinels(&self) -> &Sentinels {
        &self.config.service.sentinels
    }

    /// The next nodes to try. Those of a Sentinel that is behind come when all Sentinels were asked.
    async fn next(&mut self) -> Option<Named> {
        while let Some(sentinel) = self.queue.pop_front() {
            let named = self.ask(sentinel).await;
            match named {
                Some(named) if self.sentinels().is_outdated(named.epoch) => {
                    self.late.push_back(named);
                }
                Some(named) => return Some(named),
                None => {}
            }
        }
        let mut named = self.late.pop_front()?;
        named.end = share(self.end, self.late.len() + 1);
        if self.config.service.role == ServiceRole::Primary {
            // Where the primary was last may be right where a Sentinel is wrong.
            let known = self.sentinels().known().map(|known| known.primary);
            named.nodes.splice(0..0, known);
        }
        Some(named)
    }

    /// Asks one Sentinel for nodes, and about other Sentinels.
    async fn ask(&mut self, sentinel: Address) -> Option<Named> {
        let moves = self.sentinels().moves();
        // Half of a Sentinel's share is for its answer, half for the nodes that it names.
        let end = share(self.end, self.queue.len() + self.late.len() + 1);
        let role = self.config.service.role;
        self.asked.push(sentinel.clone());
        let asked = ask::locate(&self.asking, self.service, role, &sentinel, share(end, 2));
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(miss) => {
                self.failures.missed(&sentinel, miss);
                return None;
            }
        };
        self.learn(&sentinel, answer.sentinels, answer.epoch);
        if answer.nodes.is_empty() {
            let reason = format!("{sentinel} knows none");
            self.failures.note(SentinelCause::NoReplica, reason);
        }
        Some(Named {
            sentinel,
            nodes: answer.nodes,
            epoch: answer.epoch,
            moves,
            end,
        })
    }

    /// Puts other Sentinels on the list of those to ask. One that is behind teaches nothing that lasts.
    fn learn(&mut self, from: &Address, others: Vec<Address>, epoch: Option<u64>) {
        let others = if self.sentinels().is_outdated(epoch) {
            others
        } else {
            let configured = self.config.addresses();
            self.sentinels().learn(configured, from, others)
        };
        for other in others {
            if !self.asked.contains(&other) && !self.queue.contains(&other) {
                self.queue.push_back(other);
            }
        }
    }

    /// A socket to one of the nodes, if one can be used.
    async fn try_nodes(&mut self, mut named: Named) -> Result<Option<Box<Ready>>, Refusal> {
        let role = self.config.service.role;
        let nodes = std::mem::take(&mut named.nodes);
        let count = nodes.len();
        for (index, node) in nodes.into_iter().enumerate() {
            if self.tried.contains(&node) {
                continue;
            }
            let attempt = Attempt {
                config: self.config,
                address: &node,
                host: node.host(),
                end: share(named.end, count - index),
                credentials: self.credentials,
                opened: self.opened,
            };
            let verified = verified(&attempt, role);
            let Some(verified) = unless_moved(verified, &mut named.moves, &node, role).await else {
                let reason = format!("{node} lost its role");
                self.failures.note(SentinelCause::Unusable, reason);
                self.queue.push_front(named.sentinel);
                break;
            };
            match verified {
                Ok(greeted) => {
                    self.note_success(&named, &node);
                    let ready = Ready::new(greeted, node.clone(), node, self.credentials);
                    return Ok(Some(Box::new(ready)));
                }
                Err(refusal) if refusal.holds_everywhere() => return Err(refusal),
                Err(refusal) => self.failures.refused(refusal),
            }
            self.tried.push(node);
        }
        Ok(None)
    }

    /// The node has the wanted role, so its Sentinel was right, unless it is behind.
    fn note_success(&self, named: &Named, node: &Address) {
        let (sentinels, epoch) = (self.sentinels(), named.epoch);
        if sentinels.is_outdated(epoch) {
            return;
        }
        sentinels.prefer(&named.sentinel);
        if self.config.service.role == ServiceRole::Primary {
            sentinels.found(&Claim {
                primary: node.clone(),
                epoch,
            });
        }
    }
}

/// The result of `work` on a node; `None` if it becomes known that the node has lost the wanted role, because
/// it may hang.
async fn unless_moved<T>(
    work: impl Future<Output = T>,
    moves: &mut Moves,
    node: &Address,
    wanted: ServiceRole,
) -> Option<T> {
    let mut work = pin!(work);
    let mut lost_role =
        pin!(async { while (moves.next().await == *node) == (wanted == ServiceRole::Primary) {} });
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => lost_role.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Why the Sentinels and nodes so far could not be used.
#[derive(Default)]
struct Failures {
    cause: Option<SentinelCause>,
    reasons: Vec<String>,
    /// The last refusal of a node for which waiting does not help.
    refusal: Option<Refusal>,
}

impl Failures {
    fn missed(&mut self, sentinel: &Address, miss: Miss) {
        match miss {
            Miss::Unreachable(reason) => self.note(SentinelCause::Unreachable, reason),
            Miss::Unknown => self.note(
                SentinelCause::UnknownService,
                format!("{sentinel} does not know it"),
            ),
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.note(SentinelCause::Unusable, refusal.to_string());
        if refusal.is_final() {
            self.refusal = Some(refusal);
        }
    }

    /// Notes a failure. The cause that came nearest to a connection is the one to report.
    fn note(&mut self, cause: SentinelCause, reason: String) {
        let rank = |cause| match cause {
            SentinelCause::Unreachable => 0,
            SentinelCause::UnknownService => 1,
            SentinelCause::NoReplica => 2,
            SentinelCause::Unusable => 3,
        };
        if self.cause.is_none_or(|known| rank(cause) > rank(known)) {
            self.cause = Some(cause);
        }
        self.reasons.push(reason);
    }

    fn into_refusal(self, service: &str) -> Refusal {
        let cause = self.cause.unwrap_or(SentinelCause::Unreachable);
        let failed = || Refusal::Sentinel(SentinelError::new(service, cause, self.reasons));
        self.refusal.unwrap_or_else(failed)
    }
}
