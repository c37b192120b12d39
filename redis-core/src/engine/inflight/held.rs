//! What keeps a link from ending in good order though nothing is queued on it: [`Held`].

use std::sync::Arc;
use std::task::Waker;

use crate::runtime::Lock;

/// Keeps a link that was told to end once everything is answered, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    holds: Holds,
    is_call: bool,
}

/// Counts what keeps a link.
#[derive(Debug, Default, Clone)]
pub(super) struct Holds(Arc<Lock<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    all: usize,
    /// Those of callers who wait for a reply.
    calls: usize,
    /// The driver, if the link was told to end: it waits for the last one to go.
    driver: Option<Waker>,
}

impl Holds {
    /// For a call that is sent once more, and is neither queued nor answered until then.
    pub(super) fn hold_for_call(&self) -> Held {
        self.hold(true)
    }

    /// For something that may be sent later.
    pub(super) fn hold_for_later(&self) -> Held {
        self.hold(false)
    }

    fn hold(&self, is_call: bool) -> Held {
        let mut counted = self.0.lock();
        counted.all += 1;
        counted.calls += usize::from(is_call);
        drop(counted);
        Held {
            holds: self.clone(),
            is_call,
        }
    }

    /// Whether something keeps the link.
    pub(super) fn any(&self) -> bool {
        self.0.lock().all > 0
    }

    /// The same. The driver is woken when nothing keeps the link any more, also if it is kept only after this look.
    pub(super) fn any_until(&self, driver: &Waker) -> bool {
        let mut counted = self.0.lock();
        counted.driver = Some(driver.clone());
        counted.all > 0
    }

    /// How many calls keep the link.
    pub(super) fn calls(&self) -> usize {
        self.0.lock().calls
    }
}

/// Both keep it.
impl Clone for Held {
    fn clone(&self) -> Self {
        self.holds.hold(self.is_call)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counted = self.holds.0.lock();
        counted.all = counted.all.saturating_sub(1);
        counted.calls = counted.calls.saturating_sub(usize::from(self.is_call));
        let driver = match counted.all {
            0 => counted.driver.take(),
            _ => None,
        };
        drop(counted);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
