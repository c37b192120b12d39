//! Pipelines, batches and transactions on a cluster; and the cluster as a [`Client`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::execution::ClusterExecution;
use super::handle::Cluster;
use super::map_wait::map_by;
use super::scatter::Scatter;
use super::shared::Shared;
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
    #[doc(hidden)]
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
        if self.shared().first_map.is_found() {
            begin(self.shared(), payload, false)
        } else {
            Box::new(Later::new(self.shared(), payload))
        }
    }
}

/// Begins a chain. `is_onward` says that it is on its way: it goes on also if nothing new is accepted.
fn begin<'a>(
    shared: &'a Shared,
    payload: &mut ChainPayload,
    is_onward: bool,
) -> Box<dyn Spread + 'a> {
    match payload.take_routing() {
        Some(Routing::Together(slot)) => {
            let mut together = Together::new(shared, slot.goal(), payload);
            if is_onward {
                together.go_on();
            }
            Box::new(together)
        }
        Some(Routing::Each(singles)) => match Scatter::new(shared, singles, payload.patience()) {
            Ok(mut scatter) => {
                if is_onward {
                    scatter.go_on(None);
                }
                Box::new(scatter)
            }
            Err((index, error)) => Box::new(NotSent(Some(error.at_index(index)))),
        },
        None => Box::new(NotSent(None)),
    }
}

/// A chain that waits for the first map of the cluster.
struct Later<'a> {
    shared: &'a Shared,
    end: Option<Instant>,
    /// The wait; `None` once it is over.
    found: Option<Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>>,
    begun: Option<Box<dyn Spread + 'a>>,
}

impl<'a> Later<'a> {
    fn new(shared: &'a Shared, payload: &ChainPayload) -> Self {
        let limit = payload.patience().limit(shared.config.command_timeout);
        let end = limit.from(Instant::now());
        Self {
            shared,
            end,
            found: Some(Box::pin(map_by(shared, end))),
            begun: None,
        }
    }
}

impl fmt::Debug for Later<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Later").field(&self.begun).finish()
    }
}

impl Spread for Later<'_> {
    fn submit(&mut self, _: &mut ChainPayload) {
        self.shared.want_first_map();
    }

    fn poll(&mut self, payload: &mut ChainPayload, cx: &mut Context<'_>) -> Poll<Gathered> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            None => {
                let Some(found) = &mut self.found else {
                    return Poll::Ready(Gathered::Refused(Error::ended()));
                };
                let found = ready!(found.as_mut().poll(cx));
                self.found = None;
                if let Err(error) = found {
                    return Poll::Ready(Gathered::Refused(error));
                }
                if let Some(end) = self.end {
                    payload.end_within(end.saturating_duration_since(Instant::now()));
                }
                self.begun.insert(begin(self.shared, payload, true))
            }
        };
        begun.poll(payload, cx)
    }

    fn server(&self) -> Option<ServerVersion> {
        self.begun.as_ref()?.server()
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
