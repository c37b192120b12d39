//! [`Cluster::watch`]: the sockets for its attempts are leased from the node that has the slot of the keys by then.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use super::blocking::owner;
use super::detour::{Detour, Hops, no_node, passes};
use super::handle::Cluster;
use super::map_wait::map_within;
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use crate::chain::routing::Goal;
use crate::chain::watch::{By, Commit, Following, Lend, Lending, Lent, watch_of};
use crate::chain::{Watch, Watched};
use crate::client::Prefixed;
use crate::command::prefix::Prefix;
use crate::command::{Args, Keys, Slots, ToArgs};
use crate::engine::inflight::Patience;
use crate::error::{Error, ErrorKind, Result, ServerError};
use crate::request::{AllowsBlocking, Target};

impl Cluster {
    /// Runs a transaction that depends on what was read before, as [`Pool::watch`](crate::Pool::watch) does, on a socket
    /// that is leased from the node of the keys.
    ///
    /// All keys that are watched must have one slot, and so must those of the transaction. If the slot moves to another
    /// node, or if its node fails before EXEC was sent, nothing was done, and `attempt` is called again with a socket to the
    /// new node; such attempts do not count for [`Watch::attempts`]. If the connection is lost after EXEC was sent, the
    /// error has [`Phase::MaybeApplied`](crate::Phase::MaybeApplied).
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// let (sold,) = cluster
    ///     .watch(["{tea}stock"], |tx| async move {
    ///         let stock: i64 = tx.run(raw("GET").key("{tea}stock").reply()).await?;
    ///         Ok(tx.transaction().run(raw("SET").key("{tea}stock").arg(stock - 1).reply::<()>()))
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn watch<K, F, Fut, T>(&self, keys: K, attempt: F) -> Watch<'_, F>
    where
        K: ToArgs,
        F: Fn(Watched) -> Fut,
        Fut: Future<Output = Result<T>>,
        T: Target,
        T::Sink: Commit,
    {
        self.watch_these(watch_of(&keys, Keys::Slots), None, attempt)
    }

    /// Watches the keys of this command.
    fn watch_these<F>(
        &self,
        mut watch: Args,
        prefix: Option<Arc<Prefix>>,
        attempt: F,
    ) -> Watch<'_, F> {
        if let Slots::Several(first, second) = watch.slots() {
            let error = watch.crossing_slots(first, second);
            watch.refuse(error);
        }
        let leases = SlotLeases {
            shared: self.shared(),
            goal: Goal::of(&watch),
            place: None,
            detour: Detour::default(),
            hops: Hops::default(),
        };
        Watch::new(Box::new(leases), watch, prefix, attempt)
    }
}

impl Prefixed<Cluster> {
    /// Runs a transaction that depends on what was read before, as [`Cluster::watch`] does; all of its keys have the prefix.
    pub fn watch<K, F, Fut, T>(&self, keys: K, attempt: F) -> Watch<'_, F>
    where
        K: ToArgs,
        F: Fn(Watched) -> Fut,
        Fut: Future<Output = Result<T>>,
        T: Target,
        T::Sink: Commit,
    {
        let mut watch = watch_of(&keys, Keys::Noted);
        watch.put_prefix(self.whole());
        let prefix = Some(self.whole().clone());
        self.inner().watch_these(watch, prefix, attempt)
    }
}

impl AllowsBlocking for &Prefixed<Cluster> {}

/// Lends sockets to the node that has the slot of the watched keys.
struct SlotLeases<'a> {
    shared: &'a Shared,
    goal: Goal,
    /// The last socket that was lent, and where a redirect led from there.
    place: Option<Place>,
    detour: Detour,
    hops: Hops,
}

/// A node to lend from.
struct Place {
    node: std::sync::Arc<super::nodes::Node>,
    asking: bool,
    /// Whether a redirect named it, and nothing was lent from it yet.
    is_new: bool,
}

impl Lend for SlotLeases<'_> {
    fn lend(&mut self) -> Lending<'_> {
        Box::pin(async {
            map_within(self.shared, Patience::Default).await?;
            loop {
                let (node, asking) = match &mut self.place {
                    Some(place) if place.is_new => {
                        place.is_new = false;
                        (place.node.clone(), place.asking)
                    }
                    _ => (owner(self.shared, self.goal).ok_or_else(no_node)?, false),
                };
                self.place = Some(Place {
                    node: node.clone(),
                    asking,
                    is_new: false,
                });
                match node.lease().await {
                    Ok(lease) => return Ok(Lent { lease, asking }),
                    Err(error) if !self.follow(&error, By::Server).await => return Err(error),
                    Err(_) => {}
                }
            }
        })
    }

    fn follow<'l>(&'l mut self, error: &'l Error, by: By) -> Following<'l> {
        Box::pin(async move {
            match self.judge(error, by) {
                Verdict::Final => false,
                Verdict::Now => true,
                Verdict::Later => {
                    let in_time = self.detour.pause(self.shared, Patience::Default);
                    if in_time {
                        poll_fn(|cx| self.detour.poll_pause(cx)).await;
                    }
                    in_time
                }
            }
        })
    }
}

/// What is done after an attempt that failed and had no effect.
enum Verdict {
    Final,
    /// It is made again at once.
    Now,
    /// It is made again after a pause.
    Later,
}

impl SlotLeases<'_> {
    fn judge(&mut self, error: &Error, by: By) -> Verdict {
        match error.kind() {
            ErrorKind::Server(refusal) | ErrorKind::TransactionAborted(refusal) => {
                self.judge_refusal(refusal, by)
            }
            // A socket may have been opened on a runtime that ends before the others.
            ErrorKind::ConnectionLost(_) | ErrorKind::Connect(_) | ErrorKind::RuntimeEnded => {
                self.shared.want_refresh();
                Verdict::Later
            }
            ErrorKind::WatchedKeyChanged => {
                // It had arrived: what delayed it has passed. The next attempt may take the same path.
                self.hops.forget();
                self.detour = Detour::default();
                Verdict::Final
            }
            _ => Verdict::Final,
        }
    }

    fn judge_refusal(&mut self, refusal: &ServerError, by: By) -> Verdict {
        if let Some(redirect) = Redirect::parse(&refusal.to_string()) {
            return self.judge_redirect(&redirect);
        }
        if !passes(refusal, by == By::Code) {
            return Verdict::Final;
        }
        if refusal.code() != "TRYAGAIN" {
            self.shared.want_refresh();
        }
        self.hops.forget();
        Verdict::Later
    }

    fn judge_redirect(&mut self, redirect: &Redirect) -> Verdict {
        // A key with another slot is a mistake of the caller, which goes on failing.
        if self.goal != Goal::Owner(redirect.slot) {
            return Verdict::Final;
        }
        let Some(place) = &mut self.place else {
            return Verdict::Later;
        };
        match self.hops.follow(self.shared, redirect, &place.node.address) {
            Err(_) => Verdict::Final,
            Ok(hop) if hop.pauses => Verdict::Later,
            Ok(hop) => {
                *place = Place {
                    node: hop.node,
                    asking: redirect.kind == RedirectKind::Ask,
                    is_new: true,
                };
                Verdict::Now
            }
        }
    }
}
