//! What must hold when everything is over and mended.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use typedis_core::cluster::Cluster;
use typedis_core::{Channel, Lag, Run, Value};

use super::answer::decoded;
use super::clients::cached::Caching;
use super::clients::call::Call;
use super::clients::listening::Listening;
use super::clients::{Handle, Scene};
use super::keys;
use super::network::Network;
use super::plan::{CHANNELS, CallKind, Place, Subscription};
use super::world::{World, lock};

/// How often a condition is checked again.
const AGAIN: Duration = Duration::from_millis(25);

/// A subscription that lives from the beginning to the end.
pub(crate) struct Kept {
    subscription: Subscription,
    heard: Arc<std::sync::Mutex<Listening>>,
    reader: JoinHandle<()>,
}

impl Kept {
    /// Subscribes, and reads all that comes.
    pub(crate) async fn open(scene: &Scene, subscription: Subscription) -> Option<Self> {
        // The configured timeout may be too short for a socket that has to be opened first.
        const PATIENCE: Duration = Duration::from_secs(30);
        let name = name_of(subscription.channel, subscription.is_shard);
        macro_rules! subscribe_on {
            ($handle:expr) => {
                if subscription.is_shard {
                    $handle.ssubscribe(&name).deadline(PATIENCE).await
                } else {
                    $handle.subscribe(&name).deadline(PATIENCE).await
                }
            };
        }
        let subscribed = match scene.handle(subscription.place)? {
            Handle::Connection(connection) => subscribe_on!(connection),
            Handle::Pool(pool) => subscribe_on!(pool),
            Handle::Cluster(cluster) => subscribe_on!(cluster),
        };
        let events = match subscribed {
            Ok(events) => events,
            Err(error) => {
                scene
                    .world
                    .violate("where nothing breaks, nothing fails", error.to_string());
                return None;
            }
        };
        let heard = Arc::new(std::sync::Mutex::new(scene.listening(&name)));
        let reader = tokio::spawn(read_all(scene.world.clone(), events, heard.clone()));
        Some(Self {
            subscription,
            heard,
            reader,
        })
    }

    fn is_to(&self, channel: usize, is_shard: bool) -> bool {
        (self.subscription.channel, self.subscription.is_shard) == (channel, is_shard)
    }
}

fn name_of(channel: usize, is_shard: bool) -> String {
    if is_shard {
        keys::shard(channel)
    } else {
        keys::channel(channel)
    }
}

async fn read_all(world: Arc<World>, mut events: Channel, heard: Arc<std::sync::Mutex<Listening>>) {
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => lock(&heard).take(&world, &event),
            Err(error) => return world.violate("subscriptions are restored", error.to_string()),
        }
    }
    let text = "the stream of a subscription ended".to_owned();
    world.violate("subscriptions are restored", text);
}

/// Waits until something holds, at most for so long.
async fn until(
    world: &World,
    rule: &'static str,
    bound: Duration,
    mut holds: impl FnMut() -> bool,
) {
    let end = Instant::now() + bound;
    while !holds() {
        if Instant::now() >= end {
            return world.violate(rule, format!("it did not come to hold within {bound:?}"));
        }
        sleep(AGAIN).await;
    }
}

/// Checks everything that must hold after the last fault, and closes everything.
pub(crate) async fn check(scene: Scene, network: Arc<Network>, kept: Vec<Kept>) {
    let world = scene.world.clone();
    world.note(20, 0, || "the finale begins".to_owned());
    for wire in network.wires() {
        // The kernels of servers whose clients are gone notice it by now.
        if wire.has_client() {
            wire.mend();
        } else {
            wire.reset();
        }
    }
    recovers(&scene).await;
    subscriptions(&scene, &kept).await;
    if let Some(caching) = &scene.caching {
        is_current(&scene, caching, "a cache is right at rest").await;
        write_all(&scene).await;
        is_current(&scene, caching, "a cache hears of changes").await;
    }
    nothing_waits(&scene).await;
    world.judge(scene.deployment.check_acknowledged());
    close(scene, &network, kept).await;
    let closed = world.ledger().close();
    world.judge(closed);
}

