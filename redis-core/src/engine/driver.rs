//! The task that owns a socket. It connects, writes what callers queued, hands out what arrives, checks
//! deadlines and that the server still answers, and connects again.
//!
//! ```text
//!            ┌────────────── pause ◄─────────────┐
//!            ▼                                   │ lost
//!        connect ──► handshake ──► serve ────────┤
//!        ▲   │ refused by the server  │          │ closed, or a link that must not reconnect
//!        │   ▼                        │ unused   ▼
//!        │ pause                      ▼         end
//!        └────────────────────────── sleep
//! ```
//!
//! # Layout
//!
//! - `session/`: one socket, from the handshake to its end; `end`: how it ended
//! - `relocation`: a new socket that is opened before the old one is left
//! - `lifespan`: when a socket that still works is given up
//! - `timer`: when the driver is polled next

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::events::ConnectionEvent;
use super::inflight::{Failure, Order, Unanswered};
use super::link::Link;
use super::renewal::Renewal;
use super::subscriptions::hub::{Hub, Line};
use crate::config::{Address, Config, Moves};
use crate::connect::{self, Boxed, Ready, Refusal};
use crate::error::{Obstacle, Phase};
use crate::runtime::Task;
use crate::runtime::planted::Planted;

mod end;
mod lifespan;
mod relocation;
mod session;
mod timer;

use end::End;
use relocation::Relocation;
use session::Session;
use timer::{Timer, keep_deadlines};

