//! One read on its way, for all who ask for the same: [`Flight`]; all of them: [`Flights`].

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;

use super::changes::KeyHash;
use super::origin::Place;
use super::read::{Answers, TrackedRead};
use super::shared::{Shared, milliseconds};
use super::source::Source;
use super::standing::{Present, Tracking};
use super::store::{self, AsIs, Command, CommandRef, Entry, Stamp};
use crate::command::{Args, CommandInfo};
use crate::engine::exchange::Exchange;
use crate::engine::inflight::{Delivery, Failure};
use crate::engine::link::Link;
use crate::error::{CommandName, Error, ServerError};
use crate::reply::FrameRef;
use crate::runtime::Lock;
use crate::wire::encode;

/// A read that is sent once and answers everybody who asked for it meanwhile.
///
/// Its [`Stamp`] is made before it is sent. If a change of one of its keys is reported while it is on its way, the stamp is
/// out of date: the reply still goes to those who asked before, but it is not kept, and nobody else joins.
///
/// Whoever waits for it drives it, so it goes on when some of them go away. When all have gone, nobody waits for its reply.
pub(super) struct Flight {
    flights: Arc<Flights>,
    shared: Arc<Shared>,
    source: Arc<Source>,
    wanted: Wanted,
    /// The epoch of the socket when it was begun.
    epoch: u32,
    /// The millisecond at which it was begun.
    began: u64,
    /// Whether its reply may be kept: its keys are reported from then on.
    may_keep: bool,
    /// Whether it has taken it upon itself to turn tracking on.
    begins: bool,
    /// Whether reports come on another socket.
    is_redirected: bool,
    info: &'static CommandInfo,
    needed: u32,
    waiters: Arc<Waiters>,
    state: Lock<State>,
}

/// Those who wait for a read: what the queue of the socket wakes. It does not keep the read alive, so that a read for which
/// nobody waits any more gives up its place in the queue.
#[derive(Default)]
struct Waiters(Lock<Vec<Waker>>);

impl Waiters {
    fn add(&self, waker: &Waker) {
        let mut waiters = self.0.lock();
        if !waiters.iter().any(|known| known.will_wake(waker)) {
            waiters.push(waker.clone());
        }
    }
}

/// What a read is to bring.
enum Wanted {
    /// Its whole reply.
    Whole(Part),
    /// The elements of its reply, one for each key, in their order.
    Each(Vec<Part>),
}

/// A reply that is kept by itself.
pub(super) struct Part {
    /// The hash of the command that it is the reply to.
    id: u64,
    /// The hash of its first key.
    hash: KeyHash,
    stamp: Stamp,
}

impl Wanted {
    fn parts(&self) -> &[Part] {
        match self {
            Self::Whole(part) => std::slice::from_ref(part),
            Self::Each(parts) => parts,
        }
    }
}

enum State {
    Running(Exchange<Arc<Link>>, TrackedRead),
    Over(Outcome, Box<Args>),
    /// Only while the state changes.
    Changing,
}

/// The reads on their way, by the hashes of their commands.
#[derive(Default)]
pub(super) struct Flights(Lock<HashMap<u64, Weak<Flight>, BuildHasherDefault<AsIs>>>);

impl Flights {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut HashMap<u64, Weak<Flight>, BuildHasherDefault<AsIs>>) -> T,
    ) -> T {
        work(&mut self.0.lock())
    }

    /// The read with this number.
    pub(super) fn find(&self, id: u64) -> Option<Arc<Flight>> {
        self.with(|flights| flights.get(&id).and_then(Weak::upgrade))
    }

    /// Lets others join this read.
    pub(super) fn announce(&self, flight: &Arc<Flight>) {
        self.with(|flights| {
            for part in flight.wanted.parts() {
                flights.insert(part.id, Arc::downgrade(flight));
            }
        });
    }

    /// Nobody joins this read any more.
    fn withdraw(&self, flight: &Flight) {
        self.with(|flights| {
            for part in flight.wanted.parts() {
                if flights
                    .get(&part.id)
                    .is_some_and(|known| std::ptr::eq(known.as_ptr(), flight))
                {
                    flights.remove(&part.id);
                }
            }
        });
    }
}

/// How a read ended.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The reply, which may be an error.
    Reply(Bytes),
    /// The elements of the reply, for a read whose elements are wanted.
    Elements(Arc<[Bytes]>),
    Failed(Failure),
    /// It must be sent in the ordinary way, by each caller for itself: it was refused for a reason that goes away, or
    /// another node has its keys.
    Ordinary,
}

impl Flight {
    /// Begins a read whose whole reply is wanted; it is sent when it is first polled.
    pub(super) fn whole(
        flights: &Arc<Flights>,
        shared: &Arc<Shared>,
        place: &Place<'_>,
        (id, hash): (u64, KeyHash),
        args: Box<Args>,
    ) -> Arc<Self> {
        let source = &place.source;
        let present = source.present();
        let stamp = shared.stamp(present.epoch, hash, place.slot, &args);
        let wanted = Wanted::Whole(Part { id, hash, stamp });
        Self::begin((flights, shared), source, present, wanted, args)
    }

