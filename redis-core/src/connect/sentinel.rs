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
use crate::config::{Address, Config, Credentials, Moves, ServiceRole};
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
    let sentinels = &config.service.sentinels;
    let role = config.service.role;
    let asking = ask::settings(config);
    let mut queue = VecDeque::from(sentinels.to_ask(config.addresses()));
    let mut asked = Vec::new();
    let mut tried = Vec::new();
    let mut failures = Failures::default();
    while let Some(sentinel) = queue.pop_front() {
        // This begins before the Sentinel is asked: its answer may be outdated when it comes.
        let mut moves = sentinels.moves();
        // Half of a Sentinel's share is for its answer, half for the nodes that it names.
        let end = share(end, queue.len() + 1);
        asked.push(sentinel.clone());
        let answer = match ask::locate(&asking, service, role, &sentinel, share(end, 2)).await {
            Ok(answer) => answer,
            Err(miss) => {
                failures.missed(&sentinel, miss);
                continue;
            }
        };
        for learned in sentinels.learn(config.addresses(), &sentinel, answer.sentinels) {
            if !asked.contains(&learned) && !queue.contains(&learned) {
                queue.push_back(learned);
            }
        }
        if answer.nodes.is_empty() {
            failures.note(SentinelCause::NoReplica, format!("{sentinel} knows none"));
        }
        let nodes: Vec<Address> = answer.nodes;
        let count = nodes.len();
        for (index, node) in nodes.into_iter().enumerate() {
            if tried.contains(&node) {
                continue;
            }
            let attempt = Attempt {
                config,
                address: &node,
                host: node.host(),
                end: share(end, count - index),
                credentials,
                opened,
            };
            let verified = verified(&attempt, role);
            let Some(verified) = unless_moved(verified, &mut moves, &node, role).await else {
                failures.note(SentinelCause::Unusable, format!("{node} lost its role"));
                queue.push_front(sentinel);
                break;
            };
            match verified {
                Ok(greeted) => {
                    sentinels.prefer(&sentinel);
                    let ready = Ready::new(greeted, node.clone(), node, credentials);
                    return Ok(Box::new(ready));
                }
                Err(refusal) if refusal.holds_everywhere() => return Err(refusal),
                Err(refusal) => failures.refused(refusal),
            }
            tried.push(node);
        }
    }
    Err(failures.into_refusal(service))
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