/// A socket that lived for at least this long did not fail right away.
const SETTLED: Duration = Duration::from_secs(1);
/// How long closing a socket may take.
const GOODBYE: Duration = Duration::from_millis(250);

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

    /// Opens the first socket; a failure is returned to the caller.
    pub(crate) fn open_first(&self) -> Boxed<'_, Box<Ready>> {
        Box::pin(async {
            let outcome = open_socket(&self.link).await;
            match &outcome {
                Ok(ready) => {
                    introduce(&self.link, ready);
                    self.link
                        .announce(ConnectionEvent::Ready(ready.address.clone()));
                }
                Err(refusal) => self.link.announce(ConnectionEvent::failed(refusal)),
            }
            outcome
        })
    }

    /// Serves a socket, and those that replace it, until the end. Without a first socket, it waits until one is
    /// needed; for subscriptions one is needed at once.
    pub(crate) fn run(self, first: Option<Box<Ready>>) -> Task {
        Box::pin(self.serve_all(first))
    }

    async fn serve_all(mut self, first: Option<Box<Ready>>) {
        let mut asleep = first.is_none() && !self.link.is_for_subscriptions();
        let mut next = first;
        let mut attempt = 0;
        loop {
            if asleep && self.sleep().await.is_none() {
                break;
            }
            let ready = match next.take() {
                Some(ready) => ready,
                None => match self.reconnect(&mut attempt).await {
                    Some(ready) => ready,
                    None => break,
                },
            };
            let (start, before) = (Instant::now(), self.link.counts());
            let (end, successor) = self.serve(ready).await;
            asleep = matches!(end, End::Unused);
            match end {
                End::Closed => break,
                End::Lost(_) if !self.link.config.reconnect => break,
                End::Unused => {
                    attempt = 0;
                    continue;
                }
                End::Lost(_) | End::Renew => {}
            }
            // A socket that was lost right away counts as one more failed attempt.
            attempt = if start.elapsed() >= SETTLED {
                0
            } else if self.link.counts().answers() > before.answers() {
                1
            } else {
                attempt + 1
            };
            self.link.count(|counts| counts.reconnects += 1);
            if let Some(ready) = successor {
                self.adopt(&ready);
                next = Some(ready);
            }
        }
    }

    /// Waits until there is something to send, or a subscription to serve; `None` if the connection was closed meanwhile.
    async fn sleep(&mut self) -> Option<()> {
        self.link.with(&mut self.woken, |queue, _| queue.sleep());
        let link = self.link.clone();
        let needed = std::future::poll_fn(|_| {
            let idle = link.with(&mut Vec::new(), |queue, _| queue.is_idle());
            if idle && !link.hub().needs(&*link) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        self.meanwhile(needed).await
    }

    /// Serves a socket to its end. If a new one was opened meanwhile, because the endpoint moves, it is returned.
    async fn serve(&mut self, ready: Box<Ready>) -> (End, Option<Box<Ready>>) {
        // In RESP2 a socket with subscriptions takes no AUTH: when the server closes it, the next one gets new
        // credentials.
        let takes_auth = ready.resp3 || !self.link.is_for_subscriptions();
        let _renewal = ready
            .renewal
            .filter(|_| takes_auth)
            .map(|after| Renewal::start(self.link.clone(), after));
        let mut session = Session::new(ready.stream, ready.pushes, &self.link);
        let (origin, mut relocation) = (ready.origin, Relocation::default());
        self.link.hub().connected(&*self.link);
        let end = std::future::poll_fn(|cx| {
            let end = session.poll(&self.link, &mut self.timer, &mut self.woken, cx);
            if end.is_pending() {
                if let Some(moving) = session.take_move() {
                    relocation.begin(&self.link, &origin, moving);
                }
                relocation.advance(&self.link, cx);
            }
            end
        })
        .await;
        let end = match end {
            End::Lost(_) if Planted::ClosedByLoss.is_here() && self.link.config.reconnect => {
                End::Closed
            }
            end => end,
        };
        let is_last = self.is_last(&end);
        self.give_up(&end, is_last, session.unanswered());
        if !matches!(end, End::Lost(_)) {
            // A failure does not matter: the socket is not used again.
            let _ = Box::pin(tokio::time::timeout(GOODBYE, session.say_goodbye())).await;
        }
        (end, relocation.into_ready().filter(|_| !is_last))
    }

    /// Whether no other socket is opened after one that ended so.
    fn is_last(&self, end: &End) -> bool {
        match end {
            End::Closed => true,
            End::Lost(_) | End::Renew => !self.link.config.reconnect,
            End::Unused => false,
        }
    }

    /// The socket is not used any more: tells those who wait for something on it.
    fn give_up(&mut self, end: &End, is_last: bool, unanswered: &mut Unanswered) {
        let failure = end.failure();
        self.link.hub().lost(&*self.link, &mut self.woken);
        // The next socket may lead to another server, or to one that was restarted.
        if !Planted::StaleScripts.is_here() {
            self.link.scripts.clear();
        }
        self.link.with(&mut self.woken, |queue, woken| {
            let again = !is_last && matches!(failure, Failure::Lost(..));
            queue.lost(&failure, unanswered, again, woken);
            if is_last {
                let _known = queue.end(&failure, woken);
            }
        });
        match end {
            End::Closed => {}
            End::Unused => self.link.announce(ConnectionEvent::Dormant),
            End::Lost(_) | End::Renew => {
                self.link.announce(ConnectionEvent::Lost(failure.reason()));
            }
        }
    }

    /// Tries until there is a socket; `None` if the connection was closed meanwhile.
    async fn reconnect(&mut self, attempt: &mut u32) -> Option<Box<Ready>> {
        let mut moves = moves(&self.link.config);
        loop {
            let delay = attempt.checked_sub(1).map_or(Duration::ZERO, |failed| {
                self.link.config.backoff.pause(failed)
            });
            self.link.announce(ConnectionEvent::Reconnecting {
                attempt: *attempt,
                delay,
            });
            if !delay.is_zero() {
                let pause = pause(delay, moves.as_mut());
                self.meanwhile(pause).await?;
            }
            let link = self.link.clone();
            match self.meanwhile(open_socket(&link)).await? {
                Ok(ready) => {
                    self.adopt(&ready);
                    return Some(ready);
                }
                Err(refusal) => self.note_failure(refusal),
            }
            *attempt = attempt.saturating_add(1);
        }
    }

    /// A new socket takes the place of one that was lost or left.
    fn adopt(&mut self, ready: &Ready) {
        introduce(&self.link, ready);
        // It may be another server, or one that was restarted.
        self.link.scripts.clear();
        self.link.forget_maintenance();
        self.link.with(&mut self.woken, |queue, _| queue.admitted());
        self.link
            .announce(ConnectionEvent::Ready(ready.address.clone()));
    }

    fn note_failure(&mut self, refusal: Refusal) {
        self.link.announce(ConnectionEvent::failed(&refusal));
        self.link.count(|counts| counts.failed_connects += 1);
        let failure = match refusal {
            refusal if !refusal.is_final() => {
                let failure = unreachable(&refusal);
                let obstacle = Arc::new(Obstacle::NotConnected(refusal.into_source()));
                return self.link.with(&mut self.woken, |queue, woken| {
                    queue.unreached = Some(obstacle);
                    queue.unreachable(failure, woken);
                });
            }
            Refusal::Server(error) => Failure::Refused(Phase::NotSent, error),
            Refusal::Tls(error) => Failure::Tls(Phase::NotSent, error),
            Refusal::Io(_)
            | Refusal::Credentials(_)
            | Refusal::Sentinel(_)
            | Refusal::OldProtocol(_) => return,
        };
        self.link
            .hub()
            .shut_out(&*self.link, &failure, &mut self.woken);
        self.link
            .with(&mut self.woken, |queue, woken| queue.refuse(failure, woken));
    }

    /// Runs `work` while deadlines are checked; `None` if the connection was closed and nothing is
    /// queued.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            if self.ends_before(cx) {
                return Poll::Ready(None);
            }
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            let now = Instant::now();
            self.link.with(&mut self.woken, |queue, _| queue.stamp(now));
            keep_deadlines(&self.link, &mut self.timer, &mut self.woken, None, now, cx);
            Poll::Pending
        })
        .await
    }

    /// Ends the connection if it was closed and nothing is queued. Otherwise leaves a waker, so that a change
    /// wakes the task.
    fn ends_before(&mut self, cx: &mut Context<'_>) -> bool {
        self.link
            .with(&mut self.woken, |queue, _| queue.park(cx.waker()));
        // Checked after the waker was left, so that a change is not missed.
        let retires = self.link.retires();
        self.link.with(&mut self.woken, |queue, woken| {
            let over = match queue.order {
                _ if retires => true,
                Order::Close => true,
                Order::Drain => !queue.is_kept(cx.waker()),
                Order::Serve | Order::Renew | Order::Leave => false,
            };
            if over {
                let _known = queue.end(&Failure::Closed(Phase::NotSent), woken);
            }
            over
        })
    }
}

