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
use crate::engine::inflight::{Due, Failure, Limit, Patience};
use crate::error::{
    ClusterCause, ClusterError, Error, ErrorKind, Obstacle, Phase, Result, ServerError,
};

/// How often something is sent from node to node; more counts as a circle.
const MOST_HOPS: usize = 16;
/// Redirects beyond this many are followed after a pause: nodes disagree for a moment while slots move.
const QUICK_HOPS: usize = 2;
/// After a refusal or loss, the map is asked for again; at most this often if there is no deadline.
const MOST_PAUSES: u32 = 1_000;

/// Pauses, and the deadline that they keep to.
#[derive(Debug, Default)]
pub(super) struct Detour {
    pub(super) due: Due,
    pause: Option<Pause>,
    pauses: u32,
    /// When the last pause was over.
    resumed: Option<Instant>,
    refused: Refused,
}

/// Why something was refused last that then was tried again.
#[derive(Debug, Default)]
pub(super) struct Refused(Option<Arc<Obstacle>>);

impl Refused {
    pub(super) fn note(&mut self, error: &ServerError) {
        self.0 = Some(Arc::new(Obstacle::Refused(error.clone())));
    }

    /// Adds this to a timeout for which no other reason is known.
    pub(super) fn explain(&self, failure: &mut Failure) {
        if let Failure::Timeout(_, obstacle @ None) = failure {
            obstacle.clone_from(&self.0);
        }
    }
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
            due: Due {
                at: deadline,
                ..Due::default()
            },
            ..Self::default()
        }
    }

    /// Begins a pause, unless there is no time for another attempt before the deadline, or the cluster was closed. Each is longer
    /// than the one before, until the deadline is near.
    pub(super) fn pause(&mut self, shared: &Shared, patience: Patience) -> bool {
        self.set_deadline(shared.config.command_timeout, patience);
        if shared.life.is_over() || (self.due.at.is_none() && self.pauses >= MOST_PAUSES) {
            return false;
        }
        let took = self.resumed.map_or(Duration::ZERO, |at| at.elapsed());
        let pause = shared
            .config
            .backoff
            .pause_until(self.due.at, self.pauses, took);
        let Some(pause) = pause else {
            return false;
        };
        self.pauses += 1;
        self.pause = Some(Pause {
            sleep: Box::pin(sleep(pause)),
            wait: shared.life.wait(),
        });
        true
    }

    /// Begins a pause, unless there is one. Returns whether it ends in time.
    pub(super) fn pause_too(&mut self, shared: &Shared, patience: Patience) -> bool {
        self.pause.is_some() || self.pause(shared, patience)
    }

    /// Why it was refused last.
    pub(super) fn refused(&mut self) -> &mut Refused {
        &mut self.refused
    }

    fn set_deadline(&mut self, usual: Option<Duration>, patience: Patience) {
        if self.due.at.is_none() {
            let limit = patience.limit(usual);
            self.due = Due::by(Limit::from(limit, Instant::now()), patience);
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
        self.resumed = Some(Instant::now());
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
        // The node that was asked has refused it.
        let nobody = || no_node().in_phase(Phase::Refused);
        let told = redirect.address(asked).ok_or_else(nobody)?;
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
            node: node.ok_or_else(nobody)?,
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

/// The error for the caller of a command that may have been lost on another link before.
pub(super) fn error_after_loss(error: Error, was_lost: bool) -> Error {
    if was_lost {
        error.in_phase(Phase::MaybeApplied)
    } else {
        error
    }
}

/// Whether a node refused before it did anything, for a reason that passes, or because it is no primary any more. Code that the command
/// runs can choose the same code for its error.
pub(super) fn passes(error: &ServerError, runs_code: bool) -> bool {
    let passes = error.is_transient() || error.code_of_reason() == "READONLY";
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
    let error = ClusterError::new(ClusterCause::NoNode, text);
    Error::new(ErrorKind::Cluster(error), Phase::NotSent)
}

#[cold]
fn circle(path: &[Address]) -> Error {
    let path: Vec<String> = path.iter().map(Address::to_string).collect();
    let text = format!(
        "its nodes send the command from one to the other without end: {}",
        path.join(", ")
    );
    let error = ClusterError::new(ClusterCause::Circle, text);
    Error::new(ErrorKind::Cluster(error), Phase::Refused)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::config::{Backoff, Config};

    /// When attempts begin that each take this long, with pauses of up to a second and a deadline of one and a half.
    async fn attempts(took: Duration) -> Vec<Duration> {
        let second = Duration::from_secs(1);
        let config = Config::tcp("seed", 1).backoff(Backoff {
            first: second,
            longest: second,
        });
        let shared = Shared::new(config, None);
        let begun = Instant::now();
        let mut detour = Detour::until(Some(begun + second * 3 / 2));
        let mut all = Vec::new();
        while detour.pause(&shared, Patience::Default) {
            poll_fn(|cx| detour.poll_pause(cx)).await;
            all.push(begun.elapsed());
            sleep(took).await;
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_tried_again_until_its_deadline() {
        let ms = Duration::from_millis;
        for (took, last) in [(0, 1_480..1_500), (40, 1_300..1_460)] {
            let all = attempts(ms(took)).await;
            let found = all.last().unwrap();
            assert!((ms(last.start)..=ms(last.end)).contains(found), "{all:?}");
        }
    }
}
