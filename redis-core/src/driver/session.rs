//! One socket, from the handshake to its end: reading, writing and the sign of life, none of which waits for another.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Instant;

use super::{End, Timer, keep_deadlines, lost};
use crate::connection::Link;
use crate::frame::{Frame, Frames};
use crate::inflight::{Failure, Wish};
use crate::pubsub::push;
use crate::pubsub::table::Received;
use crate::resp::scan::{Found, FrameKind, Limits, Scanner};
use crate::transport::Transport;

/// What is read at once, at least.
const READ: usize = 16 * 1024;
/// A read buffer that grew beyond this is given back.
const KEEP: usize = 256 * 1024;
/// How many reads before others on this thread get their turn.
const READS_PER_TURN: usize = 16;
/// How long to wait before a refused subscription is asked for again.
const RETRY: Duration = Duration::from_millis(100);
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

pub(super) struct Session {
    stream: Box<dyn Transport>,
    scanner: Scanner,
    input: BytesMut,
    /// Whole frames at the start of the input.
    found: VecDeque<Found>,
    /// How much memory the input keeps alive, and with it whoever keeps a part of it.
    allocated: usize,
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
    /// When to ask again for subscriptions that were refused for a reason that passes.
    retry: Option<Instant>,
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
            found: VecDeque::new(),
            allocated: 0,
            output: Vec::new(),
            written: 0,
            yielded: false,
            liveness,
            progress: Instant::now(),
            full: false,
            pinged: false,
            retry: None,
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
        self.subscribe(link, woken);
        while self.write(link, woken, cx)? == Step::Progress {}
        let sign = self.sign_of_life(link, woken)?;
        if sign.pinged {
            while self.write(link, woken, cx)? == Step::Progress {}
        }
        let look_again = sign.look_again.into_iter().chain(self.retry).min();
        keep_deadlines(link, timer, woken, look_again, cx);
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
            match queue.wish {
                Wish::Close => Err(End::Closed),
                Wish::Drain if queue.is_idle() => Err(End::Closed),
                Wish::Renew if queue.owed() == 0 && written => Err(End::Renew),
                Wish::Serve | Wish::Drain | Wish::Renew => Ok(()),
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
        for _ in 0..READS_PER_TURN {
            self.hand_out(link, woken, cx)?;
            if self.is_held_up() {
                // Not the server's silence.
                self.progress = Instant::now();
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
                Poll::Ready(Ok(_)) => {
                    self.progress = Instant::now();
                    self.pinged = false;
                    self.find_frames(link)?;
                }
                Poll::Ready(Err(error)) => {
                    return Err(End::Lost(lost(error.kind(), &error.to_string())));
                }
            }
        }
        self.hand_out(link, woken, cx)?;
        // More may be there; others first.
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn make_room(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEEP {
            self.input = BytesMut::new();
        }
        let room = self.input.capacity() - self.input.len();
        // Room for a large reply grows with what has come of it: its announced length is not trusted.
        let wanted = self.scanner.missing().min(READ + self.input.len());
        if room < READ / 4 || room < wanted {
            self.input.reserve(wanted.max(READ));
            self.allocated = self.input.capacity();
        }
    }

    /// Gives every whole frame that has arrived to whom it belongs.
    fn hand_out(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        while let Some(next) = self.found.front() {
            if next.kind == FrameKind::Reply {
                self.hand_replies(link, woken)?;
            } else if !link.hub().has_room(next.len, cx.waker()) {
                break;
            } else {
                self.hand_push(link, woken);
            }
        }
        woken.drain(..).for_each(Waker::wake);
        Ok(())
    }

    /// Whether frames wait until somebody has read others; nothing more is read meanwhile.
    fn is_held_up(&self) -> bool {
        !self.found.is_empty()
    }

    fn hand_push(&mut self, link: &Link, woken: &mut Vec<Waker>) {
        let Some(found) = self.found.pop_front() else {
            return;
        };
        let frame = Frame::from_scanned(self.input.split_to(found.len).freeze());
        self.hand_inner_pushes(&frame, found, link, woken);
        let may_answer = || link.is_owed_push();
        let received = link
            .hub()
            .receive(&frame, may_answer, self.share_from(), woken);
        if received == Received::Answer {
            link.with(woken, |queue, woken| {
                queue.deliver(Bytes::new(), 1, woken);
                woken.extend(queue.next_in_line());
            });
        }
    }

    /// Servers before 7.2 may push amid a reply.
    fn hand_inner_pushes(&self, frame: &Frame, found: Found, link: &Link, woken: &mut Vec<Waker>) {
        if found.has_inner_pushes {
            for push in frame.inner_pushes() {
                link.hub()
                    .receive(&push, || false, self.share_from(), woken);
            }
        }
    }

    /// What is larger may keep the receive buffer alive, at four times its size at most; smaller payloads are copied.
    fn share_from(&self) -> usize {
        self.allocated / 4
    }

    /// Gives the replies that come before the next push to those who wait for them.
    fn hand_replies(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        if link.is_owed_push() {
            return self.hand_refusal(link, woken);
        }
        let mut with_pushes = Vec::new();
        let (input, found) = (&mut self.input, &mut self.found);
        link.with(woken, |queue, woken| {
            while !queue.is_owed_push()
                && let Some(first) = next_reply(found)
            {
                let Some(wanted) = queue.wanted() else {
                    return Err(End::Lost(protocol(
                        "a reply came that nothing had asked for",
                    )));
                };
                let (mut len, mut count) = (first.len, 1);
                let mut inner = first.has_inner_pushes;
                while count < wanted
                    && let Some(next) = next_reply(found)
                {
                    len += next.len;
                    count += 1;
                    inner |= next.has_inner_pushes;
                }
                let piece = input.split_to(len).freeze();
                if inner {
                    with_pushes.push(piece.clone());
                }
                queue.deliver(piece, count, woken);
            }
            woken.extend(queue.next_in_line());
            queue.shrink();
            Ok(())
        })?;
        for piece in with_pushes {
            for push in Frames::from_scanned(piece).flat_map(|frame| frame.inner_pushes()) {
                link.hub()
                    .receive(&push, || false, self.share_from(), woken);
            }
        }
        Ok(())
    }

    /// A reply to a command that is owed a push can only be an error.
    fn hand_refusal(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        let Some(found) = self.found.pop_front() else {
            return Ok(());
        };
        let frame = Frame::from_scanned(self.input.split_to(found.len).freeze());
        let Some(error) = frame.reply().error() else {
            return Err(End::Lost(protocol(
                "a subscription was answered with neither a push nor an error",
            )));
        };
        link.with(woken, |queue, woken| {
            queue.deliver(Bytes::new(), 1, woken);
        });
        if link.hub().refused(&error, woken) {
            self.retry = Some(Instant::now() + RETRY);
        }
        Ok(())
    }

    // ---- subscriptions ----

    /// Queues the commands that bring the server's subscriptions closer to the wanted ones.
    fn subscribe(&mut self, link: &Link, woken: &mut Vec<Waker>) {
        if self.retry.is_some_and(|retry| retry <= Instant::now()) {
            self.retry = None;
            link.hub().retry_postponed();
        }
        if !link.hub().is_dirty() {
            return;
        }
        let commands = link.hub().take_operations(link);
        link.with(woken, |queue, _| {
            commands
                .iter()
                .for_each(|command| queue.push_subscription(command));
        });
    }

    fn find_frames(&mut self, link: &Link) -> Result<(), End> {
        // RESP2 has no type for pushes; there only sockets apart receive any.
        let pushes_are_arrays = link.is_for_subscriptions() && !link.speaks_resp3();
        let mut start = 0;
        loop {
            match self
                .scanner
                .scan(self.input.get(start..).unwrap_or_default())
            {
                Ok(Some(mut found)) => {
                    let frame = self.input.get(start..start + found.len);
                    if pushes_are_arrays && frame.is_some_and(push::is_push_in_resp2) {
                        found.kind = FrameKind::Push;
                    }
                    start += found.len;
                    self.found.push_back(found);
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
            self.pinged = true;
            link.with(woken, |queue, _| queue.push_own(PING));
        }
        let again = (self.progress + bound).max(Instant::now() + half / 4);
        Ok(Sign {
            pinged: asks,
            look_again: Some(again),
        })
    }
}

fn next_reply(found: &mut VecDeque<Found>) -> Option<Found> {
    match found.front() {
        Some(next) if next.kind == FrameKind::Reply => found.pop_front(),
        _ => None,
    }
}

struct Sign {
    pinged: bool,
    look_again: Option<Instant>,
}

fn protocol(text: &str) -> Failure {
    Failure::Protocol(Arc::from(text))
}
