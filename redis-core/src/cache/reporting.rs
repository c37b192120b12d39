//! Reports for those who listen, also while nothing is read: [`keep_reporting`].
//!
//! In the other modes a server reports only what was read, and a read turns tracking on. Where it broadcasts, it reports whatever
//! is changed. As long as somebody listens, a task turns tracking on for each server that does not report. It sends a command
//! that reads nothing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

use super::changes::{KeyHash, Subject};
use super::inner::Inner;
use super::origin::Place;
use super::shared::Shared;
use super::shared_read::{SharedRead, SharedReads};
use super::source::Source;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::runtime;

static PING: CommandInfo = command_info!("PING").readonly();

/// The first pause before tracking is turned on once more, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Makes sure that all servers report from soon on, and again after a loss, if they broadcast.
pub(super) fn keep_reporting(inner: &Arc<Inner>) {
    let shared = &inner.shared;
    if shared.settings.reports_in_order() || Handle::try_current().is_err() {
        return;
    }
    if shared.listeners.begin_watch() {
        runtime::spawn(watch(Arc::downgrade(inner), Watching(shared.clone())));
    } else {
        shared.listeners.look_again();
    }
}

/// Says that a [`watch`] is running. When it ends, or its runtime, the next listener can start another one.
struct Watching(Arc<Shared>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.listeners.end_watch();
    }
}

/// Turns tracking on wherever it is off, until the cache is gone.
async fn watch(inner: Weak<Inner>, watching: Watching) {
    let (first, longest) = PAUSES;
    let listeners = &watching.0.listeners;
    let mut pause = first;
    loop {
        let Some((reads, rest)) = inner.upgrade().map(|inner| next_look(&inner, pause)) else {
            return;
        };
        let mut changed = pin!(listeners.changed());
        let mut trial = pin!(try_all(reads, rest));
        let is_changed = poll_fn(|cx| match changed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => trial.as_mut().poll(cx).map(|()| false),
        });
        pause = match is_changed.await {
            true => first,
            false => longest.min(pause * 2),
        };
    }
}

/// What is to be sent now, and how long nothing is done after it; `None` until something changes.
fn next_look(inner: &Inner, pause: Duration) -> (Vec<Arc<SharedRead>>, Option<Duration>) {
    let reads = enabling(inner);
    let rest = match reads.is_empty() {
        false => Some(pause),
        // Nobody tells of a node that is new in the map.
        true if inner.sources.have_slots() && inner.shared.listeners.are_there() => Some(PAUSES.1),
        true => None,
    };
    (reads, rest)
}

/// A command for each socket whose server does not report yet, and may be told to.
fn enabling(inner: &Inner) -> Vec<Arc<SharedRead>> {
    let mut reads = Vec::new();
    if inner.shared.listeners.are_there() {
        inner.sources.each_now(|source| {
            if source.may_begin() {
                reads.push(ping(&inner.reads, source));
            }
        });
    }
    reads
}

fn ping(reads: &Arc<SharedReads>, source: &Arc<Source>) -> Arc<SharedRead> {
    let nothing = KeyHash(0);
    let subject = Subject {
        key: nothing,
        slot: None,
    };
    let source = source.clone();
    let args = Args::lease(&PING, Keys::Ignored);
    SharedRead::whole(reads, Place { source, subject }, nothing.0, args)
}

/// Ends when all are answered and the rest is over.
async fn try_all(mut reads: Vec<Arc<SharedRead>>, rest: Option<Duration>) {
    poll_fn(|cx| {
        reads.retain(|read| read.poll(cx).is_pending());
        match reads.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    match rest {
        Some(rest) => tokio::time::sleep(rest).await,
        None => std::future::pending().await,
    }
}
