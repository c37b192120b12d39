//! What must hold when everything is over and mended.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use typedis_core::{Channel, Lag, Run, Value};

use super::clients::call::Call;
use super::clients::listening::Listening;
use super::clients::{Handle, Scene};
use super::keys;
use super::network::Network;
use super::plan::{CallKind, Place};
use super::world::{World, lock};

/// How often a condition is checked again.
const AGAIN: Duration = Duration::from_millis(25);

/// A subscription that lives from the beginning to the end.
pub(crate) struct Kept {
    place: Place,
    channel: usize,
    heard: Arc<std::sync::Mutex<Listening>>,
    reader: JoinHandle<()>,
}

impl Kept {
    /// Subscribes, and reads all that comes.
    pub(crate) async fn open(scene: &Scene, place: Place, channel: usize) -> Option<Self> {
        let name = keys::channel(channel);
        // The configured timeout may be too short for a socket that has to be opened first.
        const PATIENCE: Duration = Duration::from_secs(30);
        let subscribed = match scene.handle(place) {
            Handle::Connection(connection) => connection.subscribe(&name).deadline(PATIENCE).await,
            Handle::Pool(pool) => pool.subscribe(&name).deadline(PATIENCE).await,
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
        let heard = Arc::new(std::sync::Mutex::new(Listening::default()));
        let reader = tokio::spawn(read_all(scene.world.clone(), events, heard.clone()));
        Some(Self {
            place,
            channel,
            heard,
            reader,
        })
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
    nothing_waits(&scene).await;
    close(scene, &network, kept).await;
    let closed = world.ledger().close();
    world.judge(closed);
}

/// Each handle works again.
async fn recovers(scene: &Scene) {
    let bound = scene.knobs.recovery();
    for connection in &scene.connections {
        works(scene, bound, "a connection", |call| async move {
            connection.run(call.request(None)).await
        })
        .await;
    }
    works(scene, bound, "the pool", |call| async move {
        scene.pool.run(call.request(None)).await
    })
    .await;
}

async fn works<F: Future<Output = typedis_core::Result<Value>>>(
    scene: &Scene,
    bound: Duration,
    what: &str,
    call: impl Fn(Call) -> F,
) {
    let end = Instant::now() + bound;
    loop {
        let issued = Call::issue(&mut scene.world.ledger(), usize::MAX, CallKind::Echo);
        match call(issued).await {
            Ok(_) => return,
            Err(error) if Instant::now() >= end => {
                let text = format!("{what} did not work again within {bound:?}: {error}");
                return scene.world.violate("everything works again", text);
            }
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// The server has exactly the wanted subscriptions, and messages come to all of them.
async fn subscriptions(scene: &Scene, kept: &[Kept]) {
    let rule = "subscriptions end as the wanted set";
    let bound = scene.knobs.recovery();
    for number in 0..3 {
        let name = keys::channel(number);
        let mut places: Vec<Place> = kept
            .iter()
            .filter(|kept| kept.channel == number)
            .map(|kept| kept.place)
            .collect();
        // With a socket for each, each counts; otherwise those of one handle count as one.
        if scene.knobs.lag != Lag::Wait {
            places.sort_unstable();
            places.dedup();
        }
        let wanted = places.len();
        until(&scene.world, rule, bound, || {
            scene.server.subscribers(name.as_bytes()) == wanted
        })
        .await;
        let stars = format!("{name}*");
        until(&scene.world, rule, bound, || {
            scene.server.subscribers(stars.as_bytes()) == 0
        })
        .await;
        for listener in kept.iter().filter(|kept| kept.channel == number) {
            hears(scene, listener, bound).await;
        }
    }
}

/// A message comes to a subscriber. One may be lost while a socket that became too old is replaced, so others follow.
async fn hears(scene: &Scene, listener: &Kept, bound: Duration) {
    let end = Instant::now() + bound;
    let first = Call::issue(&mut scene.world.ledger(), usize::MAX, CallKind::Echo).token;
    while Instant::now() < end {
        let kind = CallKind::Publish(listener.channel);
        let call = Call::issue(&mut scene.world.ledger(), usize::MAX, kind);
        if let Some(connection) = scene.connections.first() {
            drop(connection.run(call.request(None)).await);
        }
        for _ in 0..4 {
            let last = lock(&listener.heard).tokens.last().copied();
            if last.is_some_and(|token| token > first) {
                return;
            }
            sleep(AGAIN).await;
        }
    }
    let text = format!("channel {} is silent for {bound:?}", listener.channel);
    scene
        .world
        .violate("messages come to their subscribers", text);
}

/// Nothing is queued or in flight, every lease came back, and no socket is open for subscriptions that ended.
async fn nothing_waits(scene: &Scene) {
    let bound = scene.knobs.recovery();
    until(&scene.world, "no socket is left", bound, || {
        scene.server.former_subscribers() == 0
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
    until(&scene.world, rule, bound, || {
        let stats = scene.pool.stats();
        stats.waiting + stats.queued + stats.in_flight + stats.bytes == 0
    })
    .await;
    until(&scene.world, "every lease comes back", bound, || {
        scene.pool.available() == scene.knobs.leases
    })
    .await;
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
        if timeout(PATIENCE, scene.pool.close()).await.is_err() {
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
