//! What is known about the reports on one socket: [`Standing`].

use std::sync::atomic::{AtomicU64, Ordering};

use super::clock::Moment;

/// Whether what was read over a connection is current, and whether its server reports changes.
///
/// Its *epoch* is a number that no other socket has or had. It changes when the socket is lost and when everything was
/// changed. Replies that were read in an earlier epoch are not served.
#[derive(Debug)]
pub(super) struct Standing {
    /// The epoch and the [`Tracking`], in one number.
    state: AtomicU64,
    /// The [`Moment`] at which the server is known to have been alive: the earlier of these two, if reports come on another socket.
    heard: AtomicU64,
    /// The one that the replies on its own socket tell.
    by_replies: AtomicU64,
    /// The one that the socket for reports tells.
    by_reporter: AtomicU64,
}

/// Whether the server reports what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// It was not asked to.
    Off,
    /// It is being asked, by one read; meanwhile nothing else is kept.
    Beginning,
    On,
    /// It refuses to.
    Refused,
}

/// An epoch, and whether the server reports changes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) epoch: u32,
    pub(super) tracking: Tracking,
}

impl Present {
    fn pack(self) -> u64 {
        let tracking = match self.tracking {
            Tracking::Off => 0,
            Tracking::Beginning => 1,
            Tracking::On => 2,
            Tracking::Refused => 3,
        };
        u64::from(self.epoch) << 32 | tracking
    }

    #[inline]
    fn unpack(packed: u64) -> Self {
        Self {
            epoch: epoch_of(packed),
            tracking: match packed & 3 {
                0 => Tracking::Off,
                1 => Tracking::Beginning,
                2 => Tracking::On,
                _ => Tracking::Refused,
            },
        }
    }
}

/// The epoch in a packed [`Present`].
#[inline]
fn epoch_of(packed: u64) -> u32 {
    u32::try_from(packed >> 32).unwrap_or_default()
}

impl Standing {
    pub(super) fn new(epoch: u32) -> Self {
        let first = Present {
            epoch,
            tracking: Tracking::Off,
        };
        Self {
            state: AtomicU64::new(first.pack()),
            heard: AtomicU64::new(0),
            by_replies: AtomicU64::new(0),
            by_reporter: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn present(&self) -> Present {
        Present::unpack(self.state.load(Ordering::Acquire))
    }

    /// The present epoch.
    #[inline]
    pub(super) fn epoch(&self) -> u32 {
        epoch_of(self.state.load(Ordering::Acquire))
    }

    /// Goes from one present to another; returns whether it was in the first one.
    fn change(&self, from: Present, to: Tracking) -> bool {
        let to = Present {
            tracking: to,
            ..from
        };
        let done = self.state.compare_exchange(
            from.pack(),
            to.pack(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        done.is_ok()
    }

    /// One read takes it upon itself to turn tracking on. Returns whether no other one does so.
    pub(super) fn begin(&self, epoch: u32) -> bool {
        let off = Present {
            epoch,
            tracking: Tracking::Off,
        };
        self.change(off, Tracking::Beginning)
    }

    /// Notes the outcome of turning tracking on, in this epoch. Returns whether it was not known before.
    pub(super) fn note(&self, epoch: u32, tracking: Tracking) -> bool {
        let now = self.present();
        now.epoch == epoch && now.tracking != tracking && self.change(now, tracking)
    }

    /// The read that was to turn tracking on has ended without a known outcome.
    pub(super) fn give_up(&self, epoch: u32) {
        let beginning = Present {
            epoch,
            tracking: Tracking::Beginning,
        };
        self.change(beginning, Tracking::Off);
    }

    /// Whether the server was heard at most this far before `now`.
    #[inline]
    pub(super) fn was_heard(&self, now: Moment, within: u64) -> bool {
        now.since(Moment(self.heard.load(Ordering::Acquire))) <= within
    }

    /// Notes that the server was alive at this moment, by a reply on its own socket, on which reports come as well.
    pub(super) fn hear(&self, at: Moment) {
        self.heard.fetch_max(at.0, Ordering::Release);
    }

    /// Notes the same by a reply on its own socket, while reports come on another one: either of them may be dead.
    pub(super) fn hear_reply(&self, at: Moment) {
        self.hear_half(at, &self.by_replies, &self.by_reporter);
    }

    /// Notes the same by a reply on the socket for reports.
    pub(super) fn hear_reporter(&self, at: Moment) {
        self.hear_half(at, &self.by_reporter, &self.by_replies);
    }

    fn hear_half(&self, at: Moment, half: &AtomicU64, other: &AtomicU64) {
        // Of two that do this at once, at least the second sees both moments.
        let half = half.fetch_max(at.0, Ordering::SeqCst).max(at.0);
        self.hear(Moment(half.min(other.load(Ordering::SeqCst))));
    }

    /// Forgets everything about the socket before: from here on it is the standing of another one.
    pub(super) fn restart(&self, epoch: u32) {
        self.renew(epoch, |_| Tracking::Off);
        for heard in [&self.heard, &self.by_replies, &self.by_reporter] {
            heard.store(0, Ordering::SeqCst);
        }
    }

    /// Begins a new epoch: nothing that was read so far is served any more. Returns the epoch that has ended.
    pub(super) fn renew(&self, epoch: u32, tracking: impl Fn(Tracking) -> Tracking) -> u32 {
        let next = |packed| {
            // A read that was turning tracking on did so for the epoch that ends here.
            let tracking = match tracking(Present::unpack(packed).tracking) {
                Tracking::Beginning => Tracking::Off,
                other => other,
            };
            Some(Present { epoch, tracking }.pack())
        };
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        Present::unpack(before.unwrap_or_else(|packed| packed)).epoch
    }
}
