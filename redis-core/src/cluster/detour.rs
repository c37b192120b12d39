//! What happened to something whose first attempt did not succeed: [`Detour`], with the pauses and redirects so far.
//!
//! Between two links it is nowhere else: while it pauses, the cluster knows of it by [`Wait`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::life::Wait;
use super::nodes::Node;
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use crate::config::Address;
use crate::engine::inflight::{Failure, Limit, Patience};
use crate::error::{Error, ErrorKind, Phase, Result, ServerError};
use crate::runtime::from_now;

/// How often something is sent from node to node; more counts as a circle.
const MOST_HOPS: usize = 16;
/// Redirects beyond this many are followed after a pause: nodes disagree for a moment while slots move.
const QUICK_HOPS: usize = 2;
/// After a refusal or loss, the map is asked for again; at most this often if there is no deadline.
const MOST_PAUSES: u32 = 1_000;

/// Pauses, and the deadline that they keep to.
#[derive(Debug, Default)]
pub(super) struct Detour {
    pub(super) deadline: Option<Instant>,
    pause: Option<Pause>,
    pauses: u32,
}

/// A pause, which the end of the cluster ends too.
#[derive(Debug)]
struct Pause {
    sleep: Pin<Box<Sleep>>,
    wait: Wait,
}

impl Detour {
    /// One whose pauses end by this deadline.
    pub(super) fn until(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            ..Self::default()
        }
    }

    /// Begins a pause, unless the deadline comes first, or the cluster was closed. Each is longer than the one before.
    pub(super) fn pause(&mut self, shared: &Shared, patience: Patience) -> bool {
        self.set_deadline(shared.config.command_timeout, patience);
        let pause = shared.config.backoff.pause(self.pauses);
        let in_time = match self.deadline {
            Some(deadline) => from_now(pause) < deadline,
            None => self.pauses < MOST_PAUSES,
        } && !shared.life.is_over();
        if in_time {
            self.pauses += 1;
            self.pause = Some(Pause {
                sleep: Box::pin(sleep(pause)),
                wait: shared.life.wait(),
            });
        }
        in_time
    }

    /// Begins a pause, unless there is one. Returns whether it ends in time.
    pub(super) fn pause_too(&mut self, shared: &Shared, patience: Patience) -> bool {
        self.pause.is_some() || self.pause(shared, patience)
    }

    fn set_deadline(&mut self, usual: Option<Duration>, patience: Patience) {
        if self.deadline.is_none() {
            let limit = patience.limit(usual);
            self.deadline = Limit::from(limit, Instant::now());
        }
    }

    /// Waits until the pause is over. Returns whether there was one.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(pause) = &mut self.pause else {
            return Poll::Ready(false);
        };
        if !pause.wait.is_over(cx) {
            ready!(pause.sleep.as_mut().poll(cx));
        }
        self.pause = None;
        Poll::Ready(true)
    }
}

/// Where redirects led.
#[derive(Debug, Default)]
pub(super) struct Hops(Vec<Address>);

/// Where to go after a redirect.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) node: Arc<Node>,
    /// Whether to pause before that, so that nodes that disagree may come to agree.
    pub(super) pauses: bool,
}

impl Hops {
    /// Begins to count again: who waits for a slot to arrive takes the same path many times.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Notes a redirect of the node `asked`, and corrects the map.
    ///
    /// # Errors
    /// It names no node, or nodes send it from one to the other without end.
    pub(super) fn follow(
        &mut self,
        shared: &Shared,
        redirect: &Redirect,
        asked: &Address,
    ) -> Result<Hop> {
        let told = redirect.address(asked).ok_or_else(no_node)?;
        let address = shared.config.mapped(told);
        self.0.push(address.clone());
        if self.0.len() > MOST_HOPS {
            return Err(circle(&self.0));
        }
        let node = match redirect.kind {
            RedirectKind::Moved => shared.moved(redirect.slot, &address),
            RedirectKind::Ask => shared.node_at(&address),
        };
        Ok(Hop {
            node: node.ok_or_else(no_node)?,
            // After a pause the owner is asked, and it would only say ASK again.
            pauses: self.0.len() > QUICK_HOPS && redirect.kind == RedirectKind::Moved,
        })
    }
}

/// Whether a link was lost, or its node cannot be reached: another may be asked.
pub(super) fn is_loss(failure: &Failure) -> bool {
    matches!(failure, Failure::Lost(..) | Failure::Closed(_))
}

/// Whether nothing of it reached the server.
pub(super) fn is_unsent(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Lost(Phase::NotSent, ..) | Failure::Closed(Phase::NotSent)
    )
}

/// The failure as it is for the caller of a command that may have been lost on another link before.
pub(super) fn after_loss(failure: &Failure, was_lost: bool) -> Failure {
    if was_lost {
        failure.in_phase(Phase::MaybeApplied)
    } else {
        failure.clone()
    }
}

/// Whether a node refused before it did anything, for a reason that passes, or because it is no primary any more. Code that the command
/// runs can choose the same code for its error.
pub(super) fn passes(error: &ServerError, runs_code: bool) -> bool {
    let passes = error.is_transient() || error.code() == "READONLY";
    passes && (!runs_code || error.is_in_words_of_servers())
}

/// The reply, as an error if it is one.
pub(super) fn error_of(reply: &[u8]) -> Option<ServerError> {
    let line = reply.strip_prefix(b"-")?;
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    Some(ServerError::new(&String::from_utf8_lossy(line)))
}

#[cold]
pub(super) fn no_node() -> Error {
    let text = "no known node of the cluster can carry it out";
    Error::new(ErrorKind::Cluster(text.into()), Phase::NotSent)
}

#[cold]
fn circle(path: &[Address]) -> Error {
    let path: Vec<String> = path.iter().map(Address::to_string).collect();
    let text = format!(
        "its nodes send the command from one to the other without end: {}",
        path.join(", ")
    );
    Error::new(ErrorKind::Cluster(text.into()), Phase::Refused)
}