/// Each handle works again.
async fn recovers(scene: &Scene) {
    let bound = scene.knobs.recovery();
    // A replica would answer an echo too.
    let kind = match scene.knobs.kind.service() {
        Some(_) => CallKind::Add(0),
        None => CallKind::Echo,
    };
    for connection in &scene.connections {
        works(scene, bound, "a connection", kind, |call| async move {
            connection.run(call.request(None)).await
        })
        .await;
    }
    if let Some(pool) = &scene.pool {
        works(scene, bound, "the pool", kind, |call| async move {
            pool.run(call.request(None)).await
        })
        .await;
    }
    until(
        &scene.world,
        "nobody stays at a demoted node",
        bound,
        || scene.deployment.strays() == 0,
    )
    .await;
    if let Some(cluster) = &scene.cluster {
        for place in 0..keys::PLACES {
            works(
                scene,
                bound,
                "the cluster",
                CallKind::Add(place),
                |call| async move { cluster.run(call.request(None)).await },
            )
            .await;
        }
        knows_its_way(scene, cluster).await;
    }
    if let Some(caching) = &scene.caching {
        // Those of all nodes.
        for text in 0..keys::PLACES {
            works(
                scene,
                bound,
                "the caching handle",
                CallKind::Get(text),
                |_| caching.get(text),
            )
            .await;
        }
    }
}

/// When nothing changes any more, nobody is sent from node to node.
async fn knows_its_way(scene: &Scene, cluster: &Cluster) {
    /// The map is asked for at most once a second, and a question may go unanswered.
    const PATIENCE: Duration = Duration::from_secs(10);
    sleep(PATIENCE).await;
    let before = scene.deployment.moved();
    for place in 0..keys::PLACES {
        let call = Call::issue(&mut scene.world.ledger(), usize::MAX, CallKind::Add(place));
        drop(cluster.run(call.request(None)).await);
    }
    let times = scene.deployment.moved() - before;
    if times > 0 {
        let text = format!("nodes answered MOVED {times} times");
        scene
            .world
            .violate("the map is right when nothing changes", text);
    }
}

/// Nothing that the cache has differs from what the servers have, when all reports have come.
async fn is_current(scene: &Scene, caching: &Caching, rule: &'static str) {
    /// Longer than a report takes, and shorter than what was read is kept without a word from the server.
    const PATIENCE: Duration = Duration::from_millis(400);
    sleep(PATIENCE).await;
    for text in 0..keys::TEXTS {
        let key = keys::text(text);
        let Some(value) = cached(scene, caching, text).await else {
            return;
        };
        let there = scene.deployment.owner(&key).map(|server| server.text(&key));
        if decoded(&value) != there {
            let text = format!("{key} is {value:?} in the cache, and {there:?} on its server");
            scene.world.violate(rule, text);
        }
    }
}

