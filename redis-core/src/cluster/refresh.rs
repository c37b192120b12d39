//! Learns the topology of the cluster: first from the configured servers, later from its nodes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::first_map::Refusal;
use super::life::Life;
use super::nodes::Node;
use super::shared::Shared;
use super::topology::Topology;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::config::{Address, Config};
use crate::engine::exchange::Pending;
use crate::engine::inflight::Order;
use crate::error::{ClusterCause, ClusterError, Error, ErrorKind, Phase, Result};
use crate::reply::Frame;
use crate::runtime;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest time from one refresh to the next.
const LEAST_PAUSE: Duration = Duration::from_secs(1);
/// The map is asked for after this time even if nothing hints at a change, up to a fifth later.
const INTERVAL: Duration = Duration::from_secs(30);
/// A node that owes replies for this long may have failed.
const SILENCE: Duration = Duration::from_secs(1);
/// How often is looked whether a socket was left.
const LOOK: Duration = Duration::from_millis(50);
/// How long a node that lost its role has to end what is blocked there. Redis 6.2 hears of its own failover after up to 10 s.
const GRACE: Duration = Duration::from_secs(15);
/// How many nodes are asked if the first ones know an older state.
const WITNESSES: usize = 3;
/// How long only older states are told before one is believed. A primary that is cut off from the cluster still serves
/// for this time, by the default of `cluster-node-timeout`.
const DOUBT: Duration = Duration::from_secs(15);

static CLUSTER_SLOTS: CommandInfo = command_info!("CLUSTER SLOTS").readonly();
static CLUSTER_INFO: CommandInfo = command_info!("CLUSTER INFO").readonly();

/// Asks the configured servers in turn, until one knows the cluster and says that it works. Else the first that knows it is believed.
pub(super) async fn discover(config: &Config) -> Result<Topology> {
    let mut doubtful: Option<Topology> = None;
    let mut failure: Option<Error> = None;
    for address in config.addresses() {
        let node = Node::new(config, address);
        let error = match ask(&node, config.connect_timeout).await {
            Ok(told) if told.topology.served() == 0 => no_slots(address),
            Ok(told) if told.works => return Ok(told.topology),
            Ok(told) => {
                doubtful.get_or_insert(told.topology);
                continue;
            }
            Err(error) => error,
        };
        // The last refusal for which waiting does not help is the one to report; it may hold for this server alone.
        let is_refusal = |error: &Error| Refusal::of(error).is_some();
        if is_refusal(&error) || !failure.as_ref().is_some_and(is_refusal) {
            failure = Some(error);
        }
    }
    if let Some(topology) = doubtful {
        return Ok(topology);
    }
    let failure = failure.unwrap_or_else(|| Error::config("no server is named"));
    Err(no_database(config, &failure).unwrap_or(failure))
}

/// What is wrong, if the nodes refuse the configured database.
#[cold]
fn no_database(config: &Config, error: &Error) -> Option<Error> {
    let (number, refusal) = (config.database, error.server()?);
    let why = match refusal.message() {
        text if text.contains("not allowed in cluster mode") => {
            "clusters of such servers have only the database 0; those of Valkey 9 can have more"
        }
        text if text.contains("DB index is out of range") => {
            "its `cluster-databases` (`databases`, if it is no cluster) says how many there are"
        }
        _ => return None,
    };
    let text = format!("there is no database {number} ({refusal}): {why}");
    Some(Error::config(text))
}

fn no_slots(address: &Address) -> Error {
    let text = format!(
        "{address} is a node of a cluster that serves no slots: give it some, or name a node of another cluster"
    );
    let error = ClusterError::new(ClusterCause::NoSlots, text);
    Error::new(ErrorKind::Cluster(error), Phase::NotSent)
}

/// What a node tells of the cluster.
struct Told {
    topology: Topology,
    /// Whether the node says that the cluster works. Where it does not, as in a part that is cut off, a node may not know what the others know.
    works: bool,
}

/// Asks one node.
async fn ask(node: &Node, patience: Duration) -> Result<Told> {
    // Both are sent in one write.
    let slots = call(node, &CLUSTER_SLOTS, patience);
    let info = call(node, &CLUSTER_INFO, patience);
    let slots = slots.frame().await?;
    if let Some(error) = slots.reply().error() {
        return if is_no_cluster(error.message()) {
            let topology = Topology::of_one(node.address.clone());
            Ok(Told {
                topology,
                works: true,
            })
        } else {
            Err(Error::refused(error))
        };
    }
    let info = info.frame().await.ok();
    let line = |name| info.as_ref().and_then(|info| line(info, name));
    let epoch = line("cluster_current_epoch").and_then(|epoch| epoch.parse().ok());
    let config = node.connection().config();
    let topology = Topology::from_slots(
        slots.reply(),
        epoch.unwrap_or_default(),
        &node.address,
        &|told| config.mapped(told),
    );
    Ok(Told {
        topology: topology.map_err(|error| Error::decode(error, None))?,
        works: line("cluster_state") != Some("fail"),
    })
}

