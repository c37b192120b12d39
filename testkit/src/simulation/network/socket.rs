//! One end of a wire: [`Socket`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::is_due;
use super::pipe::Arrived;
use super::wire::{Direction, Side, State, Wire};

/// One end of a wire.
#[derive(Debug)]
pub(crate) struct Socket {
    wire: Arc<Wire>,
    side: Side,
    /// Fires when the next bytes arrive.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(wire: Arc<Wire>, side: Side) -> Self {
        Self {
            wire,
            side,
            timer: None,
        }
    }

    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Whether this poll is to say that nothing is ready.
    fn hesitates(&self, state: &mut State, cx: &Context<'_>) -> bool {
        let hesitates =
            self.wire.weather().hesitates > 0 && state.random.one_in(self.wire.weather().hesitates);
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }

    /// How many of the bytes are moved at once.
    fn piece(&self, state: &mut State, bytes: usize) -> usize {
        let splits = self.wire.weather().splits;
        if bytes > 1 && splits > 0 && state.random.one_in(splits) {
            1 + state.random.below(bytes - 1)
        } else {
            bytes
        }
    }

    fn wake_at(&mut self, due: Instant, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due || timer.is_elapsed() {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx).is_ready()
    }

    fn read_now(&self, cx: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Result<io::Result<()>, Wait> {
        let direction = Direction::to(self.side);
        self.wire.with(|state| {
            if let Some(kind) = state.broken {
                return Ok(Err(kind.into()));
            }
            let now = Instant::now();
            match state.pipe(direction).arrived(now) {
                Arrived::Bytes(_) | Arrived::End if self.hesitates(state, cx) => Err(Wait::Woken),
                Arrived::Bytes(count) => {
                    let count = self.piece(state, count.min(buffer.remaining()));
                    Ok(self.take(state, direction, count, buffer))
                }
                Arrived::End => Ok(Ok(())),
                Arrived::Later(due) => {
                    state.pipe(direction).reader = Some(cx.waker().clone());
                    Err(Wait::Until(due))
                }
                Arrived::Nothing => {
                    state.pipe(direction).reader = Some(cx.waker().clone());
                    Err(Wait::Woken)
                }
            }
        })
    }

    fn take(
        &self,
        state: &mut State,
        direction: Direction,
        count: usize,
        buffer: &mut ReadBuf<'_>,
    ) -> io::Result<()> {
        let pipe = state.pipe(direction);
        let left = pipe.breaks_after.map(|end| end.saturating_sub(pipe.passed));
        if left == Some(0) {
            state.break_with(io::ErrorKind::ConnectionReset);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = left.map_or(count, |left| {
            count.min(usize::try_from(left).unwrap_or(usize::MAX))
        });
        pipe.take(count, |bytes| buffer.put_slice(bytes));
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Ok(())
    }
}

/// What a reader waits for.
enum Wait {
    Until(Instant),
    /// Somebody has its waker.
    Woken,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.read_now(cx, buffer) {
                Ok(outcome) => return Poll::Ready(outcome),
                Err(Wait::Woken) => return Poll::Pending,
                Err(Wait::Until(due)) => {
                    if !this.wake_at(due, cx) || !is_due(due) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let direction = Direction::from(this.side);
        this.wire.with(|state| {
            if let Some(kind) = state.broken {
                return Poll::Ready(Err(kind.into()));
            }
            if state.reader_gone(direction) || state.pipe(direction).ends.is_some() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let weather = this.wire.weather();
            let room = weather
                .window
                .saturating_sub(state.pipe(direction).under_way);
            if room == 0 {
                state.pipe(direction).writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if this.hesitates(state, cx) {
                return Poll::Pending;
            }
            let count = this.piece(state, bytes.len().min(room));
            let trip = state.random.millis(weather.latency.0..=weather.latency.1);
            let pipe = state.pipe(direction);
            pipe.send(bytes.get(..count).unwrap_or_default(), trip);
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
            Poll::Ready(Ok(count))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().finish();
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    /// Sends the end of the stream.
    fn finish(&self) {
        let direction = Direction::from(self.side);
        let weather = self.wire.weather();
        self.wire.with(|state| {
            let trip = state.random.millis(weather.latency.0..=weather.latency.1);
            let pipe = state.pipe(direction);
            pipe.finish(trip);
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.finish();
        self.wire.with(|state| {
            match self.side {
                Side::Client => state.client_gone = true,
                Side::Server => state.server_gone = true,
            }
            // The other side may be waiting for room.
            if let Some(writer) = state.pipe(Direction::to(self.side)).writer.take() {
                writer.wake();
            }
        });
    }
}
