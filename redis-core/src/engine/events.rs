//! What happens to a connection, as it happens: [`Events`].

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;

use super::maintenance::Maintenance;
use crate::config::Address;
use crate::connect::Refusal;
use crate::runtime::Lock;

/// How many events are kept for a reader that does not read.
const KEPT: usize = 256;

/// Something that happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// A socket is open; the login follows.
    Connected(Address),
    /// The connection is ready for commands.
    Ready(Address),
    /// The socket was lost, or closed to be replaced by a new one.
    Lost(Arc<str>),
    /// A connection is being made again after a pause.
    Reconnecting {
        /// How many attempts have failed since the connection was last ready; 0 for the first.
        attempt: u32,
        /// The pause before the attempt.
        delay: Duration,
    },
    /// An attempt to connect failed.
    Failed(Arc<str>),
    /// The credentials of the live connection were renewed.
    Reauthenticated,
    /// The credentials of the live connection could not be renewed; it will be tried again.
    ReauthenticationFailed(Arc<str>),
    /// The server announces maintenance, or its end; see [`Config::maint_notifications`](crate::Config::maint_notifications).
    Maintenance(Maintenance),
    /// An unused socket was closed; it is opened again when it is needed.
    Dormant,
    /// The connection has ended for good.
    Closed,
    /// This many events were missed, because they were not read in time.
    Lagged(u64),
}

impl ConnectionEvent {
    /// An attempt to connect failed, for this reason.
    pub(crate) fn failed(refusal: &Refusal) -> Self {
        Self::Failed(refusal.to_string().into())
    }
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(address) => write!(f, "connected to {address}"),
            Self::Ready(address) => write!(f, "ready at {address}"),
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Reconnecting { attempt, delay } => {
                write!(f, "reconnecting in {delay:.1?} (attempt {attempt})")
            }
            Self::Failed(reason) => write!(f, "could not connect: {reason}"),
            Self::Reauthenticated => f.write_str("authenticated again"),
            Self::ReauthenticationFailed(reason) => {
                write!(f, "could not authenticate again: {reason}")
            }
            Self::Maintenance(notice) => write!(f, "maintenance: {notice}"),
            Self::Dormant => f.write_str("closed until it is needed"),
            Self::Closed => f.write_str("closed"),
            Self::Lagged(count) => write!(f, "{count} events were missed"),
        }
    }
}

/// A stream of what happens to a connection or pool. It ends with the connection.
///
/// You need not read it: beyond 256 events the oldest are dropped, and [`ConnectionEvent::Lagged`] says how
/// many.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// # async fn example(conn: typedis::Connection) {
/// let mut events = conn.events();
/// tokio::spawn(async move {
///     while let Some(event) = events.next().await {
///         println!("{event}");
///     }
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    mailbox: Arc<Mailbox>,
}

impl Events {
    /// The next event; `None` once the connection has ended.
    pub async fn next(&mut self) -> Option<ConnectionEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = ConnectionEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        let mut content = self.mailbox.0.lock();
        if content.missed > 0 {
            return Poll::Ready(Some(ConnectionEvent::Lagged(std::mem::take(
                &mut content.missed,
            ))));
        }
        match content.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if content.sources == 0 => Poll::Ready(None),
            None => {
                content.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The events that wait for one reader.
#[derive(Debug, Default)]
struct Mailbox(Lock<Content>);

#[derive(Debug, Default)]
struct Content {
    events: VecDeque<ConnectionEvent>,
    missed: u64,
    waker: Option<Waker>,
    /// How many connections may still add events.
    sources: usize,
}

impl Mailbox {
    fn change(&self, change: impl FnOnce(&mut Content)) {
        let mut content = self.0.lock();
        change(&mut content);
        let waker = content.waker.take();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn put(&self, event: ConnectionEvent) {
        self.change(|content| {
            if content.events.len() >= KEPT {
                content.events.pop_front();
                content.missed += 1;
            }
            content.events.push_back(event);
        });
    }
}

/// Sends the events of one connection to its readers.
#[derive(Debug, Default)]
pub(crate) struct Announcer(Lock<Readers>);

#[derive(Debug, Default)]
struct Readers {
    mailboxes: Vec<Weak<Mailbox>>,
    /// The event that a new reader gets first.
    state: Option<ConnectionEvent>,
    ended: bool,
}

impl Announcer {
    pub(crate) fn announce(&self, event: ConnectionEvent) {
        let mut readers = self.0.lock();
        readers.mailboxes.retain(|mailbox| match mailbox.upgrade() {
            Some(mailbox) => {
                mailbox.put(event.clone());
                true
            }
            None => false,
        });
        readers.ended |= event == ConnectionEvent::Closed;
        if readers.ended {
            for mailbox in readers
                .mailboxes
                .drain(..)
                .filter_map(|mailbox| mailbox.upgrade())
            {
                mailbox.change(|content| content.sources = content.sources.saturating_sub(1));
            }
        }
        if !matches!(
            event,
            ConnectionEvent::Reauthenticated
                | ConnectionEvent::ReauthenticationFailed(_)
                | ConnectionEvent::Maintenance(_)
        ) {
            readers.state = Some(event);
        }
    }

    /// Adds a reader. It gets the present state first, and then what happens from now on.
    fn add(&self, mailbox: &Arc<Mailbox>) {
        let mut readers = self.0.lock();
        if let Some(state) = readers.state.clone() {
            mailbox.put(state);
        }
        if !readers.ended {
            mailbox.change(|content| content.sources += 1);
            readers.mailboxes.push(Arc::downgrade(mailbox));
        }
    }
}

/// One stream of the events of several connections.
pub(crate) fn subscribe<'a>(announcers: impl IntoIterator<Item = &'a Announcer>) -> Events {
    let mailbox = Arc::new(Mailbox::default());
    for announcer in announcers {
        announcer.add(&mailbox);
    }
    Events { mailbox }
}
