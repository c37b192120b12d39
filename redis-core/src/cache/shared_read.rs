//! One read on its way, for all who ask for the same: [`SharedRead`].
//!
//! # Layout
//!
//! - this file: its way from the beginning to the outcome
//! - `joinable`: the reads that are on their way; `joining`: which of them others may join
//! - `wanted`: what one is to bring; `waiters`: who waits for it
//! - `enabling`: how it makes the server report changes of its keys
//! - `ending`: what its replies say, and what of them is kept; `outcome`: how it ended

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Moment;
use super::origin::Place;
use super::read::TrackedRead;
use super::shared::Shared;
use super::source::Source;
use super::standing::{Present, Tracking};
use crate::client::Onward;
use crate::command::{Args, CommandInfo};
use crate::engine::exchange::Exchange;
use crate::engine::inflight::{Failure, Held};
use crate::engine::link::Link;
use crate::error::{CommandName, Error};
use crate::runtime::Lock;
use crate::wire::encode;

mod enabling;
mod ending;
mod joinable;
mod joining;
mod outcome;
#[cfg(all(test, feature = "cluster"))]
mod tests;
mod waiters;
mod wanted;

use enabling::Reported;
use joinable::Joinable;
pub(super) use outcome::Outcome;
use waiters::Waiters;
pub(super) use wanted::WantedKey;
use wanted::{Part, Wanted};

/// The reads of a handle that are on their way.
pub(super) type SharedReads = Joinable<SharedRead>;

/// A read that is sent once and answers everybody who asked for it meanwhile.
///
/// Its [`Stamp`] is made before it is sent. If a change of one of its keys is reported while it is on its way, the stamp is
/// out of date: the reply still goes to those who asked before, but it is not kept, and nobody else joins.
///
/// Whoever waits for it drives it, so it goes on when some of them go away. When all have gone, nobody waits for its reply.
pub(super) struct SharedRead {
    reads: Arc<SharedReads>,
    source: Arc<Source>,
    wanted: Wanted,
    /// The epoch of the socket when it was begun.
    epoch: u32,
    began: Moment,
    /// The millisecond at which it was begun, if replies have a time to live.
    ttl_begins: Option<u64>,
    /// Whether its reply may be kept: its keys are reported from then on.
    may_keep: bool,
    /// Whether it has taken it upon itself to turn tracking on.
    begins: bool,
    /// Whether reports come on another socket.
    is_redirected: bool,
    /// Whether others may join it.
    is_joint: bool,
    /// Whether a second caller has ever joined it. Callers may have gone since.
    was_joined: AtomicBool,
    /// Whether the reports of its server come in their order among the replies.
    has_order: bool,
    info: &'static CommandInfo,
    needed: u32,
    state: Lock<State>,
}

enum State {
    Running(Running),
    /// With what keeps the link for those who have to send the command once more, until the last of them has done so or has gone.
    Over(Outcome, Box<Args>, Option<Held>),
    /// Only while the state changes.
    Changing,
}

struct Running {
    exchange: Exchange<Arc<Link>>,
    read: TrackedRead,
    waiters: Waiters,
}

impl SharedRead {
    /// Begins a read whose whole reply is wanted; it is sent when it is first polled, or now. Its command has this hash.
    pub(super) fn whole(
        reads: &Arc<SharedReads>,
        place: Place,
        id: u64,
        args: Box<Args>,
    ) -> Arc<Self> {
        let Place {
            source,
            subject,
            moves,
        } = place;
        let present = present(reads, &source);
        let shared = &source.shared;
        let stamp = shared.stamp(present.epoch, subject.key, moves, &args);
        let word = 0;
        let wanted = Wanted::Whole(Part {
            id,
            subject,
            stamp,
            word,
        });
        Self::begin(reads, source, present, wanted, args)
    }

