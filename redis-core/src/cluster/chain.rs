//! Pipelines, batches and transactions on a cluster; and the cluster as a [`Client`].

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::execution::ClusterExecution;
use super::handle::Cluster;
use super::scatter::Scatter;
use super::together::Together;
use crate::chain::carrier::{Carrier, Nodes, Spread};
use crate::chain::gathered::Gathered;
use crate::chain::payload::ChainPayload;
use crate::chain::routing::Routing;
use crate::chain::{Batch, Chain, EachPipeline, Pipeline, Transaction, batch};
use crate::client::{Client, InFlight, Surface};
use crate::command::{Args, Keys};
use crate::engine::inflight::Delivery;
use crate::error::{Error, Result, ServerVersion};
use crate::reply::Frame;
use crate::request::{Detached, IntoRequest};

impl Cluster {
    /// Starts a pipeline: commands that go to their nodes at the same time, one write for each node, answered with a
    /// tuple.
    ///
    /// Redirects are followed for each command and do not disturb the others. Commands of one slot are carried out in
    /// their order. A command that concerns several nodes, such as MGET with keys of several slots, is split and joined
    /// as it is when it is called alone.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// let visits = raw("INCR").key("visits").reply::<i64>();
    /// let name = raw("GET").key("name").reply::<Option<String>>();
    /// let (visits, name) = cluster.pipeline().run(visits).run(name).await?; // two nodes
    /// # Ok(()) }
    /// ```
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Some(Carrier::nodes(self)))
    }

    /// Starts a transaction: commands that one node executes as one, answered with a tuple.
    ///
    /// All keys must have one slot: give them one [hash tag](crate::cluster::slot). Otherwise the transaction is refused
    /// before anything is sent; the error names two keys and their slots. When the slot moves to another node, the
    /// transaction is sent there as a whole, because nothing was executed before. Without keys it goes to any primary.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// let sold = raw("INCR").key("{tea}sold").reply::<i64>();
    /// let left = raw("DECR").key("{tea}left").reply::<i64>();
    /// let (sold, left) = cluster.transaction().run(sold).run(left).await?;
    /// # Ok(()) }
    /// ```
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Some(Carrier::nodes(self)))
    }

    /// Starts a batch: a pipeline whose commands are collected at run time.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(Carrier::nodes(self))
    }

    /// Sends one command for each item, all in one pipeline. The replies come as a `Vec` in the order of the items.
    ///
    /// The first failure is the error of the whole pipeline. With `.attempt()` on the command, each item has its own
    /// `Result`.
    pub fn pipeline_each<I, C>(
        &self,
        items: I,
        command: impl Fn(Detached, I::Item) -> C,
    ) -> EachPipeline<'_, C::Reply>
    where
        I: IntoIterator,
        C: IntoRequest<Sink = Detached>,
    {
        batch::each(Carrier::nodes(self), None, items, command)
    }
}

impl Cluster {
    /// Executes a command that was built separately, and returns the reply as it came, also if it is an error; for
    /// recorders and test suites.
    ///
    /// # Errors
    /// The cluster's, and those of an argument that cannot be sent.
    pub async fn execute(&self, args: Args) -> Result<Frame> {
        let mut execution = self.begin(Box::new(args));
        poll_fn(|cx| execution.poll_frame(cx)).await
    }
}

impl Client for Cluster {
    type InFlight<'a> = ClusterExecution<'a>;

    #[inline]
    fn begin_command(&self, args: Box<Args>) -> ClusterExecution<'_> {
        self.begin(args)
    }

    #[inline]
    fn noted_keys(&self) -> Keys {
        Keys::Slots
    }

    fn surface(&self) -> Surface<'_> {
        Surface::new(Carrier::nodes(self))
    }
}

impl Nodes for Cluster {
    fn begin(&self, payload: &mut ChainPayload) -> Box<dyn Spread + '_> {
        match payload.take_routing() {
            Some(Routing::Together(slot)) => {
                Box::new(Together::new(self.shared(), slot.goal(), payload))
            }
            Some(Routing::Each(singles)) => {
                match Scatter::new(self.shared(), singles, payload.patience()) {
                    Ok(scatter) => Box::new(scatter),
                    Err((index, error)) => Box::new(NotSent(Some(error.at_index(index)))),
                }
            }
            None => Box::new(NotSent(None)),
        }
    }
}

impl Spread for Scatter<'_> {
    fn submit(&mut self, _: &mut ChainPayload) {
        self.submit();
    }

    fn poll(&mut self, _: &mut ChainPayload, cx: &mut Context<'_>) -> Poll<Gathered> {
        self.poll(cx).map(Gathered::Each)
    }

    fn server(&self) -> Option<ServerVersion> {
        self.server()
    }
}

impl Spread for Together<'_> {
    fn submit(&mut self, payload: &mut ChainPayload) {
        self.submit(payload);
    }

    fn poll(&mut self, payload: &mut ChainPayload, cx: &mut Context<'_>) -> Poll<Gathered> {
        self.poll(payload, cx).map(Gathered::Together)
    }

    fn server(&self) -> Option<ServerVersion> {
        self.server()
    }
}

/// A chain with a command that cannot go over a cluster.
#[derive(Debug)]
struct NotSent(Option<Error>);

impl Spread for NotSent {
    fn submit(&mut self, _: &mut ChainPayload) {}

    fn poll(&mut self, _: &mut ChainPayload, _: &mut Context<'_>) -> Poll<Gathered> {
        Poll::Ready(match self.0.take() {
            Some(error) => Gathered::Refused(error),
            None => Gathered::Together(Delivery::Refused(Error::ended())),
        })
    }

    fn server(&self) -> Option<ServerVersion> {
        None
    }
}