/// The value of a text, as the cache has it. A socket that has to be opened first may need more than the time of one call.
async fn cached(scene: &Scene, caching: &Caching, text: usize) -> Option<Value> {
    let end = Instant::now() + scene.knobs.recovery();
    loop {
        match caching.get(text).await {
            Ok(value) => return Some(value),
            Err(error) if scene.knobs.calm || Instant::now() >= end => {
                let text = format!("a text cannot be read through the cache: {error}");
                scene.world.violate("everything works again", text);
                return None;
            }
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// Changes all texts, past the cache.
async fn write_all(scene: &Scene) {
    let bound = scene.knobs.recovery();
    for text in 0..keys::TEXTS {
        let kind = CallKind::Set(text);
        if let Some(connection) = scene.connections.first() {
            works(scene, bound, "a connection", kind, |call| async move {
                connection.run(call.request(None)).await
            })
            .await;
        } else if let Some(cluster) = &scene.cluster {
            works(scene, bound, "the cluster", kind, |call| async move {
                cluster.run(call.request(None)).await
            })
            .await;
        }
    }
}

async fn works<F: Future<Output = typedis_core::Result<Value>>>(
    scene: &Scene,
    bound: Duration,
    what: &str,
    kind: CallKind,
    call: impl Fn(Call) -> F,
) {
    let end = Instant::now() + bound;
    loop {
        let issued = Call::issue(&mut scene.world.ledger(), usize::MAX, kind);
        match call(issued).await {
            Ok(_) => return,
            Err(error) if scene.knobs.calm || Instant::now() >= end => {
                let text = format!("{what} did not work again within {bound:?}: {error}");
                return scene.world.violate("everything works again", text);
            }
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// The servers have exactly the wanted subscriptions, and messages come to all of them.
async fn subscriptions(scene: &Scene, kept: &[Kept]) {
    for number in 0..CHANNELS {
        for is_shard in [false, true] {
            let to_it: Vec<&Kept> = kept
                .iter()
                .filter(|kept| kept.is_to(number, is_shard))
                .collect();
            wanted(scene, number, is_shard, &to_it).await;
            for listener in to_it {
                hears(scene, listener).await;
            }
        }
    }
}

async fn wanted(scene: &Scene, number: usize, is_shard: bool, kept: &[&Kept]) {
    let rule = "subscriptions end as the wanted set";
    let bound = scene.knobs.recovery();
    let mut places: Vec<Place> = kept.iter().map(|kept| kept.subscription.place).collect();
    // With a socket for each, each counts; otherwise those of one handle count as one.
    if scene.knobs.lag != Lag::Wait {
        places.sort_unstable();
        places.dedup();
    }
    let name = name_of(number, is_shard);
    let count = |name: &str, wanted: usize| {
        let (deployment, name) = (scene.deployment.clone(), name.to_owned());
        move || deployment.subscribers(name.as_bytes()) == wanted
    };
    until(&scene.world, rule, bound, count(&name, places.len())).await;
    until(&scene.world, rule, bound, count(&format!("{name}*"), 0)).await;
}

/// A message comes to a subscriber. One may be lost while a socket that became too old is replaced, so others follow.
async fn hears(scene: &Scene, listener: &Kept) {
    let bound = scene.knobs.recovery();
    let Subscription {
        channel, is_shard, ..
    } = listener.subscription;
    let end = Instant::now() + bound;
    let first = Call::issue(&mut scene.world.ledger(), usize::MAX, CallKind::Echo).token;
    while Instant::now() < end {
        let kind = if is_shard {
            CallKind::PublishToShard(channel)
        } else {
            CallKind::Publish(channel)
        };
        let call = Call::issue(&mut scene.world.ledger(), usize::MAX, kind);
        if let Some(connection) = scene.connections.first() {
            drop(connection.run(call.request(None)).await);
        } else if let Some(cluster) = &scene.cluster {
            drop(cluster.run(call.request(None)).await);
        }
        for _ in 0..4 {
            let last = lock(&listener.heard).tokens.last().copied();
            if last.is_some_and(|token| token > first) {
                return;
            }
            sleep(AGAIN).await;
        }
    }
    let text = format!("channel {channel} is silent for {bound:?}");
    scene
        .world
        .violate("messages come to their subscribers", text);
}

/// Nothing is queued or in flight, every lease came back, and no socket is open for subscriptions that ended.
async fn nothing_waits(scene: &Scene) {
    let bound = scene.knobs.recovery();
    until(&scene.world, "no socket is left", bound, || {
        scene.deployment.former_subscribers() == 0
    })
    .await;
    let rule = "the budget is given back";
    for connection in &scene.connections {
        until(&scene.world, rule, bound, || {
            let stats = connection.stats();
            stats.waiting == 0 && connection.in_flight() == 0 && stats.bytes == 0
        })
        .await;
    }
    if let Some(pool) = &scene.pool {
        until(&scene.world, rule, bound, || {
            let stats = pool.stats();
            stats.waiting + stats.queued + stats.in_flight + stats.bytes == 0
        })
        .await;
        until(&scene.world, "every lease comes back", bound, || {
            pool.available() == scene.knobs.leases
        })
        .await;
    }
    if let Some(cluster) = &scene.cluster {
        until(&scene.world, rule, bound, || {
            cluster
                .stats()
                .iter()
                .all(|(_, stats)| stats.waiting + stats.queued + stats.in_flight + stats.bytes == 0)
        })
        .await;
    }
}

/// Closes or drops all handles: no socket and no task is left.
async fn close(scene: Scene, network: &Network, kept: Vec<Kept>) {
    const PATIENCE: Duration = Duration::from_secs(15);
    let world = scene.world.clone();
    for kept in kept {
        kept.reader.abort();
        let _ = kept.reader.await;
    }
    if scene.knobs.closes {
        for connection in &scene.connections {
            if timeout(PATIENCE, connection.close()).await.is_err() {
                world.violate("closing ends", "a connection did not close".to_owned());
            }
        }
        if let Some(pool) = &scene.pool
            && timeout(PATIENCE, pool.close()).await.is_err()
        {
            world.violate("closing ends", "the pool did not close".to_owned());
        }
    }
    drop(scene);
    until(&world, "no socket is left", PATIENCE, || {
        network.clients() == 0
    })
    .await;
    network.shut_down();
    let metrics = tokio::runtime::Handle::current().metrics();
    until(&world, "no task is left", PATIENCE, || {
        metrics.num_alive_tasks() == 0
    })
    .await;
}
