//! The one task that owns a socket: it connects, writes what callers queued, hands out what arrives, watches the
//! deadlines and the line, and connects again.
//!
//! ```text
//!            ┌────────────── pause ◄─────────────┐
//!            ▼                                   │ lost
//!        connect ──► handshake ──► serve ────────┤
//!            │ refused by the server             │ closed, or a link that must not reconnect
//!            ▼                                   ▼
//!          pause                                end
//! ```

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Link;
use crate::error::{Phase, ServerError};
use crate::handshake::{self, Refusal};
use crate::inflight::{Failure, Wish};
use crate::transport::{self, Transport};

mod session;

use session::Session;

/// How a session on one socket ended.
#[derive(Debug)]
enum End {
    Lost(Failure),
    /// The owner wants no more.
    Closed,
    /// A caller wants another socket.
    Renew,
}

pub(crate) struct Driver {
    link: Arc<Link>,
    timer: Timer,
    woken: Vec<Waker>,
}

impl Driver {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            timer: Timer::default(),
            woken: Vec::new(),
        }
    }

    /// Opens the first socket; its failure is the caller's to see.
    pub(crate) async fn connect(&self) -> Result<Box<dyn Transport>, Refusal> {
        connect(&self.link).await
    }

    /// Serves sockets until the end; the first one has yet to be opened.
    pub(crate) async fn run_anew(mut self) {
        if let Some(stream) = self.reconnect(&mut 0).await {
            self.run(stream).await;
        }
    }

    /// Serves `stream` and its successors until the end.
    pub(crate) async fn run(mut self, stream: Box<dyn Transport>) {
        let mut next = Some(stream);
        let mut attempt = 0;
        while let Some(stream) = next {
            let start = Instant::now();
            next = match self.serve(stream).await {
                End::Closed => None,
                End::Lost(_) if !self.link.config.reconnect => None,
                End::Lost(_) | End::Renew => {
                    // A socket that was lost right away counts as one more failed attempt.
                    attempt = if start.elapsed() < self.link.config.backoff.longest {
                        attempt + 1
                    } else {
                        0
                    };
                    self.reconnect(&mut attempt).await
                }
            };
        }
    }

    async fn serve(&mut self, stream: Box<dyn Transport>) -> End {
        let mut session = Session::new(stream, self.link.config.limits, self.link.config.liveness);
        self.link.hub().connected(&self.link);
        let end = std::future::poll_fn(|cx| {
            session.poll(&self.link, &mut self.timer, &mut self.woken, cx)
        })
        .await;
        let failure = match &end {
            End::Lost(failure) => failure.clone(),
            End::Closed => Failure::Closed(Phase::NotSent),
            End::Renew => lost(
                io::ErrorKind::ConnectionAborted,
                "the socket was given up for a new one",
            ),
        };
        let ends = matches!(end, End::Closed) || !self.link.config.reconnect;
        self.link.hub().lost(&self.link);
        self.link.with(&mut self.woken, |queue, woken| {
            queue.lost(&failure, session.unwritten(), woken);
            if ends {
                let _known = queue.end(&failure, woken);
            }
        });
        end
    }

    /// Tries until a socket is there, or nobody wants one any more.
    async fn reconnect(&mut self, attempt: &mut u32) -> Option<Box<dyn Transport>> {
        loop {
            if let Some(failed) = attempt.checked_sub(1) {
                let pause = self.link.config.backoff.pause(failed);
                self.meanwhile(tokio::time::sleep(pause)).await?;
            }
            let link = self.link.clone();
            match self.meanwhile(connect(&link)).await? {
                Ok(stream) => {
                    // It may be another server, or one that was started anew.
                    self.link.scripts.clear();
                    self.link.with(&mut self.woken, |queue, _| queue.admitted());
                    return Some(stream);
                }
                Err(Refusal::Server(error)) if is_final(&error) => {
                    self.link
                        .hub()
                        .shut_out(&self.link, &error, &mut self.woken);
                    self.link
                        .with(&mut self.woken, |queue, woken| queue.refuse(error, woken));
                }
                Err(_) => {}
            }
            *attempt = attempt.saturating_add(1);
        }
    }

    /// Waits for `work` while deadlines are kept; `None` once the owner wants no more, and nobody waits.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            self.link
                .with(&mut self.woken, |queue, _| queue.park(cx.waker()));
            let retires = self.link.retires();
            let over = self.link.with(&mut self.woken, |queue, woken| {
                let over = match queue.wish {
                    _ if retires => true,
                    Wish::Close => true,
                    Wish::Drain => queue.is_idle(),
                    Wish::Serve | Wish::Renew => false,
                };
                if over {
                    let _known = queue.end(&Failure::Closed(Phase::NotSent), woken);
                }
                over
            });
            if over {
                return Poll::Ready(None);
            }
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            keep_deadlines(&self.link, &mut self.timer, &mut self.woken, None, cx);
            Poll::Pending
        })
        .await
    }
}

impl Drop for Driver {
    /// The runtime may be shut down under us: nobody must wait for ever.
    fn drop(&mut self) {
        let failure = self.link.with(&mut self.woken, |queue, woken| {
            queue.end(&Failure::Closed(Phase::MaybeApplied), woken)
        });
        self.link.hub().end(&self.link, &failure, &mut self.woken);
        self.woken.drain(..).for_each(Waker::wake);
    }
}

async fn connect(link: &Link) -> Result<Box<dyn Transport>, Refusal> {
    let config = &link.config;
    let attempt = async {
        let mut stream = transport::open(config).await?;
        link.set_resp3(handshake::shake(&mut *stream, config).await?);
        Ok(stream)
    };
    match tokio::time::timeout(config.connect_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "{} did not let us in within {:?}",
                config.address, config.connect_timeout
            ),
        ))),
    }
}

/// Whether the callers should be told at once: waiting does not help against a wrong password.
fn is_final(error: &ServerError) -> bool {
    !error.is_transient() && !error.message().contains("max number of clients")
}

fn lost(kind: io::ErrorKind, text: &str) -> Failure {
    Failure::Lost(Phase::MaybeApplied, kind, Arc::from(text))
}

/// Fails what is late, and has the driver polled again at the next deadline, or at `also`.
fn keep_deadlines(
    link: &Link,
    timer: &mut Timer,
    woken: &mut Vec<Waker>,
    also: Option<Instant>,
    cx: &mut Context<'_>,
) {
    let deadline = link.with(woken, |queue, woken| queue.expire(Instant::now(), woken));
    let next = deadline.into_iter().chain(also).min();
    if let Some(next) = next
        && timer.poll(next, cx).is_ready()
    {
        cx.waker().wake_by_ref();
    }
}

/// One timer, moved only when it has to fire earlier or has fired: deadlines move with every command, timers are dear.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready once `instant` is past; else wakes at it, or somewhat before.
    fn poll(&mut self, instant: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(instant)));
        if sleep.deadline() > instant || sleep.is_elapsed() {
            sleep.as_mut().reset(instant);
        }
        ready!(sleep.as_mut().poll(cx));
        if Instant::now() >= instant {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(instant);
        sleep.as_mut().poll(cx)
    }
}
