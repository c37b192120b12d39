//! One socket, from the handshake to its end: reading, writing and checking that the server still answers. None waits
//! for another.
//!
//! # Layout
//!
//! - `arrived`: the whole frames that have come, and replies that go to the callers who wait for them
//! - `hand_out`: replies and pushes, handed out in the order in which they came

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::end::{End, lost};
use super::lifespan::Lifespan;
use super::relocation::Moving;
use super::timer::{Timer, earlier, keep_deadlines};
use crate::config::{Backoff, Transport};
use crate::engine::inflight::{Order, Unanswered};
use crate::engine::link::Link;
use crate::engine::maintenance::Relaxation;
use crate::runtime::after;
use crate::wire::fixed_command;
use crate::wire::outgoing::PIECES;
use crate::wire::scan::Scanner;

mod arrived;
mod hand_out;

use arrived::Frames;

/// The number of bytes of one read: it doubles when reads fill the buffer, and halves when they use little of it. So
/// an idle connection needs little memory, and a busy one makes few system calls.
const LEAST_READ: usize = 2 * 1024;
const MOST_READ: usize = 64 * 1024;
/// The same on a new socket, until a read fills it: many are used once and then rest.
const FIRST_READ: usize = 256;
/// A read buffer larger than this many reads is freed.
const KEEP: usize = 4;
/// The most memory that is reserved at once because the server announced a long reply. If it grew from a few KiB in
/// steps, an allocator would take memory from the system and give it back for each reply.
const TRUSTED: usize = 1024 * 1024;
/// The number of reads before other tasks on this thread get their turn.
const READS_PER_TURN: usize = 16;
/// How long to wait before a refused subscription is asked for again.
const RETRY: Backoff = Backoff {
    first: Duration::from_millis(100),
    longest: Duration::from_secs(5),
};
/// Why a socket was given up after a failover.
const LEFT: &str = "the Sentinels name another server for the service";
const PING: &[u8] = fixed_command!("PING");

pub(super) struct Session {
    stream: Box<dyn Transport>,
    scanner: Scanner,
    input: BytesMut,
    /// Whole frames at the start of the input.
    found: Frames,
    /// In how many of these replies there is a push that was not handed out yet.
    with_inner_pushes: usize,
    /// How much memory the input buffer has: it stays allocated while any part of it is in use.
    allocated: usize,
    /// How much is read at once.
    step: usize,
    /// The bytes that were taken from the queue and are not answered.
    unanswered: Unanswered,
    /// When this turn began: the clock is read once per turn.
    now: Instant,
    /// Whether writing was postponed by one turn, so that more commands are sent in one write.
    yielded: bool,
    /// Whether only half of the replies that arrived have been handed out.
    halved: bool,
    /// Whether a transport with a buffer may still hold bytes.
    unflushed: bool,
    liveness: Option<Duration>,
    /// Set while announced maintenance makes limits of time longer.
    relaxation: Option<Relaxation>,
    /// The server said that its endpoint moves, and nothing was done about it yet.
    moving: Option<Moving>,
    /// When the server last showed that it is alive: bytes came, or a full socket took more.
    progress: Instant,
    /// Whether the socket could take no more bytes at the last write.
    full: bool,
    lifespan: Lifespan,
    /// When the socket is given up even if replies are owed, because another server is to be used.
    leave_by: Option<Instant>,
    /// When to ask again for subscriptions that were refused.
    retry: Option<Instant>,
    /// How often in a row the server was asked in vain.
    refusals: u32,
    /// When a PING was sent, if nothing has come since.
    asked: Option<Instant>,
    /// When the next check is due.
    due: Option<Instant>,
}

/// Whether there may be more to do at once.
#[derive(PartialEq, Eq)]
enum Progress {
    Progress,
    Idle,
}

impl Session {
    pub(super) fn new(stream: Box<dyn Transport>, pushes: BytesMut, link: &Link) -> Self {
        let now = Instant::now();
        let mut session = Self {
            stream,
            scanner: Scanner::new(link.config.limits),
            allocated: pushes.capacity(),
            input: pushes,
            found: Frames::default(),
            with_inner_pushes: 0,
            step: FIRST_READ,
            unanswered: Unanswered::default(),
            now,
            yielded: false,
            halved: false,
            unflushed: false,
            liveness: link.config.liveness,
            relaxation: link.relaxation(),
            moving: None,
            progress: now,
            full: false,
            lifespan: Lifespan::new(link, now),
            leave_by: None,
            retry: None,
            refusals: 0,
            asked: None,
            due: None,
        };
        // These were scanned before, so there is no error. The last one may be incomplete.
        let _ = session.find_frames(link);
        session
    }

    /// Where the server said that its endpoint moves, if nothing was done about it yet.
    pub(super) fn take_move(&mut self) -> Option<Moving> {
        self.moving.take()
    }

    /// The bytes that were taken from the queue and are not answered.
    pub(super) fn unanswered(&mut self) -> &mut Unanswered {
        &mut self.unanswered
    }

