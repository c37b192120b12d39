//! Commands that block, on a socket that is leased from the node of their keys; and such a socket for the caller.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::detour::{Detour, Hops, no_node, passes};
use super::handle::Cluster;
use super::map_wait::map_by;
use super::nodes::Node;
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use crate::chain::routing::Goal;
use crate::command::{Args, CommandInfo, Keys, Slots, ToArg, command_info};
use crate::engine::inflight::{Limit, Patience};
use crate::engine::single::terms_of;
use crate::error::{
    ClusterCause, ClusterError, Error, ErrorKind, Phase, Result, ServerError, ServerVersion,
};
use crate::handle::{Answer, Exclusive, Unclaimed, run_unclaimed};
use crate::reply::Frame;
use crate::request::AllowsBlocking;

/// Who waited on one node for this long has not been sent round in a circle.
const SETTLED: Duration = Duration::from_secs(1);

/// A node that refuses a command when it arrives says so within this time; later, the command may have waited there. Over a longer way,
/// a redirect is taken for the end of a wait: an error that was not needed is better than an entry that is missed.
const ON_ARRIVAL: Duration = Duration::from_millis(100);

/// Stands for the command that is to come; only its key is read.
static NOTHING: CommandInfo = command_info!("");

impl AllowsBlocking for &Cluster {}

impl Cluster {
    /// Leases a socket to the node that has the slot of a key: an idle one, or a new one, or, if all are in use, the next
    /// one that comes back. Each node lends as many sockets as the setting `leases` says.
    ///
    /// It is for commands that change their connection, such as WATCH and MULTI by hand, on keys of this slot. Redirects
    /// are not followed on it: they are errors, since the state of the socket is on the node that it leads to. After
    /// one the map is asked for again: take a new lease. For a transaction that depends on what it has read, see [`Cluster::watch`], which does that.
    ///
    /// Waiting is fair and bounded by the command timeout.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, raw};
    ///
    /// let lease = cluster.exclusive_for("{stock}").await?; // for every key with this tag
    /// let open = lease.begin().await?;
    /// open.run(raw("INCR").key("{stock}.tea").reply::<i64>()).await?;
    /// open.exec().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A timeout, a failure to connect to the node, a key that cannot be sent, or `Closed` while the cluster is being closed.
    #[doc(alias = "acquire")]
    pub async fn exclusive_for(&self, key: impl ToArg) -> Result<Exclusive> {
        let mut args = Args::new(&NOTHING, Keys::Slots);
        args.key("key", &key);
        if let Some(error) = args.take_error() {
            return Err(error);
        }
        let limit = Patience::Default.limit(self.config().command_timeout);
        let end = limit.from(Instant::now());
        map_by(self.shared(), end).await?;
        let node = owner(self.shared(), Goal::of(&args));
        node.ok_or_else(no_node)?.lease_by(end).await
    }

    /// Calls `report` with the reply to a blocking command whose caller has gone away or whose deadline has passed, as
    /// [`Pool::on_unclaimed`](crate::Pool::on_unclaimed) does.
    pub fn on_unclaimed(&self, report: impl Fn(Unclaimed) + Send + Sync + 'static) {
        self.shared().reports.set(report);
    }
}

/// The node that should carry something out, as far as is known now.
pub(super) fn owner(shared: &Shared, goal: Goal) -> Option<Arc<Node>> {
    let routes = shared.routes();
    let node = routes.node_for(goal);
    node.cloned()
}

/// Runs a blocking command on a socket of its own, and says which server answered. When the node loses the slot, or its role, the wait goes on at the
/// new node with what is left of its time. When this is dropped midway, the lease closes its socket, because a reply is
/// still owed on it.
pub(super) async fn run(shared: &Shared, args: Box<Args>) -> Answer {
    if let Slots::Several(first, second) = args.slots() {
        return (Err(args.crossing_slots(first, second)), None);
    }
    let name = args.name();
    let mut wait = Wait::new(shared, args);
    let outcome = wait.run().await;
    let outcome = outcome.map_err(|error| error.of_command(name));
    (outcome, wait.server)
}

/// A blocking command, and what happened to it so far.
struct Wait<'a> {
    shared: &'a Shared,
    args: Box<Args>,
    goal: Goal,
    since: Instant,
    patience: Patience,
    /// Whether it waits for what comes from now on.
    begins_now: bool,
    /// When it was sent last.
    sent: Instant,
    /// Where a redirect led.
    place: Option<Place>,
    detour: Detour,
    hops: Hops,
    /// The server that it was sent to last.
    server: Option<ServerVersion>,
}

/// A node to ask.
struct Place {
    node: Arc<Node>,
    asking: bool,
}

/// What is done after an attempt.
enum Verdict {
    /// This is the outcome.
    Over,
    /// It is sent again to this node.
    To(Place),
    /// It is sent again after a pause, to the node that is known by then.
    Later,
}

impl<'a> Wait<'a> {
    fn new(shared: &'a Shared, args: Box<Args>) -> Self {
        let since = Instant::now();
        let patience = terms_of(&args).patience;
        let limit = patience.limit(shared.config.command_timeout);
        Self {
            shared,
            goal: Goal::of(&args),
            begins_now: args.begins_now(),
            args,
            since,
            patience,
            sent: since,
            place: None,
            detour: Detour::until(Limit::from(limit, since)),
            hops: Hops::default(),
            server: None,
        }
    }

