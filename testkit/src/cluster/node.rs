//! One server of a cluster: [`Node`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use crate::error::{Doing, Result};
use crate::raw::{RawConnection, Reply};
use crate::server::{Server, ServerBuilder};

/// A server of a [`Cluster`](super::Cluster). Like a [`Server`], it can be killed, stopped and started again.
pub struct Node {
    server: Server,
    id: String,
    /// Whether it speaks TLS with other nodes.
    tls_with_nodes: bool,
    /// When it last took over from its primary.
    pub(super) took_over: Mutex<Option<Instant>>,
}

impl Node {
    /// Starts a server that belongs to no cluster yet.
    pub(super) fn start(builder: ServerBuilder, tls_with_nodes: bool) -> Result<Self> {
        let server = builder.cluster().start()?;
        let id = server
            .connect()
            .and_then(|mut connection| connection.call(&["CLUSTER", "MYID"]))
            .doing(|| "ask a new node for its id".to_owned())?;
        Ok(Self {
            server,
            id,
            tls_with_nodes,
            took_over: Mutex::default(),
        })
    }

    /// The id that other nodes know it by. After a hard reset the server has another id, and this one is not updated.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The address that it listens on, also if it announces another one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The port that other nodes connect to.
    pub(super) fn port_for_nodes(&self) -> String {
        let tls = self.server.tls_addr().filter(|_| self.tls_with_nodes);
        tls.unwrap_or_else(|| self.addr()).port().to_string()
    }

    /// Opens a plain connection.
    ///
    /// # Errors
    ///
    /// If the node does not accept it.
    pub fn connect(&self) -> Result<RawConnection> {
        self.server
            .connect()
            .doing(|| format!("connect to the node {}", self.addr()))
    }

    /// Sends one command over a new connection, and returns the text of its reply.
    ///
    /// # Errors
    ///
    /// If the node does not accept it, or answers with an error.
    pub fn call(&self, words: &[&str]) -> Result<String> {
        self.ask(words, |connection| connection.call(words))
    }

    /// Sends one command over a new connection, and returns its reply as a tree.
    ///
    /// # Errors
    ///
    /// If the node does not accept it, or answers with an error.
    pub fn reply(&self, words: &[&str]) -> Result<Reply> {
        self.ask(words, |connection| connection.reply(words))
    }

    fn ask<T>(
        &self,
        words: &[&str],
        ask: impl FnOnce(&mut RawConnection) -> io::Result<T>,
    ) -> Result<T> {
        let answer = self
            .server
            .connect()
            .and_then(|mut connection| ask(&mut connection));
        answer.doing(|| {
            // Commands that assign slots one by one have thousands of words.
            let words = words.get(..6).unwrap_or(words).join(" ");
            format!("have {words} done by the node {}", self.addr())
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("address", &self.addr())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
