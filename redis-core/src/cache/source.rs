//! A socket whose server reports changes: [`Source`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
#[cfg(any(test, feature = "planted"))]
use std::sync::PoisonError;
use std::task::Waker;

use bytes::Bytes;

use super::reporter::Reporter;
use super::shared::Shared;
use super::standing::{Present, Standing, Tracking};
use crate::config::Protocol;
use crate::engine::link::Link;
use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::invalidation::{Invalidates, Invalidation};
use crate::error::{Error, Result};
use crate::runtime;
use crate::runtime::planted::Planted;

/// A connection whose reads are kept; it hears what its server reports.
pub(super) struct Source {
    pub(super) link: Arc<Link>,
    pub(super) standing: Arc<Standing>,
    /// The place of the standing, by which replies name it.
    pub(super) place: u16,
    pub(super) shared: Arc<Shared>,
    reporter: Reporter,
    lane: Lane,
    /// A report that is applied when the next one comes, if reports are to be late.
    #[cfg(any(test, feature = "planted"))]
    held: std::sync::Mutex<Option<Invalidation>>,
}

/// Which of the sockets to one server it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane {
    pub(super) number: usize,
    pub(super) count: usize,
}

impl Lane {
    /// The only one.
    pub(super) const ONLY: Self = Self {
        number: 0,
        count: 1,
    };
}

impl Source {
    /// # Errors
    /// The cache has too many connections.
    pub(super) fn new(link: Arc<Link>, shared: Arc<Shared>, lane: Lane) -> Result<Self> {
        let enlisted = shared.enlist();
        let (place, standing) = enlisted.ok_or_else(|| too_many(&link))?;
        Ok(Self {
            link,
            standing,
            place,
            shared,
            reporter: Reporter::default(),
            lane,
            #[cfg(any(test, feature = "planted"))]
            held: std::sync::Mutex::default(),
        })
    }

    #[inline]
    pub(super) fn present(&self) -> Present {
        self.standing.present()
    }

    /// Whether its socket speaks RESP2, so that reports have to come on another one.
    pub(super) fn needs_reporter(&self) -> bool {
        let link = &self.link;
        link.config.protocol == Protocol::Resp2 || (!link.speaks_resp3() && link.load().1)
    }

    /// Whether its server does not report changes, and may be told to: not once the link takes nothing new.
    pub(super) fn may_begin(&self) -> bool {
        let tracking = self.present().tracking;
        matches!(tracking, Tracking::Off | Tracking::Beginning) && !self.link.is_closing()
    }

    /// What those who listen are told of a report. Where the server broadcasts, the same comes on all lanes of a pool: each tells of
    /// the keys that are read over it.
    fn told<'r>(&self, report: &'r Invalidation) -> Option<Cow<'r, Invalidation>> {
        let Lane { number, count } = self.lane;
        let Invalidation::Keys(keys) = report else {
            return Some(Cow::Borrowed(report));
        };
        if count <= 1 || self.shared.settings.reports_in_order() {
            return Some(Cow::Borrowed(report));
        }
        let own = |key: &&Bytes| self.shared.changes.hash(key).lane(count) == number;
        let keys: Vec<_> = keys.iter().filter(own).cloned().collect();
        (!keys.is_empty()).then_some(Cow::Owned(Invalidation::Keys(keys)))
    }

    /// Whether its server reports changes.
    pub(super) fn is_tracked(&self) -> bool {
        self.present().tracking == Tracking::On
    }

    /// The client that reports are to be sent to, if it is known in this epoch.
    pub(super) fn reporter(&self, epoch: u32) -> Option<u64> {
        self.reporter.client(epoch)
    }

    /// Makes sure, in a task of its own, that the server has a client to send reports to, and that it is alive.
    pub(super) fn ask_for_reporter(self: &Arc<Self>) {
        if let Some(asking) = self.reporter.may_ask() {
            let source = self.clone();
            // The runtime of the first reader may end before the connection does, and the socket for reports has to live as long.
            runtime::spawn_on(self.link.hub().runtime(), async move {
                let (config, now) = (&source.link.config, source.shared.clock.moment());
                let reporter = &source.reporter;
                let asked = reporter.ask(asking, config, source.clone(), &source.standing, now);
                asked.await;
            });
        }
    }

    /// No reports are needed any more.
    pub(super) fn close(&self) {
        self.reporter.close();
    }

    /// Whether the server was heard of late.
    pub(super) fn was_heard(&self) -> bool {
        self.shared.is_heard(&self.standing)
    }

    /// Nothing that was or will be read over it is served any more.
    pub(super) fn disown(&self) {
        self.shared.disown(&self.standing);
    }

    /// Forgets what was read over it.
    pub(super) fn forget(&self, tracking: impl Fn(Tracking) -> Tracking) {
        self.shared.forget(&self.standing, tracking);
    }
}

#[cfg(any(test, feature = "planted"))]
impl Source {
    /// The report to apply now: the one before this one, if reports are to be late.
    fn hold(&self, invalidation: &Invalidation) -> Option<Invalidation> {
        let this = Some(invalidation.clone());
        let is_late = Planted::LateReport.is_here();
        #[cfg(test)]
        let is_late = is_late || self.shared.settings.reports_late;
        if is_late {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, this)
        } else {
            this
        }
    }
}

impl Invalidates for Source {
    fn invalidate(&self, invalidation: &Invalidation, woken: &mut Vec<Waker>) {
        #[cfg(any(test, feature = "planted"))]
        let held = self.hold(invalidation);
        #[cfg(any(test, feature = "planted"))]
        let Some(invalidation) = held.as_ref() else {
            return;
        };
        // That a report is read now does not say when it was sent: it may have waited here while the process slept.
        match invalidation {
            Invalidation::Keys(keys) => keys.iter().for_each(|key| self.shared.changed(key)),
            Invalidation::All => self.forget(|tracking| tracking),
        }
        if let Some(told) = self.told(invalidation) {
            self.shared.tell(&told, woken);
        }
    }

    fn lost(&self, woken: &mut Vec<Waker>) {
        if Planted::KeptAfterLoss.is_here() {
            return;
        }
        self.forget(|_| Tracking::Off);
        self.shared.tell(&Invalidation::All, woken);
        self.shared.listeners.look_again();
    }

    fn end(&self, _: Cause, woken: &mut Vec<Waker>) {
        self.lost(woken);
    }

    /// Where the server broadcasts, those who listen are told of everything, though nothing is read.
    fn keeps_awake(&self) -> bool {
        let broadcasts = !self.shared.settings.reports_in_order();
        broadcasts && self.is_tracked() && self.shared.listeners.are_there()
    }
}

/// There is no place for one more.
#[cold]
fn too_many(link: &Link) -> Error {
    Error::usage(match link.config.routed {
        true => "the cluster has more primaries than a cache can listen to",
        false => "the cache has too many connections; give the handle fewer lanes",
    })
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shared.strike(self.place);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("present", &self.present())
            .finish_non_exhaustive()
    }
}
