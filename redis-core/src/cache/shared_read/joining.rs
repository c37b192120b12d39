//! Which reads that are on their way others may join.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use tokio::runtime::Handle;

use super::wanted::{Part, Wanted};
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

    /// Whether this part of it answers this command, if it is asked for now.
    pub(in crate::cache) fn answers(&self, command: &[u8], part: usize) -> bool {
        let is_current = self.is_unchanged(part);
        let Some(part) = self.wanted.parts().get(part) else {
            return false;
        };
        let asks = match &*self.state.lock() {
            State::Running(Running { exchange, read, .. }) => {
                let is_open = !exchange.has_outcome() && !exchange.is_late();
                is_open && self.asks(&read.args, command, part)
            }
            State::Over(..) | State::Changing => false,
        };
        let answers = self.is_joint && is_current && asks && self.is_recent();
        if answers {
            self.was_joined.store(true, Ordering::Relaxed);
        }
        answers
    }

    /// Whether no change of what this part of it is about has been reported since it began.
    pub(in crate::cache) fn is_unchanged(&self, part: usize) -> bool {
        let epoch = self.source.standing.epoch();
        let parts = self.wanted.parts();
        parts
            .get(part)
            .is_some_and(|part| self.shared().is_unchanged(&part.stamp, epoch, part.subject))
    }

    /// Whether a part of what these arguments ask for is what this command asks for. The hashes are the same.
    fn asks(&self, args: &Args, command: &[u8], part: &Part) -> bool {
        match &self.wanted {
            Wanted::Nothing => false,
            Wanted::Whole(_) => args.cacheable().is_some_and(|(bytes, _)| bytes == command),
            Wanted::Each(_) => {
                let key = command.strip_prefix(args.info().header);
                let words = args.encoded_words().get(part.word..).unwrap_or_default();
                key.is_some_and(|key| words.starts_with(key))
            }
        }
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
