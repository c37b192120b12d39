//! A socket of one's own: for blocking commands, and for those that change their connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OwnedSemaphorePermit;

use super::connection::Connection;
use super::leases::Leases;
use crate::command::Args;
use crate::config::IntoConfig;
use crate::engine::link::{Lane, Link};
use crate::engine::pending::Pending;
use crate::error::Result;
use crate::reply::Frame;
use crate::request::{AllowsBlocking, AllowsState};

/// A socket that nobody else uses while this handle lives.
///
/// It offers every command, also those that block (BLPOP) or change the connection (SELECT, WATCH, MULTI). It does not
/// reconnect, since the state would be lost without a word: after a lost connection every call fails, and a new one
/// has to be taken.
///
/// A leased one goes back to its pool when it is dropped. One whose state was changed, or on which a reply is still
/// owed, is closed instead, so that the next borrower finds nothing left behind.
#[derive(Debug)]
pub struct Exclusive {
    connection: Option<Connection>,
    /// Where it goes back to, and the right to have it.
    lease: Option<(Arc<Leases>, OwnedSemaphorePermit)>,
    /// Whether the next borrower would notice that this one had it.
    changed: AtomicBool,
    /// Whether keys are watched, by [`Pool::watch`](crate::Pool::watch).
    watching: AtomicBool,
}

impl Exclusive {
    /// Connects a socket that belongs to no pool.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let connection = Connection::open(config.into_config()?.without_reconnect()).await?;
        Ok(Self {
            connection: Some(connection),
            lease: None,
            changed: AtomicBool::new(false),
            watching: AtomicBool::new(false),
        })
    }

    /// Leases a socket.
    pub(crate) async fn lease(leases: &Arc<Leases>) -> Result<Self> {
        let (connection, permit) = leases.lease().await?;
        Ok(Self {
            connection: Some(connection),
            lease: Some((leases.clone(), permit)),
            changed: AtomicBool::new(false),
            watching: AtomicBool::new(false),
        })
    }

    /// Whether the connection was lost or closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection().is_closed()
    }

    /// Executes a command that was built apart and gives its reply as it came, an error reply included; for recorders and
    /// test suites.
    ///
    /// # Errors
    /// The connection's, and those of an argument that cannot be sent.
    pub async fn execute(&self, args: Args) -> Result<Frame> {
        self.call(Box::new(args)).frame().await
    }

    pub(crate) fn connection(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            // Only `drop` takes it.
            None => unreachable!("an exclusive connection keeps its socket until it is dropped"),
        }
    }

    /// A command on its way, whatever it does to the connection.
    pub(crate) fn call(&self, args: Box<Args>) -> Pending<'_> {
        self.note_effect(&args);
        self.call_unnoted(args)
    }

    /// A command on its way, of whose effect on the connection the caller keeps account.
    pub(crate) fn call_unnoted(&self, args: Box<Args>) -> Pending<'_> {
        Pending::new(self.connection().link(), args)
    }

    fn note_effect(&self, args: &Args) {
        if args.info().state.is_some() || args.is_raw() {
            self.note_change();
        }
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
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let clean = !self.changed.load(Ordering::Relaxed)
            && !self.watching.load(Ordering::Relaxed)
            && connection.is_reusable();
        match &self.lease {
            Some((leases, _)) if clean => leases.take_back(connection),
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
}

impl AllowsBlocking for &Exclusive {}
impl AllowsState for &Exclusive {}
