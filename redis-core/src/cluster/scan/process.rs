//! The process that answers for a key: [`Process`]. A cursor means something to it alone.

use std::sync::Arc;

use super::snapshot::{INFO_SERVER, run_of, text};
use crate::cluster::nodes::Once;
use crate::command::{Args, Keys};
use crate::engine::link::Link;

/// A process, known by a socket to it. Other sockets may lead to it too, so it was asked for its id.
#[derive(Debug, Clone)]
pub(super) struct Process {
    link: Arc<Link>,
    socket: u64,
    /// Its id; `None` if it does not tell.
    run: Option<String>,
}

impl Process {
    /// Asks the one to which the present socket of a link leads.
    pub(super) async fn at(link: Arc<Link>) -> Self {
        let (_, first) = link.sockets();
        let info = Once::begin(&link, Args::lease(&INFO_SERVER, Keys::Ignored));
        let info = info.frame().await;
        let (socket, _) = link.sockets();
        // If the socket was replaced meanwhile, nobody knows over which of both the reply came. Without an id, each socket counts as
        // another process, which is safe.
        let info = info.ok().filter(|_| first == socket);
        let run = info.and_then(|info| run_of(&text(&info).ok()?));
        Self { link, socket, run }
    }

    /// Whether it is what this socket of a link leads to.
    pub(super) fn is_at(&self, link: &Arc<Link>, socket: u64) -> bool {
        Arc::ptr_eq(&self.link, link) && self.socket == socket
    }

    /// Whether both are known to be the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_at(&other.link, other.socket) || (self.run.is_some() && self.run == other.run)
    }
}
