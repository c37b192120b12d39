//! A scan of the elements of one key: [`KeyedScan`].
//!
//! The cursor of such a scan means something only to the process that gave it, because each process orders the elements in
//! its own way. So when the key is answered for by another node, or over another socket, the scan begins again: elements come
//! twice, but none is missed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::page::strange;
use crate::client::host::{Walk, unless_refused};
use crate::cluster::handle::Cluster;
use crate::cluster::pending::ClusterPending;
use crate::command::Args;
use crate::engine::link::Link;
use crate::error::Result;
use crate::reply::Frame;

/// A scan of one key.
pub(super) struct KeyedScan {
    cluster: Cluster,
    first: Args,
    /// The cursor of the last page, and the next one; `None` at the end.
    current: u64,
    next: Option<u64>,
    server: Option<Server>,
    running: Option<Running>,
}

/// The socket that answered for a key.
struct Server {
    link: Arc<Link>,
    reconnects: u64,
}

/// A page, which the server may have refused.
type Fetched = Result<(Result<Frame>, Server)>;

type Running = Pin<Box<dyn Future<Output = Fetched> + Send>>;

impl KeyedScan {
    pub(super) fn new(cluster: Cluster, first: Args) -> Self {
        let start = first.cursor();
        Self {
            cluster,
            first,
            current: start.unwrap_or_default(),
            next: start,
            server: None,
            running: None,
        }
    }

    /// Takes a page; `None` if the scan has to begin again.
    fn take(&mut self, cursor: u64, page: Fetched) -> Result<Option<Frame>> {
        let (frame, server) = page?;
        let is_same = |known: &Server| {
            Arc::ptr_eq(&known.link, &server.link) && known.reconnects == server.reconnects
        };
        let is_known = self.server.as_ref().is_none_or(is_same);
        self.server = Some(server);
        if cursor != 0 && !is_known {
            self.next = Some(0);
            return Ok(None);
        }
        let frame = frame?;
        let mut parts = frame.elements().ok_or_else(strange)?;
        let next: u64 = parts.next().ok_or_else(strange)?.decode()?;
        let elements = parts.next().ok_or_else(strange)?;
        self.current = cursor;
        self.next = (next != 0).then_some(next);
        Ok(Some(elements))
    }
}

async fn fetch(cluster: Cluster, args: Args) -> Fetched {
    let mut pending = ClusterPending::new(cluster.shared(), Box::new(args));
    let frame = std::future::poll_fn(|cx| pending.poll_frame(cx)).await?;
    let frame = unless_refused(frame).map_err(|error| pending.explained(error));
    let link = pending.link().ok_or_else(strange)?;
    let reconnects = link.counts().reconnects;
    Ok((frame, Server { link, reconnects }))
}

impl Walk for KeyedScan {
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        loop {
            let Some(cursor) = self.next else {
                return Poll::Ready(None);
            };
            let running = match &mut self.running {
                Some(running) => running,
                idle => {
                    let Some(args) = self.first.at_cursor(cursor) else {
                        return Poll::Ready(Some(Err(strange())));
                    };
                    idle.insert(Box::pin(fetch(self.cluster.clone(), args)))
                }
            };
            let page = ready!(running.as_mut().poll(cx));
            self.running = None;
            if let Some(page) = self.take(cursor, page).transpose() {
                return Poll::Ready(Some(page));
            }
        }
    }

    fn cursor(&self, again: bool) -> Option<String> {
        let cursor = if again { Some(self.current) } else { self.next };
        cursor.map(|cursor| cursor.to_string())
    }
}
