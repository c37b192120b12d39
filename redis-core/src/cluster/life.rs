//! How far the life of a cluster's handles has come, and what is on its way on no link: [`Life`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::sync::Notify;

use crate::engine::inflight::Failure;
use crate::error::Phase;
use crate::runtime::Lock;

/// The life of a cluster's handles.
#[derive(Debug, Default)]
pub(super) struct Life {
    stage: AtomicU8,
    /// Those who wait for something else than a reply.
    waits: Lock<Slab<Waker>>,
    over: Notify,
    /// Whether a task waits until everything is answered.
    is_finishing: AtomicBool,
}

/// The stages of the end, in their order; the first one, 0, in which everything is accepted, has no name. A stage is never left for
/// an earlier one.
#[repr(u8)]
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Only what is on its way goes on.
    Closing = 1,
    Closed,
    /// The tasks have ended, with their runtime or because there is no handle any more.
    Abandoned,
}

/// The wait of something that is on its way for a pause to end, or for the first map. The end of the cluster ends it too.
#[derive(Debug)]
pub(super) struct Wait {
    life: Arc<Life>,
    key: usize,
}

impl Life {
    fn reached(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Acquire) >= stage as u8
    }

    fn reach(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// Nothing new is accepted from now on.
    pub(super) fn begin_to_close(&self) {
        self.reach(Stage::Closing);
    }

    /// Nothing goes on from now on.
    pub(super) fn close(&self) {
        self.reach(Stage::Closed);
        self.end();
    }

    /// The tasks of the cluster have ended, or there is no handle any more.
    pub(super) fn abandon(&self) {
        self.reach(if self.is_over() {
            Stage::Closed
        } else {
            Stage::Abandoned
        });
        self.end();
    }

    fn end(&self) {
        self.over.notify_waiters();
        self.wake();
    }

    /// Whether nothing new is accepted.
    pub(super) fn is_closing(&self) -> bool {
        self.reached(Stage::Closing)
    }

    /// Whether nothing goes on any more.
    pub(super) fn is_over(&self) -> bool {
        self.reached(Stage::Closed)
    }

    /// Whether a failure is the end of something, because the cluster was closed; otherwise another node may be asked. What was on its
    /// way before goes on for longer.
    pub(super) fn is_end(&self, failure: &Failure, is_onward: bool) -> bool {
        let ends = self.is_over() || (self.is_closing() && !is_onward);
        ends && matches!(failure, Failure::Closed(_))
    }

    /// Why nothing new is accepted, if that is so.
    pub(super) fn refusal(&self) -> Option<Failure> {
        self.is_closing().then(|| self.why())
    }

    /// Why nothing goes on any more, if that is so.
    pub(super) fn end_of_all(&self) -> Option<Failure> {
        self.is_over().then(|| self.why())
    }

    fn why(&self) -> Failure {
        match self.reached(Stage::Abandoned) {
            true => Failure::Abandoned(Phase::NotSent),
            false => Failure::Closed(Phase::NotSent),
        }
    }

    /// Notes that a task waits until everything is answered; `false` if there is one already.
    pub(super) fn begins_to_finish(&self) -> bool {
        !self.is_finishing.swap(true, Ordering::AcqRel)
    }

    /// A wait begins.
    pub(super) fn wait(self: &Arc<Self>) -> Wait {
        let key = self.waits.lock().insert(Waker::noop().clone());
        Wait {
            life: self.clone(),
            key,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waits.lock().len()
    }

    /// Has all who wait look again.
    pub(super) fn wake(&self) {
        let waits = self.waits.lock();
        let woken: Vec<Waker> = waits.iter().map(|(_, waker)| waker.clone()).collect();
        drop(waits);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits for the end.
    pub(super) async fn until_over(&self) {
        let mut over = pin!(self.over.notified());
        // From here on it is not missed.
        over.as_mut().enable();
        if !self.is_over() {
            over.await;
        }
    }

    /// Does some work, unless the end comes first.
    pub(super) async fn unless_over<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (mut over, mut work) = (pin!(self.until_over()), pin!(work));
        poll_fn(|cx| match over.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await
    }
}

impl Wait {
    /// Whether the end has come. If not, this task is woken when there may be news.
    pub(super) fn is_over(&self, cx: &Context<'_>) -> bool {
        if let Some(waker) = self.life.waits.lock().get_mut(self.key)
            && !waker.will_wake(cx.waker())
        {
            *waker = cx.waker().clone();
        }
        // After the waker was left, so that the end is not missed.
        self.life.is_over()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.life.waits.lock().try_remove(self.key);
    }
}
