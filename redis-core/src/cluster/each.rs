//! A command on each primary by itself: [`EachPrimary`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::handle::Cluster;
use super::join::graver;
use super::map_wait::map_for;
use super::nodes::Node;
use super::shared::Shared;
use super::topology::NodeRole;
use crate::command::{Args, Keys};
use crate::config::Address;
use crate::error::{Done, Error, Result};
use crate::reply::{Frame, FromRedis};
use crate::request::{Execute, Sink, Target};

/// All primaries of a cluster, on each of which a command is carried out: [`Cluster::each_primary`].
#[derive(Debug, Clone, Copy)]
pub struct EachPrimary<'a> {
    cluster: &'a Cluster,
}

impl Cluster {
    /// Has a command carried out by every primary, and replies with what each of them says, in the order of the slots.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// for (node, keys) in cluster.each_primary().run(raw("DBSIZE").readonly().reply::<u64>()).await? {
    ///     println!("{node} has {keys} keys");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// All are asked at the same time. Redirects are errors: a command with keys is for the node that has them. The error of a node
    /// is the error of the whole; if others have carried it out, unless it only reads, [`Error::done`] says how many. For more than one
    /// command, and for errors node by node, take the connections of [`Cluster::primaries`].
    #[must_use]
    pub fn each_primary(&self) -> EachPrimary<'_> {
        EachPrimary { cluster: self }
    }
}

/// A command on its way to all primaries.
pub struct EachExecution<'a>(Option<Replies<'a>>);

type Replies<'a> = Pin<Box<dyn Future<Output = Result<Vec<(Address, Frame)>>> + Send + 'a>>;

impl fmt::Debug for EachExecution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EachExecution")
    }
}

impl Target for EachPrimary<'_> {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for EachPrimary<'a> {
    type Pending = EachExecution<'a>;

    fn keys(&self) -> Keys {
        Keys::Ignored
    }
}

impl<'a, R: FromRedis> Execute<R> for EachPrimary<'a> {
    type Output = Vec<(Address, R)>;

    fn begin(self, args: Box<Args>) -> EachExecution<'a> {
        EachExecution(Some(Box::pin(ask_each(self.cluster.shared(), args))))
    }

    fn submit(_: &mut EachExecution<'a>) {
        // It is only sent when it is polled.
    }

    fn poll(
        execution: &mut EachExecution<'a>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<(Address, R)>>> {
        let Some(replies) = &mut execution.0 else {
            return Poll::Ready(Err(Error::ended()));
        };
        let replies = ready!(replies.as_mut().poll(cx));
        execution.0 = None;
        Poll::Ready(replies.and_then(|replies| {
            let decoded = |(address, frame): (Address, Frame)| Ok((address, frame.decode()?));
            replies.into_iter().map(decoded).collect()
        }))
    }
}

async fn ask_each(shared: &Shared, mut args: Box<Args>) -> Result<Vec<(Address, Frame)>> {
    if let Some(error) = args.take_error() {
        return Err(error);
    }
    if let Some(reason) = args.conduct().unfit_for_shared() {
        return Err(Error::usage(reason).of_command(args.name()));
    }
    let is_onward = !shared.first_map.is_found();
    map_for(shared, &mut args).await?;
    let nodes: Vec<Arc<Node>> = shared.routes().primaries().cloned().collect();
    // All are sent before the first reply is waited for.
    let mut asked = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let again = Box::new(args.again());
        asked.push(if is_onward {
            node.once_onward(NodeRole::Primary, again)
        } else {
            node.once(again)
        });
    }
    let (mut replies, mut failure) = (Vec::with_capacity(asked.len()), None);
    for (node, asked) in nodes.iter().zip(asked) {
        match asked.accepted().await {
            Ok(frame) => replies.push((node.address.clone(), frame)),
            Err(error) => failure = Some(graver(failure, error)),
        }
        // What only reads leaves nothing to be told of the others.
        if failure.is_some() && args.info().readonly {
            break;
        }
    }
    let Some(error) = failure else {
        return Ok(replies);
    };
    if args.info().readonly || replies.is_empty() {
        return Err(error);
    }
    Err(error.partly(Done::Nodes {
        done: replies.len(),
        all: nodes.len(),
    }))
}
