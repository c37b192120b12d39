//! A command that blocks until something comes, as a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use crate::client::host::{IntoHost, Repeated};
use crate::command::Args;
use crate::config::Backoff;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::reply::FromRedis;
use crate::request::{AllowsBlocking, IntoRequest};

/// Turns a blocking command into a stream: the command is sent again and again.
///
/// ```ignore
/// let mut jobs = pool.blmpop::<Job>(0, ["urgent", "jobs"], ListEnd::Left).count(10).repeat();
/// loop {
///     let (list, jobs) = jobs.next().await?;
///     // …
/// }
/// ```
pub trait IntoRepeat: IntoRequest + Sized {
    /// The stream. When the time of the command is up and nothing has come, the command is sent again.
    fn repeat<'h>(self) -> Repeat<'h, <Self::Reply as Awaited>::Item>
    where
        Self::Reply: Awaited,
        Self::Sink: IntoHost<'h> + AllowsBlocking,
    {
        let command = self.into_request().into_parts();
        Repeat {
            command: command.map(|(sink, args)| (Repeated::new(sink.into_host()), *args)),
            pause: Pause::default(),
            item: std::marker::PhantomData,
        }
    }
}

impl<C: IntoRequest> IntoRepeat for C {}

/// The reply of a command that waits: `None` if its time is up.
#[diagnostic::on_unimplemented(
    message = "this command replies with `{Self}`, so it does not wait for anything and cannot be repeated as a stream",
    label = "does not wait",
    note = "commands that block can, on a `Pool`, a `Cluster` or an `Exclusive`: BLPOP, BLMPOP, BZPOPMIN, XREAD `.block(..)` and similar ones"
)]
pub trait Awaited {
    /// The type of what came.
    type Item;
}

impl<T: FromRedis> Awaited for Option<T> {
    type Item = T;
}

/// The replies to a blocking command that is sent again and again, as a [`Stream`] that does not end.
///
/// An error is an item too. If it is polled again, the stream pauses and goes on; after several failures in a row the
/// pauses get longer. Only an error of the call itself, which would come each time and for which nothing is sent, ends the
/// stream: an argument that cannot be sent, a command that does not block or had been [sent](crate::Request::send) before, a
/// handle that was closed or has ended with its runtime.
///
/// You can drop the future of `next`, as in `select!`: what arrives is kept for the next call. Dropping the stream ends the
/// command in flight.
#[must_use = "a stream does nothing until it is polled"]
pub struct Repeat<'h, T> {
    /// `None` if it had been sent before.
    command: Option<(Repeated<'h>, Args)>,
    pause: Pause,
    item: std::marker::PhantomData<fn() -> T>,
}

impl<T> Unpin for Repeat<'_, T> {}

impl<T> std::fmt::Debug for Repeat<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeat").finish_non_exhaustive()
    }
}

impl<T: FromRedis> Repeat<'_, T> {
    /// The next item.
    ///
    /// # Errors
    /// The command's failure; the stream goes on when this is called again. If an error of the call itself has ended the
    /// stream, each later call pauses and says that.
    pub async fn next(&mut self) -> Result<T> {
        match std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await {
            Some(item) => item,
            None => Err(self.pause.ended().await),
        }
    }

    /// The reply to the command in flight, or to the next one.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        let Some((running, command)) = &mut self.command else {
            return Poll::Ready(Err(sent_already()));
        };
        let outcome = ready!(running.poll(cx, || again(command)));
        Poll::Ready(outcome.and_then(|frame| {
            frame
                .decode::<Option<T>>()
                .map_err(|error| error.of_command(command.name()))
        }))
    }
}

/// The error of a command that is no use for a stream any more.
pub(super) fn sent_already() -> Error {
    Error::usage(
        "this command had been sent before it was turned into a stream, so its reply is lost; call `stream` or `repeat` without `send`",
    )
}

