//! Reports for those who listen, also while nothing is read: [`keep_reporting`].
//!
//! In the other modes a server reports only what was read, and a read turns tracking on. Where it broadcasts, it reports whatever
//! is changed. So as long as somebody listens, a task turns tracking on wherever it is off, with a command that reads nothing.

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
        runtime::spawn(watch(Arc::downgrade(inner), shared.clone()));
    } else {
        shared.listeners.look_again();
    }
}

/// Turns tracking on wherever it is off, until the cache is gone.
async fn watch(inner: Weak<Inner>, shared: Arc<Shared>) {
    let (first, longest) = PAUSES;
    let mut pause = first;
    loop {
        let Some(reads) = inner.upgrade().map(|inner| enabling(&inner)) else {
            return;
        };
        let mut changed = pin!(shared.listeners.changed());
        let mut trial = pin!(try_all(reads, pause));
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

/// Ends when all are answered and the pause is over; never if there are none.
async fn try_all(mut reads: Vec<Arc<SharedRead>>, pause: Duration) {
    if reads.is_empty() {
        return std::future::pending().await;
    }
    poll_fn(|cx| {
        reads.retain(|read| read.poll(cx).is_pending());
        match reads.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    tokio::time::sleep(pause).await;
}
