//! Those who wait for a read: [`Waiters`].

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::runtime::Lock;

/// Those who wait for a read: what the queue of the socket wakes. It does not keep the read alive, so that a read for which
/// nobody waits any more gives up its place in the queue.
#[derive(Default)]
pub(super) struct Waiters(Lock<Vec<Waker>>);

impl Waiters {
    pub(super) fn add(&self, waker: &Waker) {
        let mut waiters = self.0.lock();
        if !waiters.iter().any(|known| known.will_wake(waker)) {
            waiters.push(waker.clone());
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiters = std::mem::take(&mut *self.0.lock());
        waiters.into_iter().for_each(Waker::wake);
    }
}
