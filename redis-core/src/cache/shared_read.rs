//! One read on its way, for all who ask for the same: [`SharedRead`].
//!
//! # Layout
//!
//! - this file: its way from the beginning to the outcome
//! - `joinable`: the reads that are on their way; `wanted`: what one is to bring; `waiters`: who waits for it
//! - `ending`: what its replies say, and what of them is kept; `outcome`: how it ended

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::changes::Subject;
use super::clock::Moment;
use super::origin::Place;
use super::read::TrackedRead;
use super::shared::Shared;
use super::source::Source;
use super::standing::{Present, Tracking};
use crate::command::{Args, CommandInfo};
use crate::engine::exchange::Exchange;
use crate::engine::link::Link;
use crate::error::{CommandName, Error};
use crate::runtime::Lock;
use crate::wire::encode;

mod ending;
mod joinable;
mod outcome;
mod waiters;
mod wanted;

use joinable::Joinable;
pub(super) use outcome::Outcome;
use waiters::Waiters;
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
    info: &'static CommandInfo,
    needed: u32,
    state: Lock<State>,
}

enum State {
    Running(Running),
    Over(Outcome, Box<Args>),
    /// Only while the state changes.
    Changing,
}

struct Running {
    exchange: Exchange<Arc<Link>>,
    read: TrackedRead,
    waiters: Waiters,
}

impl SharedRead {
    /// Begins a read whose whole reply is wanted; it is sent when it is first polled. Its command has this hash.
    pub(super) fn whole(
        reads: &Arc<SharedReads>,
        place: Place,
        id: u64,
        args: Box<Args>,
    ) -> Arc<Self> {
        let Place { source, subject } = place;
        let present = source.present();
        let stamp = source.shared.stamp(present.epoch, subject, &args);
        let wanted = Wanted::Whole(Part { id, subject, stamp });
        Self::begin(reads, source, present, wanted, args)
    }

    /// Begins a read of which the element for each key is wanted. The hash of each one's command comes with its key.
    pub(super) fn each(
        reads: &Arc<SharedReads>,
        source: Arc<Source>,
        keys: Vec<(u64, Subject)>,
        args: Box<Args>,
    ) -> Arc<Self> {
        let present = source.present();
        let part = |(id, subject)| Part {
            id,
            subject,
            stamp: source.shared.stamp_of_part(present.epoch, subject),
        };
        let wanted = Wanted::Each(keys.into_iter().map(part).collect());
        Self::begin(reads, source, present, wanted, args)
    }

    fn begin(
        reads: &Arc<SharedReads>,
        source: Arc<Source>,
        present: Present,
        wanted: Wanted,
        args: Box<Args>,
    ) -> Arc<Self> {
        let (settings, clock) = (&source.shared.settings, &source.shared.clock);
        let is_on = present.tracking == Tracking::On;
        let is_off = present.tracking == Tracking::Off;
        let is_redirected = source.needs_reporter();
        let reporter = is_redirected
            .then(|| source.reporter(present.epoch))
            .flatten();
        if is_redirected && (reporter.is_none() || !source.was_heard()) {
            source.ask_for_reporter();
        }
        let can_report = !is_redirected || reporter.is_some();
        let begins = is_off
            && can_report
            && !settings.may_enable_again()
            && source.standing.begin(present.epoch);
        let enables = begins || (is_off && can_report && settings.may_enable_again());
        let opts_in = settings.opts_in() && (is_on || enables);
        let (info, needed) = (args.info(), args.needed());
        let ttls = if settings.server_ttl {
            args.key_positions().len()
        } else {
            0
        };
        let read = TrackedRead {
            enabling: enables.then(|| settings.enabling(reporter)),
            opts_in,
            args,
            ttls,
        };
        let running = Running {
            exchange: Exchange::new(source.link.clone(), &read),
            read,
            waiters: Waiters::default(),
        };
        Arc::new(Self {
            epoch: present.epoch,
            began: clock.moment(),
            ttl_begins: settings.has_ttl().then(|| clock.milliseconds()),
            reads: reads.clone(),
            source,
            wanted,
            may_keep: is_on || enables,
            begins,
            is_redirected,
            info,
            needed,
            state: Lock::new(State::Running(running)),
        })
    }