    /// Begins a read of which the element for each key is wanted.
    pub(super) fn each(
        flights: &Arc<Flights>,
        shared: &Arc<Shared>,
        (source, slot): (&Arc<Source>, Option<KeyHash>),
        keys: Vec<(u64, KeyHash)>,
        args: Box<Args>,
    ) -> Arc<Self> {
        let present = source.present();
        let part = |(id, hash)| Part {
            id,
            hash,
            stamp: shared.stamp_of_part(present.epoch, hash, slot),
        };
        let wanted = Wanted::Each(keys.into_iter().map(part).collect());
        Self::begin((flights, shared), source, present, wanted, args)
    }

    fn begin(
        (flights, shared): (&Arc<Flights>, &Arc<Shared>),
        source: &Arc<Source>,
        present: Present,
        wanted: Wanted,
        args: Box<Args>,
    ) -> Arc<Self> {
        let settings = &shared.settings;
        let is_on = present.tracking == Tracking::On;
        let is_off = present.tracking == Tracking::Off;
        let is_redirected = source.needs_reporter();
        let reporter = source.reporter(present.epoch);
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
            enabling: enables.then(|| settings.enabling(reporter.filter(|_| is_redirected))),
            opts_in,
            args,
            ttls,
        };
        let exchange = Exchange::new(source.link.clone(), &read);
        Arc::new(Self {
            flights: flights.clone(),
            shared: shared.clone(),
            source: source.clone(),
            wanted,
            epoch: present.epoch,
            began: shared.now(),
            may_keep: is_on || enables,
            begins,
            is_redirected,
            info,
            needed,
            waiters: Arc::default(),
            state: Lock::new(State::Running(exchange, read)),
        })
    }

    /// The part that answers this command, whose key is at this place, if it is asked for now; `None` if there is none.
    pub(super) fn part_for(&self, command: &[u8], key: &Range<usize>, id: u64) -> Option<usize> {
        let mut parts = self.wanted.parts().iter();
        let place = parts.position(|part| part.id == id)?;
        let part = self.wanted.parts().get(place)?;
        let is_current = self
            .shared
            .is_current(&part.stamp, self.source.present(), part.hash);
        let asks = |args: &Args| match &self.wanted {
            Wanted::Whole(_) => args.cacheable().is_some_and(|(bytes, _)| bytes == command),
            Wanted::Each(_) => {
                let asked = nth_key(args, place);
                command.starts_with(args.info().header)
                    && command.get(key.clone()) == asked.as_deref()
            }
        };
        let asks = match &*self.state.lock() {
            State::Running(_, read) => asks(&read.args),
            State::Over(..) | State::Changing => false,
        };
        (is_current && asks).then_some(place)
    }

    /// Sends it now, before the first poll.
    pub(super) fn submit(&self) {
        if let State::Running(exchange, read) = &mut *self.state.lock() {
            exchange.submit(read);
        }
    }

    /// Drives it to its outcome.
    pub(super) fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.state.lock();
        let outcome = match &mut *state {
            State::Over(outcome, _) => return Poll::Ready(outcome.clone()),
            State::Changing => return Poll::Ready(Outcome::Ordinary),
            State::Running(exchange, read) => {
                // This comes first: the reply may come at any time from now on.
                self.waiters.add(cx.waker());
                let all = Waker::from(self.waiters.clone());
                let delivery = ready!(exchange.poll(read, &mut Context::from_waker(&all)));
                let outcome = self.end(read, delivery);
                self.give_up();
                outcome
            }
        };
        if let State::Running(_, read) = std::mem::replace(&mut *state, State::Changing) {
            *state = State::Over(outcome.clone(), read.args);
        }
        drop(state);
        self.flights.withdraw(self);
        self.waiters.wake_by_ref();
        Poll::Ready(outcome)
    }

    /// The most time for a command, as it is configured.
    pub(super) fn command_timeout(&self) -> Option<Duration> {
        self.source.link.config.command_timeout
    }

    /// The command again, to be sent in the ordinary way.
    pub(super) fn command_again(&self) -> Option<Box<Args>> {
        match &*self.state.lock() {
            State::Running(_, TrackedRead { args, .. }) | State::Over(_, args) => {
                Some(Box::new(args.again()))
            }
            State::Changing => None,
        }
    }

    /// Puts to an error which command it is of, and what that needs.
    #[cold]
    pub(super) fn explained(&self, error: Error) -> Error {
        let server = self.source.link.server();
        let error = error.explained(|refusal| self.info.requirement(self.needed, server, refusal));
        error.of_command(CommandName::from(self.info.name))
    }

    // ---- the end ----

    /// If it was to turn tracking on, and the outcome of that is not known, another read may try.
    fn give_up(&self) {
        if self.begins {
            self.source.standing.give_up(self.epoch);
        }
    }

    /// Reads what came back, and keeps the reply if it may be kept.
    fn end(&self, read: &TrackedRead, delivery: Delivery) -> Outcome {
        let Ok((chunks, failure)) = delivery.into_parts() else {
            return Outcome::Ordinary;
        };
        if let Some(failure) = failure {
            // In a cluster another node may have the key by now.
            let may_be_elsewhere = self.source.link.config.routed && self.info.idempotent;
            return if may_be_elsewhere {
                Outcome::Ordinary
            } else {
                Outcome::Failed(failure)
            };
        }
        let Some(answers) = Answers::read(read, &chunks) else {
            return Outcome::Ordinary;
        };
        // What comes on this socket says nothing about another one.
        if !self.is_redirected {
            self.source.standing.hear(self.began);
        }
        let error = answers.reply.reply().error();
        // What stands before the read was refused for the same reason: that says nothing about tracking.
        if error.as_ref().is_some_and(ServerError::is_transient) {
            return Outcome::Ordinary;
        }
        self.note_tracking(&answers);
        if let Some(error) = error {
            if matches!(error.code(), "MOVED" | "ASK" | "READONLY") {
                return Outcome::Ordinary;
            }
            return Outcome::Reply(store::compact(answers.reply.as_bytes()));
        }
        let kept_until = self.kept_until(&answers);
        match &self.wanted {
            Wanted::Whole(part) => {
                let reply = store::compact(answers.reply.as_bytes());
                if let Some(expires) = kept_until
                    && let Some((bytes, key)) = read.args.cacheable()
                {
                    self.keep(part, (bytes, key), &reply, expires);
                }
                Outcome::Reply(reply)
            }
            Wanted::Each(parts) => self.end_each(parts, read, answers.reply, kept_until),
        }
    }

    /// Keeps every element of the reply by itself.
    fn end_each(
        &self,
        parts: &[Part],
        read: &TrackedRead,
        reply: FrameRef<'_>,
        kept_until: Option<u64>,
    ) -> Outcome {
        let Some(elements) = reply.to_frame().elements() else {
            return Outcome::Ordinary;
        };
        let elements: Arc<[Bytes]> = elements
            .map(|element| store::compact(element.as_bytes()))
            .collect();
        if elements.len() != parts.len() {
            return Outcome::Ordinary;
        }
        if let Some(expires) = kept_until {
            let mut wanted = parts.iter().zip(&*elements);
            read.args.each_key(|key| {
                if let Some((part, element)) = wanted.next() {
                    let (bytes, place) = command_of(self.info, key);
                    self.keep(part, (&bytes, place), element, expires);
                }
            });
        }
        Outcome::Elements(elements)
    }

    /// Notes what the replies say about the reports of the server.
    fn note_tracking(&self, answers: &Answers<'_>) {
        let epoch = self.epoch;
        match (answers.enabled, answers.opted_in) {
            (Some(true), _) if self.is_redirected || self.source.link.speaks_resp3() => {
                self.source.standing.note(epoch, Tracking::On);
            }
            // In RESP2 the server says that tracking is on, and reports nothing. The next read tells it where to.
            (Some(true), _) => {}
            (Some(false), _) => {
                if self.source.standing.note(epoch, Tracking::Refused) {
                    super::trace::refused(&self.source.link.config);
                }
            }
            (None, Some(false)) if self.source.present().epoch == epoch => {
                self.source.forget(|_| Tracking::Off);
            }
            (None, _) => {}
        }
    }

    /// Until which millisecond the reply may be kept, if at all.
    fn kept_until(&self, answers: &Answers<'_>) -> Option<u64> {
        let is_on = Present {
            epoch: self.epoch,
            tracking: Tracking::On,
        };
        let is_tracked =
            self.may_keep && answers.opted_in != Some(false) && self.source.present() == is_on;
        let expires = self.expires(answers.ttl);
        (is_tracked && expires > self.shared.now()).then_some(expires)
    }

    fn keep(&self, part: &Part, command: (&[u8], Range<usize>), reply: &Bytes, expires: u64) {
        let (bytes, key) = command;
        let fits = reply.len() <= self.shared.settings.max_reply_bytes;
        let is_current = self
            .shared
            .is_current(&part.stamp, self.source.present(), part.hash);
        let command = CommandRef {
            bytes,
            hash: part.hash,
        };
        if fits
            && is_current
            && let Some(command) = Command::new(command, key)
        {
            let entry = Entry {
                reply: reply.clone(),
                stamp: part.stamp.clone(),
                expires,
            };
            self.shared.store.insert(command, entry);
        }
    }

    /// The millisecond from which on the reply is not served. The key was read after the read was begun, so it does not
    /// expire earlier.
    fn expires(&self, ttl: Option<u64>) -> u64 {
        let ours = self.shared.settings.ttl.map(milliseconds);
        let least = [ours, ttl].into_iter().flatten().min();
        least.map_or(u64::MAX, |least| self.began.saturating_add(least))
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

impl Drop for Flight {
    /// Everybody who waited has gone.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        match std::mem::replace(state, State::Changing) {
            State::Over(_, args) => args.retire(),
            State::Running(..) | State::Changing => {
                self.flights.withdraw(self);
                self.give_up();
            }
        }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flight").field(&self.info.name).finish()
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

/// A view of a reply that was given out.
pub(super) fn frame(reply: &Bytes) -> FrameRef<'_> {
    FrameRef::of_bytes(reply)
}