    pub(super) fn poll(
        &mut self,
        link: &Link,
        timer: &mut Timer,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        match self.turn(link, timer, woken, cx) {
            Ok(()) => Poll::Pending,
            Err(end) => {
                self.hand_rest(link, woken, cx);
                Poll::Ready(end)
            }
        }
    }

    /// Does all that can be done now, and leaves wakers for the rest.
    fn turn(
        &mut self,
        link: &Link,
        timer: &mut Timer,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        self.now = Instant::now();
        // This comes first: it leaves the waker, so that anything callers do from now on polls the
        // driver again.
        self.heed(link, woken, cx)?;
        if std::mem::take(&mut self.halved) {
            self.yielded = true;
            while self.write(link, woken, cx)? == Progress::Progress {}
        }
        self.read(link, woken, cx)?;
        self.subscribe(link, woken, cx);
        while self.write(link, woken, cx)? == Progress::Progress {}
        let sign = self.sign_of_life(link, woken)?;
        if sign.pinged {
            while self.write(link, woken, cx)? == Progress::Progress {}
        }
        self.flush(cx)?;
        let look_again = earlier(self.retry, self.leave_by);
        let look_again = earlier(look_again, sign.look_again);
        let look_again = earlier(look_again, self.lifespan.check(link, self.now, woken)?);
        keep_deadlines(link, timer, woken, look_again, self.now, cx);
        Ok(())
    }