    /// The part that answers this command, whose key is at this place, if it is asked for now; `None` if there is none.
    pub(super) fn part_for(&self, command: &[u8], key: &Range<usize>, id: u64) -> Option<usize> {
        let mut parts = self.wanted.parts().iter();
        let place = parts.position(|part| part.id == id)?;
        let part = self.wanted.parts().get(place)?;
        let is_current =
            self.shared()
                .is_unchanged(&part.stamp, self.source.standing.epoch(), part.subject);
        let asks = |args: &Args| match &self.wanted {
            Wanted::Whole(_) => args.cacheable().is_some_and(|(bytes, _)| bytes == command),
            Wanted::Each(_) => {
                let asked = nth_key(args, place);
                command.starts_with(args.info().header)
                    && command.get(key.clone()) == asked.as_deref()
            }
        };
        let asks = match &*self.state.lock() {
            State::Running(running) => asks(&running.read.args),
            State::Over(..) | State::Changing => false,
        };
        (is_current && asks).then_some(place)
    }

    /// Sends it now, before the first poll.
    pub(super) fn submit(&self) {
        if let State::Running(Running { exchange, read, .. }) = &mut *self.state.lock() {
            exchange.submit(read);
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
            State::Over(outcome, _) => return Poll::Ready(outcome.clone()),
            State::Changing => return Poll::Ready(Outcome::Ordinary),
        };
        let delivery =
            ready!(waiters.with(cx, self.has_one_caller(), |cx| exchange.poll(read, cx)));
        let outcome = self.end(read, delivery);
        self.give_up();
        let others = std::mem::take(waiters);
        if let State::Running(running) = std::mem::replace(&mut *state, State::Changing) {
            *state = State::Over(outcome.clone(), running.read.args);
        }
        drop(state);
        self.withdraw();
        if !self.has_one_caller() {
            others.wake();
        }
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

    /// The command again, to be sent in the ordinary way.
    pub(super) fn command_again(&self) -> Option<Box<Args>> {
        match &*self.state.lock() {
            State::Running(Running { read, .. }) => Some(Box::new(read.args.again())),
            State::Over(_, args) => Some(Box::new(args.again())),
            State::Changing => None,
        }
    }

    /// Puts to an error which command it is of, and what that needs.
    #[cold]
    pub(super) fn explained(&self, error: Error) -> Error {
        let server = self.source.link.server();
        let error = self.info.explain(self.needed, server, error);
        error.of_command(CommandName::from(self.info.name))
    }

    /// Lets others join it.
    pub(super) fn announce(self: &Arc<Self>) {
        self.reads.add(self.wanted.ids(), self);
    }

    /// Nobody joins it any more.
    fn withdraw(&self) {
        self.reads.remove(self.wanted.ids(), self);
    }

    // ---- the end ----

    /// If it was to turn tracking on, and the outcome of that is not known, another read may try.
    fn give_up(&self) {
        if self.begins {
            self.source.standing.give_up(self.epoch);
        }
    }
}

impl Drop for SharedRead {
    /// Everybody who waited has gone.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        match std::mem::replace(state, State::Changing) {
            State::Over(_, args) => args.retire(),
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

/// The same command with one key, encoded, and the place of the key.
pub(super) fn command_of(info: &CommandInfo, key: &[u8]) -> (Vec<u8>, Range<usize>) {
    let mut bytes = info.header.to_vec();
    encode::bulk(&mut bytes, key);
    let end = bytes.len() - 2;
    (bytes, end - key.len()..end)
}

fn nth_key(args: &Args, place: usize) -> Option<Vec<u8>> {
    let (mut number, mut found) = (0, None);
    args.each_key(|key| {
        if number == place {
            found = Some(key.to_vec());
        }
        number += 1;
    });
    found
}
