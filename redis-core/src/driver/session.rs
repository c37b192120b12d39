//! One socket, from the handshake to its end: reading, writing and the sign of life, none of which waits for another.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Instant;

use super::{End, Timer, keep_deadlines, lost};
use crate::connection::Link;
use crate::inflight::{Failure, Wish};
use crate::resp::scan::{Found, FrameKind, Limits, Scanner};
use crate::transport::Transport;

/// What is read at once, at least.
const READ: usize = 16 * 1024;
/// A read buffer that grew beyond this is given back.
const KEEP: usize = 256 * 1024;
/// So much room is made for a reply because the server announced it. In steps from a few KiB on, an allocator would
/// take memory from the system and give it back for each reply.
const TRUSTED: usize = 1024 * 1024;
/// How many reads before others on this thread get their turn.
const READS_PER_TURN: usize = 16;
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
/// How a server refuses a write after it was demoted.
const READONLY: &[u8] = b"-READONLY ";

pub(super) struct Session {
    stream: Box<dyn Transport>,
    scanner: Scanner,
    input: BytesMut,
    found: Vec<Found>,
    output: Vec<u8>,
    written: usize,
    /// Whether the writing of what is queued was put off once, so that more can gather.
    yielded: bool,
    liveness: Option<Duration>,
    /// When the server last showed itself: bytes came, or a full socket took more.
    progress: Instant,
    /// Whether the socket took no more at the last write.
    full: bool,
    pinged: bool,
}

/// Whether there may be more to do at once.
#[derive(PartialEq, Eq)]
enum Step {
    Progress,
    Idle,
}

impl Session {
    pub(super) fn new(
        stream: Box<dyn Transport>,
        limits: Limits,
        liveness: Option<Duration>,
    ) -> Self {
        Self {
            stream,
            scanner: Scanner::new(limits),
            input: BytesMut::new(),
            found: Vec::new(),
            output: Vec::new(),
            written: 0,
            yielded: false,
            liveness,
            progress: Instant::now(),
            full: false,
            pinged: false,
        }
    }

    /// What was taken from the queue and not written.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.output.get(self.written..).unwrap_or_default()
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
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does all that can be done now and leaves wakers for the rest.
    fn turn(
        &mut self,
        link: &Link,
        timer: &mut Timer,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        // First of all, so that whatever callers do from here on has the driver polled again.
        self.heed(link, woken, cx)?;
        self.read(link, woken, cx)?;
        while self.write(link, woken, cx)? == Step::Progress {}
        let sign = self.sign_of_life(link, woken)?;
        if sign.pinged {
            while self.write(link, woken, cx)? == Step::Progress {}
        }
        keep_deadlines(link, timer, woken, sign.look_again, cx);
        Ok(())
    }

    /// What the callers want besides writing.
    fn heed(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        let written = self.unwritten().is_empty();
        link.with(woken, |queue, _| {
            queue.park(cx.waker());
            let wish = queue.wish;
            match wish {
                Wish::Serve => Ok(()),
                Wish::Close => Err(End::Closed),
                Wish::Drain if !queue.is_idle() => Ok(()),
                Wish::Drain => Err(End::Closed),
                Wish::Renew if queue.owed() > 0 || !written => Ok(()),
                Wish::Renew => Err(End::Renew),
            }
        })
    }

    // ---- reading ----

    fn read(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        for _ in 0..READS_PER_TURN {
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
                Poll::Ready(Ok(_)) => {
                    self.progress = Instant::now();
                    self.pinged = false;
                    self.hand_out(link, woken)?;
                }
                Poll::Ready(Err(error)) => {
                    return Err(End::Lost(lost(error.kind(), &error.to_string())));
                }
            }
        }
        // More may be there; others first.
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn make_room(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEEP {
            self.input = BytesMut::new();
        }
        let room = self.input.capacity() - self.input.len();
        // Room for a large reply grows with what has come of it: its announced length is not trusted beyond a bound.
        let trusted = TRUSTED.max(READ + self.input.len());
        let wanted = self.scanner.missing().min(trusted);
        if room < READ / 4 || room < wanted {
            self.input.reserve(wanted.max(READ));
        }
    }

