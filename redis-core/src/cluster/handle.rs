//! The handle of a cluster: [`Cluster`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::pending::ClusterPending;
use super::refresh;
use super::shared::Shared;
use super::split;
use super::topology::Topology;
use crate::command::{Args, RequestPolicy, Slots};
use crate::config::{Config, IntoConfig};
use crate::error::{Error, Result};
use crate::reply::{Frame, FromRedis};
use crate::request::{Execute, Sink, Target};
use crate::runtime;

/// All nodes of a Redis or Valkey Cluster behind one handle, cheap to clone.
///
/// Each command goes to the node that has its keys. When slots move or a replica takes over, commands are sent on to where
/// their keys are, within their deadlines; what was lost with a node and may not be repeated is an error that says
/// [`MaybeApplied`](crate::Phase::MaybeApplied). A node that fails does not slow the others.
///
/// Some commands concern several nodes. MGET, DEL, EXISTS and their kin are split by the slots of their keys, and DBSIZE,
/// KEYS, FLUSHALL, SCRIPT LOAD and the like go to every node; the replies become one. They are not atomic as a whole. Any
/// other command whose keys have different slots is refused before it is sent: keys with the same
/// [hash tag](slot()) have one slot.
///
/// On a server that is no cluster, that one owns all slots.
///
/// ```no_run
/// # async fn example() -> typedis_core::Result<()> {
/// use typedis_core::cluster::Cluster;
/// use typedis_core::{Run, raw};
///
/// let cluster = Cluster::open("redis://node-1,node-2,node-3").await?; // the others are learned from these
/// let visits: i64 = cluster.run(raw("INCR").key("visits").reply()).await?;
/// # Ok(()) }
/// ```
///
/// [slot()]: super::slot
#[derive(Clone)]
pub struct Cluster {
    owned: Arc<Owned>,
}

/// Ends the task that keeps the map fresh when the last clone goes.
struct Owned {
    shared: Arc<Shared>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.shared.want_refresh();
    }
}

impl Cluster {
    /// Asks the configured servers in turn what the cluster looks like; one that answers is enough. Sockets to its nodes are
    /// opened when they are first needed.
    ///
    /// Every setting holds for each node.
    ///
    /// # Errors
    /// A bad URL, no server that can be reached, a refused login, nodes that serve no slots.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?;
        if config.service().is_some() {
            let text =
                "a cluster does without Sentinels: name its nodes, as in redis://node-1,node-2";
            return Err(Error::config(text));
        }
        let topology = refresh::discover(&config).await?;
        let shared = Arc::new(Shared::new(config, topology));
        let (weak, wanted) = (Arc::downgrade(&shared), shared.refresh.clone());
        runtime::spawn(refresh::run(weak, wanted));
        Ok(Self {
            owned: Arc::new(Owned { shared }),
        })
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared().config
    }

    /// What the cluster looks like, as far as is known at this moment.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.shared().routes().topology.clone()
    }

    #[inline]
    pub(super) fn shared(&self) -> &Shared {
        &self.owned.shared
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("topology", &self.shared().routes().topology)
            .finish_non_exhaustive()
    }
}

/// A command on its way through a cluster.
pub enum ClusterExecution<'a> {
    /// To the node that has its keys.
    One(ClusterPending<'a>),
    /// To several nodes.
    Several(Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'a>>),
    /// It has come to its end.
    Over,
}

impl fmt::Debug for ClusterExecution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(pending) => f.debug_tuple("One").field(pending).finish(),
            Self::Several(_) => f.write_str("Several"),
            Self::Over => f.write_str("Over"),
        }
    }
}

impl Target for &Cluster {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for &'a Cluster {
    type Pending = ClusterExecution<'a>;

    fn keys(&self) -> crate::command::Keys {
        crate::command::Keys::Slots
    }
}

impl<'a, R: FromRedis> Execute<R> for &'a Cluster {
    type Output = R;

    #[inline]
    fn begin(self, args: Box<Args>) -> ClusterExecution<'a> {
        let info = args.info();
        let is_usual = args.is_plain() && info.request_policy == RequestPolicy::Default;
        if is_usual && !matches!(args.slots(), Slots::Several(..)) {
            return ClusterExecution::One(ClusterPending::new(self, args));
        }
        begin_unusual(self, args)
    }

    fn submit(execution: &mut ClusterExecution<'a>) {
        // What goes to several nodes is on its way once it is polled.
        if let ClusterExecution::One(pending) = execution {
            pending.submit();
        }
    }

    #[inline]
    fn poll(execution: &mut ClusterExecution<'a>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match execution {
            ClusterExecution::One(pending) => pending.poll_decoded(cx),
            ClusterExecution::Several(future) => {
                let outcome = ready!(future.as_mut().poll(cx));
                *execution = ClusterExecution::Over;
                Poll::Ready(Frame::decode_outcome(outcome))
            }
            ClusterExecution::Over => Poll::Ready(Err(Error::ended())),
        }
    }
}

/// Begins what is not simply one node's.
#[cold]
fn begin_unusual(cluster: &Cluster, mut args: Box<Args>) -> ClusterExecution<'_> {
    if let Some(error) = args.take_error() {
        return ClusterExecution::One(ClusterPending::refused(cluster, args, error));
    }
    match split::plan(&mut args) {
        Ok(split::Plan::OneNode) => ClusterExecution::One(ClusterPending::new(cluster, args)),
        Ok(plan) => ClusterExecution::Several(Box::pin(split::run(cluster, args, plan))),
        Err(error) => ClusterExecution::One(ClusterPending::refused(cluster, args, error)),
    }
}
