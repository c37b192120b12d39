//! What is kept, and the rule which of it is current: [`Shared`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use bytes::Bytes;

use super::bounds::Bounds;
use super::changes::{Changes, Counted, KeyHash, Subject};
use super::clock::{Clock, Moment};
use super::counts::Counts;
use super::dropped::Listeners;
use super::settings::Cache;
use super::standing::{Standing, Tracking};
use super::standings::Standings;
use super::store::{self, CommandRef, Entry, Stamp, Store};
use crate::command::Args;
use crate::engine::subscriptions::invalidation::Invalidation;

/// Replies that are kept, for all clones of a caching handle.
///
/// A kept reply is served as long as its [`Stamp`] is current: the epoch is still that of the socket, and no key was
/// changed since before the command was sent. Whoever learns of a change counts it first, and then removes the replies about
/// that key alone; this is only for the memory. Others are removed when they are found to be old.
pub(super) struct Shared {
    pub(super) settings: Cache,
    pub(super) changes: Changes,
    pub(super) store: Store,
    pub(super) counts: Counts,
    pub(super) listeners: Listeners,
    epochs: AtomicU32,
    pub(super) clock: Clock,
    /// The settings' `max_unheard`, as a distance of moments; `None` if it is too short for that.
    max_unheard: Option<u64>,
    standings: Standings,
}

impl Shared {
    /// `have_slots` says whether it is for a cluster, `most` how many sockets there may be at once.
    pub(super) fn new(settings: Cache, have_slots: bool, most: u16) -> Self {
        Self {
            changes: Changes::new(settings.max_bytes, have_slots),
            store: Store::new(settings.max_bytes, settings.max_reply_bytes, store::cores()),
            counts: Counts::default(),
            listeners: Listeners::default(),
            epochs: AtomicU32::new(0),
            clock: Clock::new(),
            max_unheard: Moment::distance(settings.max_unheard),
            standings: Standings::new(most),
            settings,
        }
    }