fn call<'a>(node: &'a Node, info: &'static CommandInfo, patience: Duration) -> Pending<'a> {
    let mut args = Args::lease(info, Keys::Ignored);
    args.set_deadline(patience);
    let mut pending = Pending::new(node.connection().link(), args);
    // While the cluster is being closed, the map is only asked for because of what is on its way.
    pending.be_own();
    pending.submit();
    pending
}

/// Whether a server says that it is not in a cluster, or does not know clusters.
pub(super) fn is_no_cluster(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("cluster support disabled") || message.starts_with("unknown command")
}

/// What CLUSTER INFO says in one of its lines.
fn line<'a>(info: &'a Frame, name: &str) -> Option<&'a str> {
    let text = info.reply().text()?.to_str().ok()?;
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    text.lines().find_map(value).map(str::trim_end)
}

/// Keeps the map up to date for as long as there is a handle and the cluster is not closed.
pub(super) async fn run(shared: Weak<Shared>, life: Arc<Life>, wanted: Arc<Notify>) {
    life.unless_over(async {
        if learn_first(&shared, &wanted).await.is_some() {
            keep(shared, &wanted).await;
        }
    })
    .await;
}

/// Asks the configured servers for the map once it is needed, again and again until one tells it. `None` if there is no handle any more.
async fn learn_first(shared: &Weak<Shared>, wanted: &Notify) -> Option<()> {
    if shared.upgrade()?.first_map.is_found() {
        return Some(());
    }
    wanted.notified().await;
    let mut attempts = 0;
    loop {
        let config = {
            let shared = shared.upgrade()?;
            shared.first_map.begin(shared.config.address());
            shared.config.clone()
        };
        let told = discover(&config).await;
        let shared = shared.upgrade()?;
        match told {
            Ok(topology) => {
                shared.replace(topology);
                return Some(());
            }
            Err(error) => shared.first_map.fail(&error),
        }
        shared.life.wake();
        drop(shared);
        sleep(config.backoff.pause(attempts)).await;
        attempts = attempts.saturating_add(1);
    }
}

async fn keep(shared: Weak<Shared>, wanted: &Notify) {
    let mut last = Instant::now();
    let mut doubt = Doubt::default();
    loop {
        let due = last + INTERVAL.mul_f64(1.0 + fastrand::f64() / 5.0);
        wait(&shared, wanted, due).await;
        sleep_until(last + LEAST_PAUSE).await;
        last = Instant::now();
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.life.is_closing() && !shared.is_busy() {
            // Nobody needs the map any more.
            continue;
        }
        // One refresh is enough for all requests so far.
        if let Some(topology) = doubt.settle(learn(&shared).await, last) {
            take_over(&shared, topology);
        } else if doubt.since.is_some() {
            shared.want_refresh();
        }
    }
}

fn take_over(shared: &Arc<Shared>, topology: Topology) {
    let before = shared.routes().nodes().to_vec();
    shared.replace(topology);
    leave_silent(shared, &before);
    give_up_waits(shared, before);
}

/// Waits until the map is wanted, its time has come, or a node seems to have failed.
async fn wait(shared: &Weak<Shared>, wanted: &Notify, due: Instant) {
    while Instant::now() < due {
        if timeout(SILENCE, wanted.notified()).await.is_ok() {
            return;
        }
        match shared.upgrade() {
            Some(shared) if !is_troubled(&shared) => {}
            _ => return,
        }
    }
}

/// Whether a node has owed replies for too long.
fn is_troubled(shared: &Shared) -> bool {
    let routes = shared.routes();
    let mut nodes = routes.nodes().iter();
    nodes.any(|node| node.connection().stats().owed_for >= SILENCE)
}

/// Gives up commands in flight on nodes that lost their slots and do not answer: the new owners are asked, if a
/// command may be repeated.
fn leave_silent(shared: &Arc<Shared>, before: &[Arc<Node>]) {
    for node in before.iter().filter(|node| !shared.owns_slots(node)) {
        let owed_for = node.connection().stats().owed_for;
        // A later look at the map does not find a node that is not in it any more.
        let is_last_look = shared.routes().at(&node.address).is_none();
        if owed_for >= SILENCE || (is_last_look && !owed_for.is_zero()) {
            leave(
                Arc::downgrade(shared),
                node.clone(),
                SILENCE.saturating_sub(owed_for),
            );
        }
    }
}

/// Gives up what is in flight on a node, if it does not answer within `patience`.
fn leave(shared: Weak<Shared>, node: Arc<Node>, patience: Duration) {
    runtime::spawn(async move {
        sleep(patience).await;
        let is_back = shared
            .upgrade()
            .is_some_and(|shared| shared.owns_slots(&node));
        let is_silent = |node: &Node| node.connection().stats().owed_for >= SILENCE;
        if is_back || !is_silent(&node) {
            return;
        }
        node.connection().link().order(Order::Leave);
        // If the node goes before that is done, its connection waits for what it is owed.
        let end = Instant::now() + GRACE;
        while is_silent(&node) && Instant::now() < end {
            sleep(LOOK).await;
        }
    });
}

