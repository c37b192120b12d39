//! A scan of the elements of one key: [`KeyedScan`].
//!
//! The cursor of such a scan means something only to the process that gave it, because each process orders the elements in
//! its own way. So when another one answers for the key, the scan begins again: elements come twice, but none is missed. A
//! node can be another process than before, and the same process can be reached over a new socket. So whoever answers over a
//! socket that is not known yet is asked who it is, and a page counts only if it came over a socket that is known.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::page::strange;
use super::process::Process;
use crate::client::host::{Walk, unless_refused};
use crate::cluster::handle::Cluster;
use crate::cluster::pending::ClusterPending;
use crate::command::Args;
use crate::error::Result;
use crate::reply::Frame;

/// A scan of one key.
pub(super) struct KeyedScan {
    cluster: Cluster,
    first: Args,
    /// The cursor of the last page, and the next one; `None` at the end.
    current: u64,
    next: Option<u64>,
    /// The process that answered last.
    process: Option<Process>,
    running: Option<Running>,
}

/// A page, and who answers for the key.
struct Fetched {
    /// The next cursor; `None` at the end.
    next: Option<u64>,
    elements: Frame,
    /// `None` if nobody has to go on.
    process: Option<Process>,
    /// Whether the page is certainly of this process.
    is_its: bool,
}

type Running = Pin<Box<dyn Future<Output = Result<Fetched>> + Send>>;

impl KeyedScan {
    pub(super) fn new(cluster: Cluster, first: Args) -> Self {
        let start = first.cursor();
        Self {
            cluster,
            first,
            current: start.unwrap_or_default(),
            next: start,
            process: None,
            running: None,
        }
    }

    /// Takes a page; `None` if another one has to be fetched in its place.
    fn take(&mut self, cursor: u64, page: Result<Fetched>) -> Result<Option<Frame>> {
        let page = page?;
        let before = std::mem::replace(&mut self.process, page.process);
        let now = self.process.as_ref();
        let is_same = |before: Process| now.is_some_and(|now| now.is_same(&before));
        let goes_on = cursor == 0 || before.is_none_or(is_same);
        if !goes_on {
            self.next = Some(0);
            return Ok(None);
        }
        if !page.is_its {
            return Ok(None);
        }
        self.current = cursor;
        self.next = page.next;
        Ok(Some(page.elements))
    }
}

/// Fetches a page; `known` is the process that answered last.
async fn fetch(cluster: Cluster, args: Args, known: Option<Process>) -> Result<Fetched> {
    let begins = known.is_none() || args.cursor() == Some(0);
    let mut pending = ClusterPending::new(cluster.shared(), Box::new(args));
    let begun = pending.link().map(|link| (link.sockets(), link));
    let frame = std::future::poll_fn(|cx| pending.poll_frame(cx)).await?;
    let frame = unless_refused(frame).map_err(|error| pending.explained(error))?;
    let link = pending.link().ok_or_else(strange)?;
    let (next, elements) = read(&frame)?;
    let (socket, _) = link.sockets();
    let is_known = known
        .as_ref()
        .is_some_and(|known| known.is_at(&link, socket));
    if is_known || (begins && next.is_none()) {
        return Ok(Fetched {
            next,
            elements,
            process: known,
            is_its: true,
        });
    }
    // The reply may have waited here while the socket was replaced, or have come over another link than the first.
    let is_direct =
        begun.is_some_and(|((_, first), begun)| Arc::ptr_eq(&begun, &link) && first == socket);
    let process = Process::at(link.clone()).await;
    Ok(Fetched {
        next,
        elements,
        is_its: is_direct && process.is_at(&link, socket),
        process: Some(process),
    })
}

/// The next cursor, unless this is the last page, and the elements.
fn read(frame: &Frame) -> Result<(Option<u64>, Frame)> {
    let mut parts = frame.elements().ok_or_else(strange)?;
    let next: u64 = parts.next().ok_or_else(strange)?.decode()?;
    let elements = parts.next().ok_or_else(strange)?;
    Ok(((next != 0).then_some(next), elements))
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
                    idle.insert(Box::pin(fetch(
                        self.cluster.clone(),
                        args,
                        self.process.clone(),
                    )))
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