impl Drop for Driver {
    /// The runtime may shut down and drop the task: no caller may wait for ever then.
    fn drop(&mut self) {
        let failure = self.link.with(&mut self.woken, |queue, woken| {
            queue.end(&Failure::Abandoned(Phase::MaybeApplied), woken)
        });
        self.link.hub().end(&*self.link, &failure, &mut self.woken);
        self.woken.drain(..).for_each(Waker::wake);
        self.link.announce(ConnectionEvent::Closed);
    }
}

/// Reports the moves of the service from now on, if there is a service.
fn moves(config: &Config) -> Option<Moves> {
    config.service()?;
    Some(config.service.sentinels.moves())
}

/// Waits for `delay`, or until the service has moved.
async fn pause(delay: Duration, moves: Option<&mut Moves>) {
    match moves {
        None => tokio::time::sleep(delay).await,
        Some(moves) => drop(tokio::time::timeout(delay, moves.next()).await),
    }
}

async fn open_socket(link: &Arc<Link>) -> Result<Box<Ready>, Refusal> {
    let follower: Weak<Link> = Arc::downgrade(link);
    link.config.service.sentinels.forget(follower);
    link.with(&mut Vec::new(), |queue, _| {
        queue.left_since = None;
        let connecting = || Arc::new(link.config.connecting());
        queue.unreached.get_or_insert_with(connecting);
    });
    let opened = |address: &Address| link.announce(ConnectionEvent::Connected(address.clone()));
    connect::connect(&link.config, &opened).await
}

/// Notes which server the link has now.
fn introduce(link: &Arc<Link>, ready: &Ready) {
    link.set_resp3(ready.resp3);
    link.set_server(ready.server);
    link.place.note((&ready.address, ready.peer));
    follow(link, &ready.address);
}

/// Why nothing can be sent to the server at the moment.
fn unreachable(refusal: &Refusal) -> Failure {
    let kind = match refusal {
        Refusal::Io(error) | Refusal::OldProtocol(error) => error.kind(),
        _ => io::ErrorKind::NotConnected,
    };
    Failure::Lost(Phase::NotSent, kind, refusal.to_string().into())
}

/// Registers a new connection with the service that it belongs to.
fn follow(link: &Arc<Link>, at: &Address) {
    let config = &link.config;
    let Some(service) = config.service() else {
        return;
    };
    let follower: Weak<Link> = Arc::downgrade(link);
    config
        .service
        .sentinels
        .join(follower, at, config.service.role);
    link.keep_guard(connect::guard(config, service));
}

/// Opens a socket that serves only the subscriptions of a hub.
pub(crate) fn open_apart(config: Arc<Config>, hub: Arc<Hub>) -> (Weak<dyn Line>, Task) {
    let link = Arc::new(Link::for_subscriptions(config, hub));
    let line: Weak<Link> = Arc::downgrade(&link);
    (line, Driver::new(link).run(None))
}

#[cfg(test)]
mod tests {
    use std::mem::{size_of, size_of_val};

    use super::*;

    /// A future keeps its largest moment for as long as it lives, so what is rare, such as opening a socket, is boxed.
    #[tokio::test]
    async fn a_connection_that_rests_holds_little_memory() {
        let config = Arc::new(Config::tcp("127.0.0.1", 1));
        let link = Link::new(config, None, open_apart);
        let task = Driver::new(link).serve_all(None);
        assert!(size_of_val(&task) <= 1024, "{}", size_of_val(&task));
        assert!(size_of::<Link>() <= 1024, "{}", size_of::<Link>());
        assert!(size_of::<Hub>() <= 512, "{}", size_of::<Hub>());
    }
}