/// Gives up what is blocked on nodes that lost their role and do not end it: one that hangs, or a WAIT without a limit on
/// Valkey 9. All others end what is blocked there, and then it goes on at the new owner.
fn give_up_waits(shared: &Arc<Shared>, before: Vec<Arc<Node>>) {
    let former = before.into_iter().filter(|node| !shared.owns_slots(node));
    for node in former.filter(|node| node.begins_grace()) {
        let shared = Arc::downgrade(shared);
        runtime::spawn(async move {
            sleep(GRACE).await;
            let is_back = shared
                .upgrade()
                .is_some_and(|shared| shared.owns_slots(&node));
            node.ends_grace((!is_back).then_some(GRACE));
        });
    }
}

/// What nodes tell of the cluster.
enum Learned {
    /// No node answered.
    Nothing,
    /// A state that is at least as new as the known one.
    Newest(Topology),
    /// The newest of some states that are all older, or told by nodes for which the cluster does not work.
    Older(Topology),
}

/// Whether a state that is older than the known one, or told where the cluster does not work, is taken over. A node that is cut off tells
/// such a state, and then it is wrong. So do all nodes of a cluster that was reset, and then it is right.
#[derive(Debug, Default)]
struct Doubt {
    /// Since when nodes have told nothing else.
    since: Option<Instant>,
}

impl Doubt {
    /// The state to take over, if there is one.
    fn settle(&mut self, learned: Learned, now: Instant) -> Option<Topology> {
        match learned {
            Learned::Nothing => None,
            Learned::Older(_) if now - *self.since.get_or_insert(now) < DOUBT => None,
            Learned::Newest(topology) | Learned::Older(topology) => {
                self.since = None;
                Some(topology)
            }
        }
    }
}

/// Asks nodes in random order until one answers. If it knows an older state than we do, or says that the cluster does not work, asks some
/// more, those first that redirects have named, and takes the newest answer.
async fn learn(shared: &Shared) -> Learned {
    let mut heard: Vec<Told> = Vec::new();
    for node in witnesses(shared) {
        match ask(&node, PATIENCE).await {
            Ok(told) if told.topology.served() == 0 => {}
            // What redirects have told while the node was asked counts as well.
            Ok(told) if told.works && yields(shared, &told.topology, &node) => {
                return Learned::Newest(told.topology);
            }
            Ok(told) => heard.push(told),
            Err(_) => sleep(Duration::ZERO).await,
        }
        if heard.len() >= WITNESSES {
            break;
        }
    }
    let newest = |told: &Told| (told.works, told.topology.epoch());
    match heard.into_iter().max_by_key(newest) {
        None => Learned::Nothing,
        Some(told) if told.works && told.topology.epoch() > shared.routes().topology.epoch() => {
            Learned::Newest(told.topology)
        }
        Some(told) => Learned::Older(told.topology),
    }
}

fn yields(shared: &Shared, told: &Topology, node: &Node) -> bool {
    shared.routes().topology.yields_to(told, &node.address)
}

/// The nodes in the order in which they are asked, and at last the configured servers.
fn witnesses(shared: &Shared) -> Vec<Arc<Node>> {
    let routes = shared.routes();
    let mut nodes = routes.nodes().to_vec();
    fastrand::shuffle(&mut nodes);
    // Nodes that are connected and answer are asked first.
    nodes.sort_by_key(|node| {
        let stats = node.connection().stats();
        (stats.connected == 0, stats.owed_for >= SILENCE)
    });
    // All clients would ask a new owner at once, if it were the first.
    if let Some((_, others)) = nodes.split_first_mut() {
        others.sort_by_key(|node| !routes.topology.was_moved_to(&node.address));
    }
    let seeds = shared.config.addresses();
    nodes.extend(seeds.map(|address| Node::new(&shared.config, address)));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology::of_one(Address::Tcp("a".to_owned(), 1))
    }

    #[tokio::test(start_paused = true)]
    async fn older_states_are_believed_when_nothing_else_has_been_told_for_long() {
        let (mut doubt, start) = (Doubt::default(), Instant::now());
        let older = || Learned::Older(topology());
        assert_eq!(doubt.settle(older(), start), None);
        assert_eq!(doubt.settle(Learned::Nothing, start), None);
        let newest = doubt.settle(Learned::Newest(topology()), start + DOUBT / 2);
        assert_eq!(newest, Some(topology()));
        // A newer state came, so the 15 seconds are counted from here.
        assert_eq!(doubt.settle(older(), start + DOUBT), None);
        assert_eq!(doubt.settle(older(), start + DOUBT * 3 / 2), None);
        assert_eq!(doubt.settle(older(), start + DOUBT * 2), Some(topology()));
        assert_eq!(doubt.settle(older(), start + DOUBT * 2), None);
    }
}
