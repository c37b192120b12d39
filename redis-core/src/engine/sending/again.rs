//! A sending whose payload is sent once more: at once, after a pause, or on another link.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{Sending, Slow, State};
use crate::engine::inflight::{Again, Due, Failure, Parts};
use crate::engine::link::Link;
use crate::error::Obstacle;
use crate::reply::Frame;
use crate::wire::Chunk;

impl<L: Deref<Target = Link>> Sending<L> {
    /// Sends the payload once more, as it is now: because of `parts`, by their deadline.
    pub(crate) fn send_again(&mut self, parts: &mut Parts) {
        let slow = self.slow();
        (slow.due, slow.again) = (parts.due, None);
        // It was accepted before.
        (slow.held, slow.is_onward) = (parts.held.take(), true);
        self.state = State::Fresh;
    }

    /// Queues the payload again, as if for the first time. What happened to it before is not forgotten.
    #[cold]
    pub(crate) fn start_again(&mut self) {
        if let Some(slow) = &mut self.slow {
            **slow = Slow {
                was_lost: slow.was_lost,
                is_onward: slow.is_onward,
                is_own: slow.is_own,
                ..Slow::default()
            };
        }
        self.state = State::Fresh;
    }

    /// Sends `again` in place of the payload after a pause, which grows each time: because of `parts`. Returns whether there is
    /// time for that before the deadline.
    pub(crate) fn send_later(&mut self, again: Box<Again>, parts: &mut Parts) -> bool {
        let (backoff, due) = (self.link.config.backoff, parts.due);
        let slow = self.slow();
        (slow.due, slow.again) = (due, Some(again));
        let took = slow.resumed.map_or(Duration::ZERO, |at| at.elapsed());
        let pause = backoff.pause_until(due.at, slow.refusals, took);
        let Some(pause) = pause else {
            return false;
        };
        slow.refusals += 1;
        (slow.held, slow.is_onward) = (parts.held.take(), true);
        slow.timer = Some(Box::pin(sleep(pause)));
        self.state = State::Pausing;
        true
    }

    /// Has it go on over another link: `again`, or the payload itself.
    pub(crate) fn go_to(&mut self, link: L, again: Option<Box<Again>>, due: Due) {
        self.link = link;
        self.state = State::Fresh;
        let slow = self.slow();
        (slow.due, slow.again) = (due, again);
        slow.is_onward = true;
    }

    /// Takes back what was to be sent in place of the payload, and was refused.
    pub(crate) fn take_again(&mut self) -> Option<Box<Again>> {
        self.slow.as_mut()?.again.take()
    }

    /// Notes for which reason, which passes, the server refused it.
    pub(crate) fn note_refusal(&mut self, replies: &[Chunk]) {
        let refusal = replies.first().cloned().map(Frame::from_scanned);
        let error = refusal.and_then(|refusal| refusal.reply().error());
        self.slow().refused = error.map(|error| Arc::new(Obstacle::Refused(error)));
    }

    /// Adds the earlier refusal to a timeout for which no other reason is known.
    pub(crate) fn add_refusal(&mut self, failure: &mut Failure) {
        if let Failure::Timeout(_, obstacle @ None) = failure
            && let Some(slow) = &mut self.slow
        {
            *obstacle = slow.refused.take();
        }
    }
}