    /// Gives every whole frame that has arrived to whom it belongs.
    fn hand_out(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        // What came whole before bytes that are not RESP is still somebody's reply.
        let end = self.find_frames();
        if self.found.is_empty() {
            return end;
        }
        let mut demoted = false;
        let Self { input, found, .. } = self;
        let handed_out = link.with(woken, |queue, woken| {
            let mut frames = found.drain(..).peekable();
            while let Some(first) = frames.next() {
                if first.kind == FrameKind::Push {
                    // Nobody here subscribes yet; what the server pushes on its own account is no reply.
                    drop(input.split_to(first.len));
                    continue;
                }
                let Some(wanted) = queue.wanted() else {
                    return Err(End::Lost(protocol(
                        "a reply came that nothing had asked for",
                    )));
                };
                let (mut len, mut count) = (first.len, 1);
                demoted |= input.starts_with(READONLY);
                while count < wanted
                    && let Some(next) = frames.next_if(|next| next.kind == FrameKind::Reply)
                {
                    demoted |= input
                        .get(len..)
                        .is_some_and(|next| next.starts_with(READONLY));
                    len += next.len;
                    count += 1;
                }
                queue.deliver(input.split_to(len).freeze(), count, woken);
            }
            woken.extend(queue.next_in_line());
            queue.shrink();
            Ok(())
        });
        if demoted {
            link.suspect_replica();
        }
        handed_out.and(end)
    }

    fn find_frames(&mut self) -> Result<(), End> {
        let mut start = 0;
        loop {
            match self
                .scanner
                .scan(self.input.get(start..).unwrap_or_default())
            {
                Ok(Some(found)) => {
                    start += found.len;
                    self.found.push(found);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Lost(protocol(&error.to_string()))),
            }
        }
    }

    // ---- writing ----

    fn write(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<Step, End> {
        if self.unwritten().is_empty() && !self.take_output(link, woken, cx) {
            return Ok(Step::Idle);
        }
        let unwritten = self.output.get(self.written..).unwrap_or_default();
        match AsyncWrite::poll_write(std::pin::Pin::new(&mut *self.stream), cx, unwritten) {
            Poll::Pending => {
                self.full = true;
                Ok(Step::Idle)
            }
            Poll::Ready(Ok(0)) => Err(End::Lost(lost(
                io::ErrorKind::WriteZero,
                "the socket takes no more bytes",
            ))),
            Poll::Ready(Ok(count)) => {
                self.written += count;
                // The kernel takes bytes for a dead peer, too, until its buffer is full.
                if std::mem::take(&mut self.full) {
                    self.progress = Instant::now();
                }
                Ok(Step::Progress)
            }
            Poll::Ready(Err(error)) => Err(End::Lost(lost(error.kind(), &error.to_string()))),
        }
    }

    /// Takes what callers queued. While replies are owed the first look is put off by one turn of the scheduler: the
    /// callers whom those replies woke get to queue their next command, and all goes out in one write.
    fn take_output(&mut self, link: &Link, woken: &mut Vec<Waker>, cx: &mut Context<'_>) -> bool {
        self.output.clear();
        self.written = 0;
        if self.output.capacity() > KEEP {
            self.output = Vec::new();
        }
        let yielded = std::mem::take(&mut self.yielded);
        let (output, renewing) = (&mut self.output, &mut self.yielded);
        link.with(woken, |queue, _| {
            if !queue.has_output() || queue.wish == Wish::Renew {
                return false;
            }
            if queue.owed() > 0 && !yielded {
                *renewing = true;
                cx.waker().wake_by_ref();
                return false;
            }
            queue.take_output(output);
            true
        })
    }

    // ---- the sign of life ----

    /// Asks a silent server for a sign of life after half the bound, and gives up on it after the whole.
    fn sign_of_life(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<Sign, End> {
        let Some(bound) = self.liveness else {
            return Ok(Sign {
                pinged: false,
                look_again: None,
            });
        };
        let (silent, half) = (self.progress.elapsed(), bound / 2);
        if silent < half {
            return Ok(Sign {
                pinged: false,
                look_again: Some(self.progress + half),
            });
        }
        // A server that holds a blocking command answers nothing else; the kernel's keep-alive watches such a line.
        if link.with(woken, |queue, _| queue.is_held()) {
            self.progress = Instant::now();
            self.pinged = false;
            return Ok(Sign {
                pinged: false,
                look_again: Some(self.progress + half),
            });
        }
        if silent >= bound && self.pinged {
            let text = format!("the server gave no sign of life for {silent:.1?}");
            return Err(End::Lost(lost(io::ErrorKind::TimedOut, &text)));
        }
        let asks = !self.pinged;
        if asks {
            self.pinged = link.with(woken, |queue, _| queue.ask(PING));
            if !self.pinged {
                self.progress = Instant::now();
            }
        }
        let again = (self.progress + bound).max(Instant::now() + half / 4);
        Ok(Sign {
            pinged: asks,
            look_again: Some(again),
        })
    }
}

struct Sign {
    pinged: bool,
    look_again: Option<Instant>,
}

fn protocol(text: &str) -> Failure {
    Failure::Protocol(Arc::from(text))
}