    /// Begins a read of which the element for each key is wanted.
    pub(super) fn each(
        reads: &Arc<SharedReads>,
        source: Arc<Source>,
        keys: Vec<WantedKey>,
        args: Box<Args>,
    ) -> Arc<Self> {
        let present = present(reads, &source);
        let part = |key: WantedKey| Part {
            id: key.id,
            subject: key.subject,
            stamp: source
                .shared
                .stamp_of_part(present.epoch, key.subject.key, key.moves),
            word: key.word,
        };
        let wanted = Wanted::Each(keys.into_iter().map(part).collect());
        Self::begin(reads, source, present, wanted, args)
    }

    /// Begins one that only turns tracking on. The client itself asks it: no end waits for it.
    pub(super) fn own(reads: &Arc<SharedReads>, source: Arc<Source>, args: Box<Args>) -> Arc<Self> {
        let present = present(reads, &source);
        Self::begin(reads, source, present, Wanted::Nothing, args)
    }

    fn begin(
        reads: &Arc<SharedReads>,
        source: Arc<Source>,
        present: Present,
        wanted: Wanted,
        args: Box<Args>,
    ) -> Arc<Self> {
        let (settings, clock) = (&source.shared.settings, &source.shared.clock);
        let Reported {
            enabling,
            opts_in,
            may_keep,
            begins,
            is_redirected,
        } = Reported::by(&source, present);
        // A caller with a deadline of its own waits for nobody else, and nobody waits for it.
        let is_joint = args.deadline().is_none();
        let has_order = settings.reports_in_order() && !is_redirected;
        let (info, needed) = (args.info(), args.needed());
        let ttls = if settings.server_ttl {
            args.key_positions().len()
        } else {
            0
        };
        let read = TrackedRead {
            enabling,
            opts_in,
            args,
            ttls,
        };
        let mut exchange = Exchange::new(source.link.clone(), &read);
        if matches!(wanted, Wanted::Nothing) {
            exchange.be_own();
        }
        let running = Running {
            exchange,
            read,
            waiters: Waiters::default(),
        };
        let read = Arc::new(Self {
            epoch: present.epoch,
            began: clock.moment(),
            ttl_begins: settings.has_ttl().then(|| clock.milliseconds()),
            reads: reads.clone(),
            source,
            wanted,
            may_keep,
            begins,
            is_redirected,
            is_joint,
            was_joined: AtomicBool::new(false),
            has_order,
            info,
            needed,
            state: Lock::new(State::Running(running)),
        });
        if read.is_listed() {
            reads.add(read.wanted.ids(), &read, || read.submit_in_order());
        }
        if begins {
            reads.begins(present.epoch, &read);
        }
        read
    }

    /// Sends it now, before the first poll.
    pub(super) fn submit(&self) {
        if let State::Running(Running { exchange, read, .. }) = &mut *self.state.lock() {
            exchange.submit(read);
        }
    }

    /// Sends it now, if it must not be sent behind one that begins later.
    fn submit_in_order(&self) {
        if !self.has_order {
            self.submit();
        }
    }

