//! Which reads that are on their way others may join.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::runtime::Handle;

use super::wanted::Wanted;
use super::{Running, SharedRead, State};
use crate::cache::clock::milliseconds;
use crate::command::Args;

impl SharedRead {
    /// Ends it if it is answered: those who wait for it may not look for long, and what it has brought is as good as what is
    /// kept, but not better. Returns whether it is over, so that its reply is kept if it is anywhere.
    pub(in crate::cache) fn end_if_answered(self: &Arc<Self>) -> bool {
        match &*self.state.lock() {
            State::Running(Running { exchange, .. }) if !exchange.has_outcome() => return false,
            State::Running(_) | State::Over(..) | State::Changing => {}
        }
        // If it has to be sent again after a pause, it needs the timers of a runtime.
        Handle::try_current().is_ok()
            && self
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
    }

    /// The part that answers this command, whose key is at this place, if it is asked for now; `None` if there is none.
    pub(in crate::cache) fn part_for(
        &self,
        command: &[u8],
        key: &Range<usize>,
        id: u64,
    ) -> Option<usize> {
        if !self.is_joint {
            return None;
        }
        let mut parts = self.wanted.parts().iter();
        let place = parts.position(|part| part.id == id)?;
        let part = self.wanted.parts().get(place)?;
        let is_current =
            self.shared()
                .is_unchanged(&part.stamp, self.source.standing.epoch(), part.subject);
        let asks = |args: &Args| match &self.wanted {
            Wanted::Whole(_) => args.cacheable().is_some_and(|(bytes, _)| bytes == command),
            Wanted::Each(_) => {
                let asked = nth_key(args, place);
                command.starts_with(args.info().header)
                    && command.get(key.clone()) == asked.as_deref()
            }
        };
        let asks = match &*self.state.lock() {
            State::Running(Running { exchange, read, .. }) => {
                !exchange.has_outcome() && !exchange.is_late() && asks(&read.args)
            }
            State::Over(..) | State::Changing => false,
        };
        (is_current && asks && self.is_recent()).then_some(place)
    }

    /// Whether a reply that was kept when it began would still be served: who joins it gets nothing older.
    fn is_recent(&self) -> bool {
        let shared = self.shared();
        let is_over = |began: u64| {
            let ttl = shared.settings.ttl.map(milliseconds);
            ttl.is_some_and(|ttl| shared.clock.milliseconds() >= began.saturating_add(ttl))
        };
        shared.is_recent(self.began) && !self.ttl_begins.is_some_and(is_over)
    }
}

fn nth_key(args: &Args, place: usize) -> Option<Vec<u8>> {
    let (mut number, mut found) = (0, None);
    args.each_key(|key| {
        if number == place {
            found = Some(key.to_vec());
        }
        number += 1;
    });
    found
}