impl<T: FromRedis> Stream for Repeat<'_, T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        if this.pause.has_ended() {
            return Poll::Ready(None);
        }
        ready!(this.pause.poll(cx));
        loop {
            match ready!(this.poll_reply(cx)) {
                Ok(None) => this.pause.succeeded(),
                Ok(Some(item)) => {
                    this.pause.succeeded();
                    return Poll::Ready(Some(Ok(item)));
                }
                Err(error) => {
                    this.pause.failed(&error);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

fn again(command: &mut Args) -> Result<Args> {
    if let Some(error) = command.take_error() {
        return Err(error);
    }
    if command.block_limit().is_none() {
        return Err(Error::usage(
            "it does not block, so repeating it would keep the server busy; poll it at intervals instead",
        )
        .of_command(command.name()));
    }
    Ok(command.again())
}

/// The pauses of a stream after failures, and its end after one that would come each time.
#[derive(Debug, Default)]
pub struct Pause {
    failures: u32,
    timer: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
}

impl Pause {
    /// Ready once the pause is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        Poll::Ready(())
    }

    /// Resets the pauses: the next failure counts as the first.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Makes the next poll wait, unless a reply came and could not be decoded. An error of the call itself ends the stream.
    pub fn failed(&mut self, error: &Error) {
        self.has_ended |= is_of_call(error);
        if error.phase() != Phase::Applied {
            let pause = Backoff::default().pause(self.failures);
            self.failures = self.failures.saturating_add(1);
            self.timer = Some(Box::pin(sleep(pause)));
        }
    }

    /// Whether the stream has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The error of a stream that has ended, after a pause: whoever takes it for one that passes is not to keep a thread busy.
    pub async fn ended(&mut self) -> Error {
        std::future::poll_fn(|cx| self.poll(cx)).await;
        let error = Error::usage("this stream has ended with the error that it gave before");
        self.failed(&error);
        error
    }
}

/// Whether the same call would fail each time: it is wrong in itself, or its handle was closed, or has ended with its runtime.
fn is_of_call(error: &Error) -> bool {
    let is_for_ever = matches!(
        error.kind(),
        ErrorKind::Argument(_) | ErrorKind::Usage(_) | ErrorKind::Closed | ErrorKind::RuntimeEnded
    );
    is_for_ever && error.phase() == Phase::NotSent
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::client::host::{Call, Host, Issue, unless_refused};
    use crate::command::{CommandInfo, Keys, Timeout, command_info};
    use crate::reply::Frame;

    static BLPOP: CommandInfo = command_info!("BLPOP");

    /// Gives these replies, and then fails the test.
    #[derive(Debug)]
    struct Script(Mutex<VecDeque<&'static str>>);

    impl Issue for Script {
        fn issue(&self, _args: Box<Args>) -> Call<'_> {
            let reply = self.0.lock().unwrap().pop_front().unwrap();
            let frame = Frame::parse(reply).unwrap();
            Box::pin(std::future::ready(unless_refused(frame)))
        }

        fn cast(&self, _args: Box<Args>) {}
    }

    fn repeat(replies: &[&'static str]) -> Repeat<'static, String> {
        let script = Script(Mutex::new(replies.iter().copied().collect()));
        let mut args = Args::new(&BLPOP, Keys::Ignored);
        args.block(&Timeout::from(1));
        Repeat {
            command: Some((Repeated::new(Host::new(Arc::new(script))), args)),
            pause: Pause::default(),
            item: std::marker::PhantomData,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_with_a_wait_between_them_are_not_in_a_row() {
        let (failure, nothing) = ("-ERR it failed\r\n", "$-1\r\n");
        let mut jobs = repeat(&[failure, failure, nothing, failure, "$1\r\na\r\n"]);
        for failures in [1, 2, 1] {
            jobs.next().await.unwrap_err();
            assert_eq!(jobs.pause.failures, failures);
        }
        assert_eq!(jobs.next().await.unwrap(), "a");
        assert_eq!(jobs.pause.failures, 0);
    }
}