    /// Drives it to its outcome.
    pub(super) fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.state.lock();
        let Running {
            exchange,
            read,
            waiters,
        } = match &mut *state {
            State::Running(running) => running,
            State::Over(outcome, ..) => return Poll::Ready(outcome.clone()),
            State::Changing => return Poll::Ready(Outcome::Ordinary),
        };
        let mut delivery =
            ready!(waiters.with(cx, self.has_one_caller(), |cx| exchange.poll(read, cx)));
        let mut woken = Vec::new();
        let held = delivery.take_held();
        let outcome = self.end(read, delivery, &mut woken);
        let leads_on = outcome.leads_on(self.was_joined.load(Ordering::Relaxed));
        let held = leads_on.then(|| self.keep_link(held));
        if exchange.was_delayed() {
            self.forget_overtaking();
        }
        self.give_up();
        let others = std::mem::take(waiters);
        if let State::Running(running) = std::mem::replace(&mut *state, State::Changing) {
            *state = State::Over(outcome.clone(), running.read.args, held);
        }
        drop(state);
        self.withdraw();
        if !self.has_one_caller() {
            others.wake();
        }
        woken.into_iter().for_each(Waker::wake);
        Poll::Ready(outcome)
    }

    /// Whether nobody else waits for it. Whoever joins it keeps it alive.
    #[inline]
    fn has_one_caller(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 1
    }

    fn shared(&self) -> &Shared {
        &self.source.shared
    }

    /// The most time for a command, as it is configured.
    pub(super) fn command_timeout(&self) -> Option<Duration> {
        self.source.link.config.command_timeout
    }

    /// Whether the read failed because the first caller's time is over, while a caller who joined it later, at this moment, still has
    /// time.
    #[cold]
    pub(super) fn leaves_time(&self, failure: &Failure, joined: Instant) -> bool {
        let limit = self.command_timeout();
        self.is_joint
            && matches!(failure, Failure::Timeout(..))
            && limit.is_some_and(|limit| joined.elapsed() < limit)
    }

    /// The command again, to be sent in the ordinary way.
    pub(super) fn command_again(&self) -> Option<Box<Args>> {
        match &*self.state.lock() {
            State::Running(Running { read, .. }) => Some(Box::new(read.args.again())),
            State::Over(_, args, _) => Some(Box::new(args.again())),
            State::Changing => None,
        }
    }

    /// What keeps the link for one who sends the command in the ordinary way.
    pub(super) fn onward(&self) -> Onward {
        Onward(match &*self.state.lock() {
            State::Over(.., held) => held.clone(),
            State::Running(_) | State::Changing => None,
        })
    }

    /// Keeps the link for what is sent once more. The queue does so itself, but not for the node of a cluster nor for a caller whose time
    /// is over.
    #[cold]
    fn keep_link(&self, held: Option<Held>) -> Held {
        held.unwrap_or_else(|| self.hold())
    }

    /// Keeps the link from its end, for something that may be sent later.
    pub(super) fn hold(&self) -> Held {
        self.source.link.hold()
    }

    /// Puts to an error which command it is of, and what that needs.
    #[cold]
    pub(super) fn explained(&self, error: Error) -> Error {
        let server = self.source.link.server();
        let error = self.info.explain(self.needed, server, error);
        error.of_command(CommandName::from(self.info.name))
    }

    /// Whether it is among the reads on their way: others may join it, or have to know that theirs are older.
    fn is_listed(&self) -> bool {
        self.is_joint || !self.has_order
    }

    /// It is not on its way any more.
    fn withdraw(&self) {
        if self.is_listed() {
            self.reads.remove(self.wanted.ids());
        }
    }

    // ---- the end ----

    /// If it was to turn tracking on, and the outcome of that is not known, another read may try.
    fn give_up(&self) {
        if self.begins {
            self.reads.has_begun(self.epoch);
            self.source.standing.give_up(self.epoch);
        }
    }
}

impl Drop for SharedRead {
    /// Everybody who waited has gone.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        match std::mem::replace(state, State::Changing) {
            State::Over(_, args, _) => args.retire(),
            State::Running(..) | State::Changing => {
                self.withdraw();
                self.give_up();
            }
        }
    }
}

impl fmt::Debug for SharedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedRead").field(&self.info.name).finish()
    }
}

/// What is known of a socket now. If the read that is turning tracking on there is answered and nobody has looked after it,
/// that is done first.
fn present(reads: &SharedReads, source: &Source) -> Present {
    let present = source.present();
    if present.tracking == Tracking::Beginning
        && let Some(beginner) = reads.beginner(present.epoch)
        && beginner.end_if_answered()
    {
        return source.present();
    }
    present
}

/// The same command with one key, encoded, and the place of the key.
pub(super) fn command_of(info: &CommandInfo, key: &[u8]) -> (Vec<u8>, Range<usize>) {
    let mut bytes = info.header.to_vec();
    encode::bulk(&mut bytes, key);
    let end = bytes.len() - 2;
    (bytes, end - key.len()..end)
}
