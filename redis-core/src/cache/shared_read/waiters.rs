//! Those who wait for a read: [`Waiters`].

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::runtime::Lock;

/// Those who wait for a read. Most reads have one, who is woken by the queue of the socket itself; when a second comes, the
/// queue wakes a [`Group`].
#[derive(Default)]
pub(super) enum Waiters {
    #[default]
    Nobody,
    One(Waker),
    Several(Arc<Group>),
}

/// Several who wait for a read. It does not keep the read alive, so that a read for which nobody waits any more gives up its
/// place in the queue.
#[derive(Default)]
pub(super) struct Group(Lock<Vec<Waker>>);

impl Waiters {
    /// Adds one, and calls `poll` so that what it leaves a waker with wakes everybody. Whoever is alone has only a new waker.
    #[inline]
    pub(super) fn with<T>(
        &mut self,
        cx: &mut Context<'_>,
        is_alone: bool,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        match self {
            Self::One(known) if known.will_wake(cx.waker()) => {}
            Self::Nobody => *self = Self::One(cx.waker().clone()),
            Self::One(_) if is_alone => *self = Self::One(cx.waker().clone()),
            Self::One(_) | Self::Several(_) => {
                // This comes first: the reply may come at any time from now on.
                let all = Waker::from(self.join(cx.waker()));
                return poll(&mut Context::from_waker(&all));
            }
        }
        poll(cx)
    }

    /// Adds one to those who wait already.
    #[cold]
    fn join(&mut self, waker: &Waker) -> Arc<Group> {
        let group = match std::mem::take(self) {
            Self::Several(group) => group,
            Self::One(first) => Arc::new(Group(Lock::new(vec![first]))),
            Self::Nobody => Arc::default(),
        };
        group.add(waker);
        *self = Self::Several(group.clone());
        group
    }

    /// Wakes everybody.
    #[cold]
    pub(super) fn wake(self) {
        match self {
            Self::Nobody => {}
            Self::One(waker) => waker.wake(),
            Self::Several(group) => group.wake(),
        }
    }
}

impl Group {
    fn add(&self, waker: &Waker) {
        let mut waiters = self.0.lock();
        if !waiters.iter().any(|known| known.will_wake(waker)) {
            waiters.push(waker.clone());
        }
    }
}

impl Wake for Group {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiters = std::mem::take(&mut *self.0.lock());
        waiters.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Caller(AtomicUsize);

    impl Wake for Caller {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has a caller poll; returns the waker that was left.
    fn poll(waiters: &mut Waiters, caller: &Arc<Caller>, is_alone: bool) -> Waker {
        let waker = Waker::from(caller.clone());
        waiters.with(&mut Context::from_waker(&waker), is_alone, |cx| {
            cx.waker().clone()
        })
    }

    fn wakings(callers: &[Arc<Caller>]) -> Vec<usize> {
        let count = |caller: &Arc<Caller>| caller.0.load(Ordering::Relaxed);
        callers.iter().map(count).collect()
    }

    #[test]
    fn one_who_is_alone_is_woken_at_the_place_of_the_last_poll() {
        let (places, mut waiters) = ([(); 2].map(|()| Arc::default()), Waiters::default());
        for place in &places {
            poll(&mut waiters, place, true).wake();
        }
        assert_eq!(wakings(&places), [1, 1]);
        waiters.wake();
        assert_eq!(wakings(&places), [1, 2]);
    }

    #[test]
    fn all_are_woken_by_what_the_last_of_them_has_left() {
        let (callers, mut waiters) = ([(); 3].map(|()| Arc::default()), Waiters::default());
        poll(&mut waiters, &callers[0], true);
        poll(&mut waiters, &callers[1], false);
        poll(&mut waiters, &callers[2], false);
        let last = poll(&mut waiters, &callers[1], false);
        last.wake_by_ref();
        assert_eq!(wakings(&callers), [1, 1, 1]);
        // Nobody has polled since.
        last.wake();
        assert_eq!(wakings(&callers), [1, 1, 1]);
        poll(&mut waiters, &callers[0], false);
        waiters.wake();
        assert_eq!(wakings(&callers), [2, 1, 1]);
    }
}
