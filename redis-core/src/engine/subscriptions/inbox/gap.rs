//! What happened between two messages: [`Gap`].

use std::collections::VecDeque;

use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::message::{Event, Interruption};
use crate::error::Result;

/// Where messages are missing.
#[derive(Debug, Default)]
pub(super) struct Gap {
    lagged: u64,
    /// Beside the count, in the order in which it happened; mostly nothing, and then without memory of its own.
    told: Option<Box<Told>>,
}

#[derive(Debug, Default)]
struct Told(VecDeque<Change>);

/// How a subscription fared.
#[derive(Debug)]
enum Change {
    Resubscribed,
    Interrupted(Interruption),
    /// One of several sources failed, while the others go on.
    Failed(Cause),
}

impl Gap {
    pub(super) fn resubscribed(&mut self) {
        self.tell(Change::Resubscribed);
    }

    pub(super) fn interrupted(&mut self, interruption: Interruption) {
        self.tell(Change::Interrupted(interruption));
    }

    pub(super) fn failed(&mut self, cause: Cause) {
        self.tell(Change::Failed(cause));
    }

    /// Each change stands once, where it happened last: so there are at most as many as sources, and one. A source that
    /// failed is none any more.
    fn tell(&mut self, change: Change) {
        let told = self.told.get_or_insert_default();
        told.0.retain(|known| !known.is_of(&change));
        told.0.push_back(change);
    }

    /// The message before this gap was dropped, and what had happened before that.
    pub(super) fn widen(&mut self, before: Self) {
        self.lagged += before.lagged + 1;
        let later = std::mem::replace(&mut self.told, before.told);
        for change in later.into_iter().flat_map(|told| told.0) {
            self.tell(change);
        }
    }

    /// Whether there is nothing to tell.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.lagged == 0 && self.told.is_none()
    }

    /// What is to be told next.
    #[cold]
    pub(super) fn next<T>(&mut self) -> Option<Result<Event<T>>> {
        if self.lagged > 0 {
            return Some(Ok(Event::Lagged(std::mem::take(&mut self.lagged))));
        }
        let change = self.told.as_mut()?.0.pop_front();
        if change.is_none() {
            self.told = None;
        }
        Some(match change? {
            Change::Resubscribed => Ok(Event::Resubscribed),
            Change::Interrupted(interruption) => Ok(Event::Interrupted(interruption)),
            Change::Failed(cause) => Err(cause.into()),
        })
    }
}

impl Change {
    fn is_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Resubscribed, Self::Resubscribed) => true,
            (Self::Interrupted(one), Self::Interrupted(two)) => one.source() == two.source(),
            _ => false,
        }
    }
}