    /// Shuts the stream down in good order.
    pub(super) async fn say_goodbye(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Does what callers ordered, other than writing.
    fn heed(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        let (unanswered, now) = (&mut self.unanswered, self.now);
        let leave_by = &mut self.leave_by;
        let again = link.config.reconnect;
        link.with(woken, |queue, _| {
            queue.park(cx.waker());
            queue.stamp(now);
            queue.release(unanswered);
            *leave_by = queue.leaves_by();
            if let Some(by) = *leave_by
                && queue.order != Order::Close
                && (by <= now || !queue.would_lose(again))
            {
                return Err(End::Lost(lost(io::ErrorKind::ConnectionAborted, LEFT)));
            }
            let order = queue.order;
            match order {
                Order::Serve => Ok(()),
                Order::Close => Err(End::Closed),
                Order::Drain if queue.is_kept(cx.waker()) => Ok(()),
                Order::Drain => Err(End::Closed),
                Order::Renew if queue.owed() > 0 || !unanswered.is_written() => Ok(()),
                Order::Renew => Err(End::Renew),
                Order::Leave => Err(End::Lost(lost(
                    io::ErrorKind::ConnectionAborted,
                    "its node lost its role, and gave no answer",
                ))),
            }
        })?;
        if link.retires() {
            return Err(End::Closed);
        }
        Ok(())
    }

    // ---- reading ----

    fn read(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        if self.is_held_up() {
            self.hand_out(link, woken, cx)?;
        }
        for _ in 0..READS_PER_TURN {
            if self.is_held_up() {
                // The server is not silent: we did not read.
                (self.progress, self.asked) = (self.now, None);
                return Ok(());
            }
            self.make_room();
            let read = pin!(self.stream.read_buf(&mut self.input)).poll(cx);
            match read {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => {
                    return Err(End::Lost(lost(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed it",
                    )));
                }
                Poll::Ready(Ok(count)) => {
                    self.adapt_step(count);
                    self.progress = self.now;
                    self.asked = None;
                    // Replies that came whole before bytes that are not RESP still belong to their
                    // callers.
                    let end = self.find_frames(link);
                    self.hand_out(link, woken, cx)?;
                    end?;
                }
                Poll::Ready(Err(error)) => {
                    return Err(End::Lost(lost(error.kind(), &error.to_string())));
                }
            }
        }
        // There may be more to read, but other tasks get their turn first.
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn make_room(&mut self) {
        // `allocated` is compared, not the capacity: a small rest of a large buffer keeps all of it
        // allocated.
        if self.input.is_empty() && self.allocated > KEEP * self.step {
            self.input = BytesMut::new();
        }
        let room = self.input.capacity() - self.input.len();
        // The announced length of a reply is trusted up to a bound. Beyond it, room grows with what has arrived.
        let trusted = TRUSTED.max(self.step + self.input.len());
        let wanted = self.scanner.missing().min(trusted);
        if room < self.step / 4 || room < wanted {
            self.input.reserve(wanted.max(self.step));
            self.allocated = self.input.capacity();
        }
    }

    /// Adapts the size of reads: `count` bytes were read.
    fn adapt_step(&mut self, count: usize) {
        let filled = self.input.len() == self.input.capacity();
        if filled {
            self.step = (self.step * 2).min(MOST_READ);
        } else if count < self.step / 8 {
            self.step = (self.step / 2).max(LEAST_READ).min(self.step);
        }
    }

    // ---- writing ----

    fn write(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<Progress, End> {
        if self.unanswered.is_written() && !self.take_output(link, woken, cx) {
            return Ok(Progress::Idle);
        }
        match self.poll_write(cx) {
            Poll::Pending => {
                self.full = true;
                Ok(Progress::Idle)
            }
            Poll::Ready(Ok(0)) => Err(End::Lost(lost(
                io::ErrorKind::WriteZero,
                "the socket takes no more bytes",
            ))),
            Poll::Ready(Ok(count)) => {
                self.unanswered.wrote(count);
                self.unflushed = true;
                // A write alone proves nothing: the kernel takes bytes for a dead peer, too, until
                // its buffer is full.
                if std::mem::take(&mut self.full) {
                    self.progress = self.now;
                }
                // Callers who queued something meanwhile have woken the driver for another turn.
                Ok(if self.unanswered.is_written() {
                    Progress::Idle
                } else {
                    Progress::Progress
                })
            }
            Poll::Ready(Err(error)) => Err(End::Lost(lost(error.kind(), &error.to_string()))),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut *self.stream);
        if let Some(bytes) = self.unanswered.single() {
            return stream.poll_write(cx, bytes);
        }
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = self.unanswered.fill(&mut slices);
        stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
    }

    /// Plain sockets send at once; a user's transport may have a buffer that has to be flushed.
    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.unflushed {
            match Pin::new(&mut *self.stream).poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => {
                    return Err(End::Lost(lost(error.kind(), &error.to_string())));
                }
            }
        }
        Ok(())
    }

    /// Takes what callers queued. While replies are owed, this is postponed by one turn of the scheduler: callers
    /// who were woken by replies then queue their next commands, and all are sent in one write.
    fn take_output(&mut self, link: &Link, woken: &mut Vec<Waker>, cx: &mut Context<'_>) -> bool {
        let now = self.now;
        let yielded = std::mem::take(&mut self.yielded);
        let (unanswered, renewing) = (&mut self.unanswered, &mut self.yielded);
        link.with(woken, |queue, _| {
            if !queue.may_write() {
                if queue.is_drained() {
                    // The next turn acts on this.
                    cx.waker().wake_by_ref();
                }
                return false;
            }
            if queue.owed() > 0 && !yielded {
                *renewing = true;
                cx.waker().wake_by_ref();
                return false;
            }
            queue.take_output(unanswered, now);
            true
        })
    }

    // ---- subscriptions ----

    /// Queues the commands that bring the server's subscriptions closer to the wanted ones.
    fn subscribe(&mut self, link: &Link, woken: &mut Vec<Waker>, cx: &mut Context<'_>) {
        if self.retry.is_some_and(|retry| retry <= self.now) {
            self.retry = None;
            self.refusals = self.refusals.saturating_add(1);
            link.hub().retry_postponed();
        }
        if !link.hub().is_dirty() {
            return;
        }
        let commands = link.hub().take_operations(link);
        link.with(woken, |queue, _| {
            commands
                .iter()
                .for_each(|(command, awaits)| queue.push_own(command, *awaits));
        });
        if self.is_held_up() {
            // What stands before the confirmations may have room now.
            cx.waker().wake_by_ref();
        }
    }

    // ---- liveness ----

    fn extra_time(&self) -> Duration {
        self.relaxation
            .map_or(Duration::ZERO, |relaxation| relaxation.extra_at(self.now))
    }

    /// Sends a PING after half of the liveness time without a sign of life from the server, and gives the socket
    /// up after all of it, but never sooner than half of it after the PING.
    fn sign_of_life(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<Sign, End> {
        let now = self.now;
        let Some(bound) = self
            .liveness
            .map(|bound| bound.saturating_add(self.extra_time()))
        else {
            return Ok(Sign::default());
        };
        let half = bound / 2;
        // If the task was polled late, it has not read meanwhile either: the silence may be our own
        // fault.
        let overslept = self
            .due
            .take()
            .is_some_and(|due| now > after(due, half / 4));
        let mut pinged = false;
        if now >= after(self.progress, half) {
            // A server that holds a blocking command answers nothing else. If it may do so for ever, the keep-alive
            // of the kernel has to notice a loss.
            if let Some(until) = link.with(woken, |queue, _| queue.held_until(now)) {
                let lives = until.and_then(|until| until.checked_sub(half));
                (self.progress, self.asked) = (lives.unwrap_or(now), None);
            } else if self.asked.is_none() {
                pinged = link.with(woken, |queue, _| queue.ask(PING));
                if pinged {
                    self.asked = Some(now);
                } else {
                    self.progress = now;
                }
            } else if overslept {
                self.asked = Some(now);
            }
        }
        let due = match self.asked {
            None => after(self.progress, half),
            Some(asked) => after(self.progress, bound).max(after(asked, half)),
        };
        if self.asked.is_some() && now >= due {
            let silent = self.progress.elapsed();
            let text = format!("the server gave no sign of life for {silent:.1?}");
            return Err(End::Lost(lost(io::ErrorKind::TimedOut, &text)));
        }
        self.due = Some(due);
        Ok(Sign {
            pinged,
            look_again: self.due,
        })
    }
}

/// The result of a liveness check.
#[derive(Default)]
struct Sign {
    /// Whether there may be a PING to write.
    pinged: bool,
    look_again: Option<Instant>,
}
