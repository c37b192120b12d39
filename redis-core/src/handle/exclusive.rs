//! One socket for one user: for blocking commands, and for those that change their connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::connection::Connection;
use super::leases::{Lease, Leases};
use crate::command::{ASKING, Args};
use crate::config::IntoConfig;
use crate::engine::exchange::Pending;
use crate::engine::inflight::Awaits;
use crate::engine::link::{Lane, Link};
use crate::error::{Result, ServerVersion};
use crate::reply::Frame;
use crate::request::{AllowsBlocking, AllowsState};
use crate::runtime::planted::Planted;

/// A socket that no other handle uses while this one lives.
///
/// It offers every command, also those that block (BLPOP) or change the connection (SELECT, WATCH, MULTI). It does
/// not reconnect, because the state of the connection would be lost unnoticed. After a lost connection every call
/// fails, and you have to take a new one.
///
/// A leased socket goes back to its pool when the handle is dropped. If its state was changed, or if a reply is
/// still to come, it is closed instead, so that the next borrower gets a clean one.
#[derive(Debug)]
pub struct Exclusive {
    connection: Option<Connection>,
    /// The right to it, if it belongs to a pool.
    lease: Option<Lease>,
    /// Whether its state was changed, so that it must not be lent again.
    changed: AtomicBool,
    /// Whether keys are watched, by [`Pool::watch`](crate::Pool::watch).
    watching: AtomicBool,
    /// Whether there is a transaction by [`Exclusive::begin`].
    open: AtomicBool,
    /// Whether a CLIENT UNBLOCK for this socket has no answer yet: it would end the wait of the next borrower.
    unblocking: AtomicBool,
}

impl Exclusive {
    /// Connects a socket that belongs to no pool.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let connection = Connection::open(config.into_config()?.without_reconnect()).await?;
        Ok(Self::over(connection, None))
    }

    fn over(connection: Connection, lease: Option<Lease>) -> Self {
        Self {
            connection: Some(connection),
            lease,
            changed: AtomicBool::new(false),
            watching: AtomicBool::new(false),
            open: AtomicBool::new(false),
            unblocking: AtomicBool::new(false),
        }
    }

    /// Leases a socket.
    pub(crate) async fn lease(leases: &Arc<Leases>) -> Result<Self> {
        Self::lease_by(leases, None).await
    }

    /// Leases a socket; at `end`, if not before, there is no time left for it.
    pub(crate) async fn lease_by(leases: &Arc<Leases>, end: Option<Instant>) -> Result<Self> {
        let (connection, lease) = leases.lease(end).await?;
        Ok(Self::over(connection, Some(lease)))
    }

    /// Whether the socket was lost or closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection().is_closed()
    }

    /// Executes a command that was built separately, and returns the reply as it came, also if it is an error; for
    /// recorders and test suites.
    ///
    /// # Errors
    /// The connection's, and those of an argument that cannot be sent.
    #[doc(hidden)]
    pub async fn execute(&self, args: Args) -> Result<Frame> {
        self.call(Box::new(args)).frame().await
    }

    /// The server that it leads to, if that has introduced itself.
    pub(crate) fn server(&self) -> Option<ServerVersion> {
        self.connection().link().server()
    }

    pub(crate) fn connection(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            // Only `drop` takes it.
            None => unreachable!("an exclusive connection keeps its socket until it is dropped"),
        }
    }

    /// Starts a command, and notes if it changes the connection.
    pub(crate) fn call(&self, args: Box<Args>) -> Pending<'_> {
        if args.is_plain() {
            self.call_unnoted(args)
        } else {
            self.call_noted(args)
        }
    }

    /// Starts a command, unless its reply could be mistaken for another one.
    #[cold]
    fn call_noted(&self, mut args: Box<Args>) -> Pending<'_> {
        let conduct = args.conduct();
        if let Some(error) = conduct.refusal() {
            return Pending::refused(self.connection().link(), args, error);
        }
        if conduct.state.is_some() || conduct.unknown {
            self.note_change();
        }
        self.call_unnoted(args)
    }

    /// Starts a command; the caller notes whether it changes the connection.
    pub(crate) fn call_unnoted(&self, args: Box<Args>) -> Pending<'_> {
        Pending::new(self.connection().link(), args)
    }

    /// Sends ASKING: the next command is carried out, although the slot of its keys is only about to come to this
    /// node. It does not wait for room, so that it always comes right before that command.
    pub(crate) fn ask(&self) {
        self.connection().link().change(|queue| {
            if queue.is_connected() {
                queue.push_own(ASKING, Awaits::Reply);
            }
        });
    }

    /// Notes that the next borrower would find something left behind: this socket is never lent again. Whether a
    /// MULTI is open on it is not known from here on, so that nothing is sent that its user did not ask for.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Ordering::Relaxed);
        self.connection().keep_quiet(true);
    }

    /// Notes whether keys are watched.
    pub(crate) fn set_watching(&self, watching: bool) {
        self.watching.store(watching, Ordering::Relaxed);
    }

    /// Notes whether there is a transaction by [`Exclusive::begin`]. Returns whether there was one.
    pub(crate) fn set_open(&self, open: bool) -> bool {
        self.open.swap(open, Ordering::Relaxed)
    }

    /// Notes whether a CLIENT UNBLOCK for this socket was sent, on another one, and has no answer yet.
    pub(super) fn set_unblocking(&self, unblocking: bool) {
        self.unblocking.store(unblocking, Ordering::Relaxed);
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let clean = !self.changed.load(Ordering::Relaxed)
            && !self.watching.load(Ordering::Relaxed)
            && !self.unblocking.load(Ordering::Relaxed)
            && connection.is_reusable();
        match self.lease.take() {
            Some(lease) if clean => lease.leases.take_back(connection),
            Some(lease) if Planted::KeptLease.is_here() => lease.keep(),
            // A command may be blocked on the server: do not wait for it.
            _ => connection.abort(),
        }
    }
}

impl Lane for Exclusive {
    fn link(&self, has_raw: bool) -> &Link {
        if has_raw {
            self.note_change();
        }
        self.connection().link()
    }

    fn may_watch(&self) -> bool {
        // Which change it was is not noted: it may have been WATCH.
        self.watching.load(Ordering::Relaxed) || self.changed.load(Ordering::Relaxed)
    }
}

impl AllowsBlocking for &Exclusive {}
impl AllowsState for &Exclusive {}