    async fn run(&mut self) -> Result<Frame> {
        let mut next = if self.shared.first_map.is_found() {
            self.args.again()
        } else {
            map_by(self.shared, self.detour.due.at).await?;
            self.args.again_since(self.since)
        };
        loop {
            let place = match self.place.take() {
                Some(place) => place,
                None => Place {
                    node: owner(self.shared, self.goal).ok_or_else(no_node)?,
                    asking: false,
                },
            };
            let leased = Instant::now();
            let outcome = self.attempt(&place, next).await;
            if leased.elapsed() >= SETTLED {
                self.hops.forget();
            }
            match self.judge(&outcome, &place.node)? {
                Verdict::Over => return outcome,
                Verdict::To(place) => self.place = Some(place),
                Verdict::Later => {
                    if !self.detour.pause(self.shared, self.patience) {
                        return outcome;
                    }
                    poll_fn(|cx| self.detour.poll_pause(cx)).await;
                }
            }
            next = self.args.again_since(self.since);
        }
    }

    /// The wait for the socket takes of the same time as the command.
    async fn attempt(&mut self, place: &Place, mut args: Args) -> Result<Frame> {
        let end = self.detour.due.at;
        // Before the lease, so that what ends the wait is still there then.
        let ending = self.shared.reports.ending(place.node.connection());
        let lease = place.node.lease_by(end).await?;
        self.sent = Instant::now();
        self.server = lease.server();
        if let Some(end) = end {
            args.set_time_left(end.saturating_duration_since(Instant::now()));
        }
        run_unclaimed(ending, lease, place.asking, Box::new(args)).await
    }

    /// Decides what follows on the outcome of an attempt at a node.
    fn judge(&mut self, outcome: &Result<Frame>, node: &Node) -> Result<Verdict> {
        let refusal = match outcome {
            Ok(frame) => match frame.reply().error() {
                Some(refusal) => refusal,
                None => return Ok(Verdict::Over),
            },
            Err(error) if self.is_lost_unharmed(error) => {
                self.shared.want_refresh();
                return Ok(Verdict::Later);
            }
            Err(_) => return Ok(Verdict::Over),
        };
        if let Some(redirect) = Redirect::parse(&refusal.to_string()) {
            let hop = self.hops.follow(self.shared, &redirect, &node.address)?;
            self.check_that_nothing_is_missed(&refusal)?;
            return Ok(if hop.pauses {
                Verdict::Later
            } else {
                Verdict::To(Place {
                    node: hop.node,
                    asking: redirect.kind == RedirectKind::Ask,
                })
            });
        }
        if passes(&refusal, self.args.info().may_run_code()) || is_demotion(&refusal) {
            self.shared.want_refresh();
            self.check_that_nothing_is_missed(&refusal)?;
            self.hops.forget();
            return Ok(Verdict::Later);
        }
        Ok(Verdict::Over)
    }

    /// Who waits for what comes from now on, and may have waited at a node that ended this, would miss what came meanwhile.
    fn check_that_nothing_is_missed(&self, refusal: &ServerError) -> Result<()> {
        if self.begins_now && may_have_waited(refusal, self.sent.elapsed()) {
            return Err(missed(refusal));
        }
        Ok(())
    }

    /// Whether the socket was lost, or there was none, and the command can be sent again: nothing of it was sent, or it
    /// may be repeated. What waits for what comes from now on would miss what came meanwhile.
    fn is_lost_unharmed(&self, error: &Error) -> bool {
        let is_lost = matches!(
            error.kind(),
            ErrorKind::ConnectionLost(_) | ErrorKind::Connect(_) | ErrorKind::RuntimeEnded
        );
        let may_go_again = self.args.is_idempotent() && !self.begins_now;
        is_lost && (error.phase() == Phase::NotSent || may_go_again)
    }
}

/// Whether a command that was refused this long after it was sent may have waited there before.
fn may_have_waited(refusal: &ServerError, after: Duration) -> bool {
    is_demotion(refusal) || after >= ON_ARRIVAL
}

#[cold]
fn missed(refusal: &ServerError) -> Error {
    let text = format!(
        "the node ended the wait for what comes from now on (`$`): {refusal}; what has come since would be missed: \
         read on from an id that you know, or use `tail`"
    );
    let error = ClusterError::new(ClusterCause::WaitEnded, text);
    Error::new(ErrorKind::Cluster(error), Phase::Refused)
}

/// Whether a node ended the wait because it lost its role. CLIENT UNBLOCK has the same code; that is the wish of whoever
/// called it.
fn is_demotion(refusal: &ServerError) -> bool {
    refusal.code() == "UNBLOCKED" && refusal.message().starts_with("force unblock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_on_arrival_ends_no_wait_and_a_demotion_always_does() {
        let moved = ServerError::new("MOVED 1 a:1");
        assert!(!may_have_waited(&moved, Duration::from_millis(99)));
        assert!(may_have_waited(&moved, Duration::from_millis(100)));
        let demoted = ServerError::new("UNBLOCKED force unblock from blocking operation");
        assert!(may_have_waited(&demoted, Duration::ZERO));
    }
}