    /// An epoch that no socket has had.
    fn next_epoch(&self) -> u32 {
        self.epochs.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// The place and the standing of one more socket; `None` if there are too many.
    pub(super) fn enlist(&self) -> Option<(u16, Arc<Standing>)> {
        self.standings.take(self.next_epoch())
    }

    /// The socket of this place has gone.
    pub(super) fn strike(&self, place: u16) {
        self.standings.give_back(place);
    }

    // ---- what is current ----

    /// The reply to a command whose first key has this hash, if it is kept and current.
    #[inline(always)]
    pub(super) fn find(&self, key: KeyHash, command: &CommandRef<'_>) -> Option<Entry> {
        let found = self.store.get(command);
        let is_served = |entry: &Entry| self.serves(key, &entry.stamp, entry.bounds);
        if found.as_ref().is_some_and(is_served) {
            found
        } else {
            None
        }
    }

    /// Removes the reply to a command that was looked for in vain, if it is there and out of date: when the change of a key is
    /// reported, only the replies about that key alone are removed.
    pub(super) fn drop_old(
        &self,
        command: &[u8],
        key: &Range<usize>,
        epoch: u32,
        subject: Subject,
    ) {
        let Some(hashes) = self.changes.hashes(command, key) else {
            return;
        };
        if hashes.command == hashes.key.into() {
            return;
        }
        let command = CommandRef {
            bytes: command,
            hash: hashes.command,
        };
        let is_old = |entry: &Entry| !self.is_unchanged(&entry.stamp, epoch, subject);
        let removed = self.store.remove_if(&command, is_old);
        if removed.is_some_and(|stamp| stamp.epoch == epoch) {
            self.counts.invalidated(1);
        }
    }

    /// Whether a reply about this key, with this stamp and these bounds, may be served.
    #[inline(always)]
    pub(super) fn serves(&self, key: KeyHash, stamp: &Stamp, bounds: Bounds) -> bool {
        let Some(standing) = self.standings.at(bounds.place()) else {
            return false;
        };
        let slot = Some(bounds.slot());
        // The epoch comes last: only if it has not changed, the rest was about this socket.
        self.is_heard(standing)
            && self.changes.count_of(Subject { key, slot }) == stamp.count
            && self.are_unchanged(stamp)
            // Most replies have no time to live, so most hits need no exact time.
            && bounds.expires().is_none_or(|expires| self.clock.milliseconds() < expires)
            && standing.epoch() == stamp.epoch
    }

    /// Whether the server at the other end of this socket was heard of late.
    #[inline]
    pub(super) fn is_heard(&self, standing: &Standing) -> bool {
        let is_within = |limit| standing.was_heard(self.clock.moment(), limit);
        self.max_unheard.is_some_and(is_within)
    }

    /// Whether what was begun at this moment is not older than what is served of what was heard then.
    pub(super) fn is_recent(&self, began: Moment) -> bool {
        let age = self.clock.moment().since(began);
        self.max_unheard.is_some_and(|limit| age <= limit)
    }

    /// Whether nothing that a reply depends on has changed since its stamp was made.
    pub(super) fn is_unchanged(&self, stamp: &Stamp, epoch: u32, subject: Subject) -> bool {
        let count = self.changes.count_of(subject);
        (stamp.epoch, stamp.count) == (epoch, count) && self.are_unchanged(stamp)
    }

    /// Whether the other keys that a reply depends on are unchanged.
    #[inline]
    fn are_unchanged(&self, stamp: &Stamp) -> bool {
        let others = stamp.others.as_ref();
        others.is_none_or(|others| self.are_current(others))
    }

    #[cold]
    fn are_current(&self, others: &[Counted]) -> bool {
        let is_current = |counted: &Counted| self.changes.count(counted.key) == counted.count;
        others.iter().all(is_current)
    }

    /// The stamp of a reply to a command that is sent after this. `moves` is how often the slot of its first key had moved before it
    /// was chosen where the command is sent.
    pub(super) fn stamp(&self, epoch: u32, key: KeyHash, moves: u32, args: &Args) -> Stamp {
        Stamp {
            others: args.has_several_keys().then(|| self.count_others(args)),
            ..self.stamp_of_part(epoch, key, moves)
        }
    }

    #[cold]
    fn count_others(&self, args: &Args) -> Arc<Vec<Counted>> {
        let mut counted = Vec::with_capacity(args.key_positions().len());
        args.each_key(|key| {
            let key = self.changes.hash(key);
            let count = self.changes.count(key);
            counted.push(Counted { key, count });
        });
        Arc::new(counted)
    }

    /// The stamp of a part of a reply that depends on this key alone.
    #[inline]
    pub(super) fn stamp_of_part(&self, epoch: u32, key: KeyHash, moves: u32) -> Stamp {
        Stamp {
            epoch,
            count: self.changes.count_after(key, moves),
            others: None,
        }
    }

    // ---- changes ----

    /// A key was changed.
    pub(super) fn changed(&self, key: &[u8]) {
        let hash = self.changes.hash(key);
        self.count_change(hash);
        let removed = self.store.remove_about(key, hash);
        self.counts.invalidated(removed);
    }

    /// A key was changed; what is kept about it is found to be old when it is asked for.
    pub(super) fn count_change(&self, key: KeyHash) {
        if self.changes.add(key) {
            self.forget_all();
        }
    }

    /// A slot has moved to another node.
    pub(super) fn count_move(&self, slot: u16) {
        if self.changes.add_move(slot) {
            self.forget_all();
        }
    }

    /// Anything may have been changed.
    #[cold]
    pub(super) fn forget_all(&self) {
        for standing in self.standings.all() {
            standing.renew(self.next_epoch(), |tracking| tracking);
        }
        self.counts.flushed();
        self.store.clear();
    }

    /// Nothing is served that was read over this socket. It goes with time: others may have much that is current.
    pub(super) fn disown(&self, standing: &Standing) {
        standing.renew(self.next_epoch(), |_| Tracking::Refused);
    }

    /// Everything that was read over this socket may have been changed.
    pub(super) fn forget(&self, standing: &Standing, tracking: impl Fn(Tracking) -> Tracking) {
        let ended = standing.renew(self.next_epoch(), tracking);
        self.counts.flushed();
        if self.standings.is_alone() {
            self.store.clear();
        } else {
            self.store.remove_of(ended);
        }
    }

    /// Tells those who listen. It adds the tasks to wake to `woken`.
    pub(super) fn tell(&self, report: &Invalidation, woken: &mut Vec<Waker>) {
        self.listeners.tell(report, woken);
    }

    /// The same, and wakes them; no lock may be held.
    pub(super) fn tell_now(&self, report: &Invalidation) {
        let mut woken = Vec::new();
        self.tell(report, &mut woken);
        woken.into_iter().for_each(Waker::wake);
    }

    /// What those who listen have to be told of a write of this handle, whose keys are these; `may_be_any` says whether it may
    /// have changed any other. `None` if the server reports it.
    pub(super) fn unreported<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
        may_be_any: bool,
    ) -> Option<Invalidation> {
        if !self.settings.no_loop {
            return None;
        }
        if may_be_any {
            return Some(Invalidation::All);
        }
        let covered = keys.filter(|key| self.settings.covers(key));
        let keys: Vec<_> = covered.map(Bytes::copy_from_slice).collect();
        (!keys.is_empty()).then_some(Invalidation::Keys(keys))
    }
}
