//! Scans on a cluster.
//!
//! # Layout
//!
//! - `walk/`: a scan over all primaries, page by page; `page`: a reply; `snapshot`: what a node says of its slots;
//!   `half`: a slot whose source was gone through
//! - `position`: how far it has come, and its text; `slot_set`, `pattern`: slots that are done, and that are asked for
//! - `keyed`: a scan of one key, whose node may change; `process`: who answers for it
//! - this file: both as streams

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::handle::Cluster;
use crate::client::host::Walk;
use crate::command::{Args, RequestPolicy, Slots};
use crate::error::{Error, Result};
use crate::reply::Frame;

mod half;
mod keyed;
mod page;
mod pattern;
mod position;
mod process;
mod slot_set;
mod snapshot;
mod walk;

use keyed::KeyedScan;
use position::Position;
use slot_set::SlotSet;
use walk::Walker;

/// The pages of a scan; `None` if the command is none, or is one of a key with a cursor that no server has given.
pub(super) fn walk(cluster: &Cluster, first: &Args) -> Option<Box<dyn Walk>> {
    first.cursor_text()?;
    match (first.info().request_policy, first.slots()) {
        (RequestPolicy::Special, Slots::None) => Some(Box::new(ClusterScan::new(cluster, first))),
        (_, Slots::One(_)) if first.cursor().is_some() => {
            Some(Box::new(KeyedScan::new(cluster.clone(), first.again())))
        }
        _ => None,
    }
}

/// A scan over all primaries.
struct ClusterScan {
    state: State,
    /// Where the last page began, and where it ended.
    before: Position,
    after: Position,
}

enum State {
    Refused(Option<Error>),
    Idle(Box<Walker>),
    Running(Running),
    Over,
}

/// The future of a page; the walker comes back with it.
type Running = Pin<Box<dyn Future<Output = (Box<Walker>, Result<Option<Frame>>)> + Send>>;

impl ClusterScan {
    fn new(cluster: &Cluster, first: &Args) -> Self {
        let (position, error) = match start(first) {
            Ok(position) => (position, None),
            Err(error) => (Position::new(SlotSet::new()), Some(error)),
        };
        let walker = || Walker::new(cluster.shared().clone(), first.again(), position.clone());
        Self {
            state: match error {
                Some(error) => State::Refused(Some(error)),
                None => State::Idle(Box::new(walker())),
            },
            before: position.clone(),
            after: position,
        }
    }
}

/// Where the command says that the scan begins.
fn start(first: &Args) -> Result<Position> {
    let pattern = first.option("MATCH");
    let only = pattern.and_then(|pattern| pattern::only_slot(&pattern));
    let text = first.cursor_text().unwrap_or_default();
    let mut position = match text {
        "0" => Position::new(SlotSet::new()),
        text => text.parse().map_err(|()| {
            Error::usage(format!(
                "`{text}` is no cursor of a scan over a cluster: begin with 0, or with what `ScanStream::cursor` gave"
            ))
        })?,
    };
    if let Some(only) = only {
        let done = std::mem::replace(&mut position.done, SlotSet::all());
        if !done.has(only) {
            position.done.remove(only);
        }
    }
    Ok(position)
}

impl Walk for ClusterScan {
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        let mut running = match std::mem::replace(&mut self.state, State::Over) {
            State::Refused(error) => return Poll::Ready(error.map(Err)),
            State::Over => return Poll::Ready(None),
            State::Idle(mut walker) => {
                self.before = walker.position.clone();
                let page = async move {
                    let page = walker.next_page().await;
                    (walker, page)
                };
                Box::pin(page)
            }
            State::Running(running) => running,
        };
        let Poll::Ready((walker, page)) = running.as_mut().poll(cx) else {
            self.state = State::Running(running);
            return Poll::Pending;
        };
        self.after = walker.position.clone();
        match page {
            Ok(None) => Poll::Ready(None),
            Ok(Some(page)) => {
                self.state = State::Idle(walker);
                Poll::Ready(Some(Ok(page)))
            }
            Err(error) => {
                self.before = self.after.clone();
                self.state = State::Idle(walker);
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn cursor(&self, again: bool) -> Option<String> {
        match &self.state {
            State::Over => None,
            State::Running(_) => Some(self.before.to_string()),
            State::Idle(_) | State::Refused(_) if again => Some(self.before.to_string()),
            State::Idle(_) | State::Refused(_) => Some(self.after.to_string()),
        }
    }
}
