//! Reports for those who listen, also while nothing is read: [`keep_reporting`].
//!
//! In the other modes a server reports only what was read, and a read turns tracking on. Where it broadcasts, it reports whatever
//! is changed. As long as somebody listens, a task turns tracking on for each server that does not report. It sends a command
//! that reads nothing.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::inner::Inner;
use super::shared::Shared;
use super::shared_read::{SharedRead, SharedReads};
use super::source::Source;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::runtime;

static PING: CommandInfo = command_info!("PING").readonly();

/// The first pause before tracking is turned on once more.
const FIRST: Duration = Duration::from_millis(10);
/// The longest one. A server that does not answer holds up no other for longer either.
const LONGEST: Duration = Duration::from_secs(1);

/// Makes sure that all servers report from soon on, and again after a loss, if they broadcast.
pub(super) fn keep_reporting(inner: &Arc<Inner>) {
    let shared = &inner.shared;
    if shared.settings.reports_in_order() {
        return;
    }
    if !shared.listeners.begin_watch() {
        return shared.listeners.look_again();
    }
    // The runtime of the first listener may end before the connections do.
    if let Some(runtime) = inner.sources.runtime() {
        runtime::spawn_on(runtime, watch(Arc::downgrade(inner), shared.clone()));
    }
}

/// Turns tracking on wherever it is off, until the cache is gone.
async fn watch(inner: Weak<Inner>, shared: Arc<Shared>) {
    let (mut trials, mut pause, mut is_again) = (Trials::default(), FIRST, false);
    loop {
        let Some(rest) = inner
            .upgrade()
            .map(|inner| trials.look(&inner, is_again, pause))
        else {
            return;
        };
        let mut changed = pin!(shared.listeners.changed());
        let mut rest = pin!(trials.rest(rest));
        let is_changed = poll_fn(|cx| match changed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => rest.as_mut().poll(cx).map(|()| false),
        });
        is_again = !is_changed.await;
        pause = match is_again {
            true => LONGEST.min(pause * 2),
            false => FIRST,
        };
    }
}

/// The commands on their way that turn tracking on.
#[derive(Default)]
struct Trials(Vec<Trial>);

/// One for a socket whose server does not report yet, and may be told to.
struct Trial {
    source: Arc<Source>,
    /// That of the socket when it began: it says nothing about a later one.
    epoch: u32,
    read: Arc<SharedRead>,
}

impl Trial {
    fn begin(reads: &Arc<SharedReads>, source: &Arc<Source>) -> Self {
        // Before the read looks for it: if that is a later one, another trial is begun.
        let epoch = source.present().epoch;
        Self {
            source: source.clone(),
            epoch,
            read: ping(reads, source),
        }
    }

    /// Whether it goes on for this socket.
    fn is_for(&self, source: &Arc<Source>) -> bool {
        Arc::ptr_eq(&self.source, source) && self.epoch == source.present().epoch
    }
}

impl Trials {
    /// Begins one for each socket that needs it and has none; those that are not needed any more end. Returns how long nothing is
    /// done when all are answered; `None` until something changes.
    fn look(&mut self, inner: &Inner, is_again: bool, pause: Duration) -> Option<Duration> {
        let mut before = std::mem::take(&mut self.0);
        if !inner.shared.listeners.are_there() {
            return None;
        }
        let sources = &inner.sources;
        let mut are_there = false;
        sources.each_now(|source| {
            are_there = true;
            if source.may_begin() {
                let known = before.iter().position(|trial| trial.is_for(source));
                let known = known.map(|place| before.swap_remove(place));
                let trial = known.unwrap_or_else(|| Trial::begin(&inner.reads, source));
                self.0.push(trial);
            }
        });
        // There is no map yet, or a node of it may have failed: another one may report what it did.
        if !are_there || (is_again && !self.0.is_empty()) {
            sources.want_map();
        }
        match self.0.is_empty() {
            false => Some(pause),
            // Nobody tells of a node that is new in the map.
            true if sources.have_slots() => Some(LONGEST),
            true => None,
        }
    }

    /// Ends when all are answered and the rest is over, or when that takes too long.
    async fn rest(&mut self, rest: Option<Duration>) {
        let Some(rest) = rest else {
            return pending().await;
        };
        let answered = poll_fn(|cx| {
            self.0.retain(|trial| trial.read.poll(cx).is_pending());
            match self.0.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let rest = async {
            answered.await;
            sleep(rest).await;
        };
        // What is not answered by then goes on.
        let _ = timeout(LONGEST, rest).await;
    }
}

fn ping(reads: &Arc<SharedReads>, source: &Arc<Source>) -> Arc<SharedRead> {
    SharedRead::own(reads, source.clone(), Args::lease(&PING, Keys::Ignored))
}
