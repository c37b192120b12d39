//! A command on its way through a cluster: [`ClusterExecution`].

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::blocking;
use super::handle::Cluster;
use super::map_wait::map_for;
use super::pending::ClusterPending;
use super::replicas;
use super::scatter::Scatter;
use super::shared::Shared;
use super::split;
use crate::chain::routing::Singles;
use crate::client::{InFlight, Onward};
use crate::command::blame::Blame;
use crate::command::{Args, RequestPolicy, Slots};
use crate::config::ReadFrom;
use crate::engine::single::terms_of;
use crate::error::{Error, Result};
use crate::handle::{Answer, Driven};
use crate::reply::{Frame, FromRedis, described};

/// A command on its way through a cluster.
#[doc(hidden)]
pub enum ClusterExecution<'a> {
    /// On the node that has its keys.
    One(ClusterPending<'a>),
    /// On several nodes.
    Several(Box<Several<'a>>),
    /// On a socket that is leased for it, or on a node that is read from, which need not be a primary; or on several nodes, once
    /// it is known which there are.
    Driven(Driven<'a>),
    /// It is not sent, for this reason.
    Refused(Option<Error>),
}

/// A command on several nodes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Several<'a> {
    blame: Blame,
    scatter: Scatter<'a>,
    is_over: bool,
}

impl fmt::Debug for ClusterExecution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(pending) => f.debug_tuple("One").field(pending).finish(),
            Self::Several(several) => f.debug_tuple("Several").field(several).finish(),
            Self::Driven(driven) => driven.fmt(f),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

impl Cluster {
    /// Begins a command.
    #[inline]
    pub(super) fn begin(&self, mut args: Box<Args>) -> ClusterExecution<'_> {
        if let Some(view) = self.view()
            && replicas::may_read(&mut args)
        {
            return begin_read(self.shared(), view, args);
        }
        if args.is_plain() && args.info().request_policy == RequestPolicy::Default {
            let slots = args.slots();
            if !matches!(slots, Slots::Several(..)) {
                return ClusterExecution::One(ClusterPending::plain(self.shared(), args, slots));
            }
        }
        begin_unusual(self.shared(), args)
    }
}

/// Begins a command that is not simply for one node.
#[cold]
fn begin_unusual(shared: &Shared, mut args: Box<Args>) -> ClusterExecution<'_> {
    if let Some(error) = args.take_error() {
        return ClusterExecution::One(ClusterPending::refused(shared, args, error));
    }
    // What waits for it may not be polled yet.
    shared.want_first_map();
    if args.takes_a_lease() {
        let driven = Driven::new(args, |args| blocking::run(shared, args));
        return ClusterExecution::Driven(driven);
    }
    match split::plan(&mut args) {
        Ok(split::Plan::OneNode) => ClusterExecution::One(ClusterPending::new(shared, args)),
        Ok(_) if !shared.first_map.is_found() => {
            ClusterExecution::Driven(Driven::new(args, |args| begin_later(shared, args)))
        }
        Ok(_) => begin_several(shared, args),
        Err(error) => ClusterExecution::One(ClusterPending::refused(shared, args, error)),
    }
}

/// Begins a command that may go to a replica.
fn begin_read<'a>(
    shared: &'a Shared,
    view: &Arc<ReadFrom>,
    args: Box<Args>,
) -> ClusterExecution<'a> {
    // It may not be polled yet.
    shared.want_first_map();
    let view = view.clone();
    ClusterExecution::Driven(Driven::new(args, |args| replicas::read(shared, view, args)))
}

fn begin_several(shared: &Shared, args: Box<Args>) -> ClusterExecution<'_> {
    let blame = Blame::of(&args);
    let patience = terms_of(&args).patience;
    match Scatter::new(shared, Singles::of(args), patience) {
        Ok(scatter) => ClusterExecution::Several(Box::new(Several {
            blame,
            scatter,
            is_over: false,
        })),
        Err((_, error)) => ClusterExecution::Refused(Some(error)),
    }
}

/// Waits for the first map, and then sends a command to several nodes.
async fn begin_later(shared: &Shared, mut args: Box<Args>) -> Answer {
    if let Err(error) = map_for(shared, &mut args).await {
        return (Err(error), None);
    }
    let mut execution = begin_several(shared, args);
    execution.go_on(Onward(None));
    let outcome = poll_fn(|cx| execution.poll_frame(cx)).await;
    let server = match &execution {
        ClusterExecution::Several(several) => several.scatter.server(),
        _ => None,
    };
    (outcome, server)
}

impl Several<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        if self.is_over {
            return Poll::Ready(Err(Error::ended()));
        }
        let outcome = ready!(self.scatter.poll(cx)).into_only();
        self.is_over = true;
        Poll::Ready(outcome.map_err(|error| self.explained(error)))
    }

    fn explained(&self, error: Error) -> Error {
        self.blame.explain(error, self.scatter.server())
    }
}

impl InFlight for ClusterExecution<'_> {
    fn submit(&mut self) {
        match self {
            Self::One(pending) => pending.submit(),
            Self::Several(several) => several.scatter.submit(),
            // It waits for something else first; it is on its way once it is polled.
            Self::Driven(_) | Self::Refused(_) => {}
        }
    }

    fn go_on(&mut self, Onward(held): Onward) {
        match self {
            Self::One(pending) => pending.go_on(held),
            Self::Several(several) => several.scatter.go_on(held.as_ref()),
            Self::Driven(_) | Self::Refused(_) => {}
        }
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let Self::One(pending) = self {
            return pending.poll_decoded(cx);
        }
        let decoded = ready!(self.poll_frame(cx).map(Frame::decode_outcome));
        Poll::Ready(described(decoded, |error| self.explained(error)))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match self {
            Self::One(pending) => pending.poll_frame(cx),
            Self::Several(several) => several.poll(cx),
            Self::Driven(driven) => driven.poll_frame(cx),
            Self::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(Error::ended))),
        }
    }

    fn explained(&self, error: Error) -> Error {
        match self {
            Self::One(pending) => pending.explained(error),
            Self::Several(several) => several.explained(error),
            Self::Driven(driven) => driven.explained(error),
            Self::Refused(_) => error,
        }
    }
}
