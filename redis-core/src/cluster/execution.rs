//! A command on its way through a cluster: [`ClusterExecution`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::blocking;
use super::handle::Cluster;
use super::map_wait::map_by;
use super::pending::ClusterPending;
use super::replicas;
use super::scatter::Scatter;
use super::shared::Shared;
use super::split;
use crate::chain::routing::Singles;
use crate::client::InFlight;
use crate::command::{Args, RequestPolicy, Slots};
use crate::config::ReadFrom;
use crate::engine::exchange::terms_of;
use crate::engine::inflight::Patience;
use crate::error::{CommandName, Error, Result};
use crate::reply::{Frame, FromRedis};

/// A command on its way through a cluster.
#[doc(hidden)]
pub enum ClusterExecution<'a> {
    /// On the node that has its keys.
    One(ClusterPending<'a>),
    /// On several nodes.
    Several(Box<Several<'a>>),
    /// On a socket that is leased for it; or on several nodes, once it is known which there are.
    Leased(Leased<'a>),
    /// On a node that is read from, which need not be a primary.
    Read(Leased<'a>),
    /// It is not sent, for this reason.
    Refused(Option<Error>),
    /// It has been answered.
    Over,
}

/// A command that is driven by a future.
#[doc(hidden)]
pub struct Leased<'a> {
    name: CommandName,
    wait: Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'a>>,
}

/// A command on several nodes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Several<'a> {
    name: CommandName,
    scatter: Scatter<'a>,
}

impl fmt::Debug for ClusterExecution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(pending) => f.debug_tuple("One").field(pending).finish(),
            Self::Several(several) => f.debug_tuple("Several").field(several).finish(),
            Self::Leased(leased) => f.debug_tuple("Leased").field(&leased.name).finish(),
            Self::Read(read) => f.debug_tuple("Read").field(&read.name).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Over => f.write_str("Over"),
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
    if args.takes_a_lease() {
        let name = args.name();
        let wait = Box::pin(blocking::run(shared, args));
        return ClusterExecution::Leased(Leased { name, wait });
    }
    match split::plan(&mut args) {
        Ok(split::Plan::OneNode) => ClusterExecution::One(ClusterPending::new(shared, args)),
        Ok(_) if !shared.first_map.is_found() => {
            let name = args.name();
            let wait = Box::pin(begin_later(shared, args));
            ClusterExecution::Leased(Leased { name, wait })
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
    let name = args.name();
    let wait = Box::pin(replicas::read(shared, view.clone(), args));
    ClusterExecution::Read(Leased { name, wait })
}

fn begin_several(shared: &Shared, args: Box<Args>) -> ClusterExecution<'_> {
    let name = args.name();
    let patience = args.deadline().map_or(Patience::Default, Patience::Only);
    match Scatter::new(shared, Singles::of(args), patience) {
        Ok(scatter) => ClusterExecution::Several(Box::new(Several { name, scatter })),
        Err((_, error)) => ClusterExecution::Refused(Some(error)),
    }
}

/// Waits for the first map, and then sends a command to several nodes.
async fn begin_later(shared: &Shared, mut args: Box<Args>) -> Result<Frame> {
    let (name, patience) = (args.name(), terms_of(&args).patience);
    let limit = patience.limit(shared.config.command_timeout);
    let end = limit.from(Instant::now());
    let found = map_by(shared, end).await;
    found.map_err(|error| error.of_command(name))?;
    if let Some(end) = end {
        args.set_deadline(end.saturating_duration_since(Instant::now()));
    }
    let mut execution = begin_several(shared, args);
    execution.go_on();
    poll_fn(|cx| execution.poll_frame(cx)).await
}

impl ClusterExecution<'_> {
    /// The name of a command that is not simply on one node.
    fn name(&self) -> CommandName {
        match self {
            Self::Several(several) => several.name.clone(),
            Self::Leased(leased) | Self::Read(leased) => leased.name.clone(),
            Self::One(_) | Self::Refused(_) | Self::Over => "".into(),
        }
    }
}

impl Several<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let outcome = ready!(self.scatter.poll(cx)).into_only();
        Poll::Ready(outcome.map_err(|error| error.of_command(self.name.clone())))
    }
}

impl InFlight for ClusterExecution<'_> {
    fn submit(&mut self) {
        match self {
            Self::One(pending) => pending.submit(),
            Self::Several(several) => several.scatter.submit(),
            // A blocking command waits for its lease first; it is on its way once it is polled.
            Self::Leased(_) | Self::Read(_) | Self::Refused(_) | Self::Over => {}
        }
    }

    fn go_on(&mut self) {
        match self {
            Self::One(pending) => pending.go_on(),
            Self::Several(several) => several.scatter.go_on(),
            Self::Leased(_) | Self::Read(_) | Self::Refused(_) | Self::Over => {}
        }
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match self {
            Self::One(pending) => pending.poll_decoded(cx),
            Self::Several(_) | Self::Leased(_) | Self::Read(_) => {
                let name = self.name();
                let decoded = self.poll_frame(cx).map(Frame::decode_outcome);
                decoded.map_err(|error| error.of_command(name))
            }
            Self::Refused(_) | Self::Over => self.poll_frame(cx).map(Frame::decode_outcome),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match self {
            Self::One(pending) => pending.poll_frame(cx),
            Self::Several(several) => {
                let outcome = ready!(several.poll(cx));
                *self = Self::Over;
                Poll::Ready(outcome)
            }
            Self::Leased(leased) | Self::Read(leased) => {
                let outcome = ready!(leased.wait.as_mut().poll(cx));
                *self = Self::Over;
                Poll::Ready(outcome)
            }
            Self::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(Error::ended))),
            Self::Over => Poll::Ready(Err(Error::ended())),
        }
    }
}
