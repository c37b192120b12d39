//! Subscriptions and scans.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use typedis_core::{Cursor, ErrorKind, Event, IntoScanStream, Request, Result};

use super::call::SCAN;
use super::errors;
use super::listening::Listening;
use super::{Handle, Scene};
use crate::simulation::keys;
use crate::simulation::plan::CHANNELS;
use crate::simulation::server::ChannelKind;

pub(super) async fn listen(
    scene: Scene,
    handle: Handle,
    channel: usize,
    kind: ChannelKind,
    time: Duration,
) {
    let name = name_of(kind, channel);
    let mut listening = Listening::default();
    macro_rules! listen_with {
        ($subscribing:expr) => {{
            let subscribed = $subscribing.await;
            let end = Instant::now() + time;
            match subscribed {
                Ok(mut events) => {
                    while let Ok(next) = timeout_at(end, events.next()).await {
                        if !take(&scene, &mut listening, next) {
                            break;
                        }
                    }
                }
                Err(error) => drop(errors::outcome(&scene, &error)),
            }
        }};
    }
    macro_rules! listen_on {
        ($handle:expr) => {
            match kind {
                ChannelKind::Channel => listen_with!($handle.subscribe(&name)),
                ChannelKind::Pattern => listen_with!($handle.psubscribe(&name)),
                ChannelKind::Shard => listen_with!($handle.ssubscribe(&name)),
            }
        };
    }
    match &handle {
        Handle::Connection(handle) => listen_on!(handle),
        Handle::Pool(handle) => listen_on!(handle),
        Handle::Cluster(handle) => listen_on!(handle),
    }
}

/// The name that such a subscription has.
fn name_of(kind: ChannelKind, channel: usize) -> String {
    match kind {
        ChannelKind::Channel => keys::channel(channel),
        ChannelKind::Pattern => format!("{}*", keys::channel(channel)),
        ChannelKind::Shard => keys::shard(channel),
    }
}

/// Takes what a subscription yields. Returns whether it goes on.
pub(super) fn take(scene: &Scene, listening: &mut Listening, next: Option<Result<Event>>) -> bool {
    match next {
        Some(Ok(event)) => {
            listening.take(&scene.world, &event);
            true
        }
        // Only one of the connections is ever closed.
        Some(Err(error)) if matches!(error.kind(), ErrorKind::Closed) && scene.doomed.is_some() => {
            false
        }
        Some(Err(error)) => {
            scene
                .world
                .violate("subscriptions are restored", error.to_string());
            false
        }
        // So does the stream of a subscription on it.
        None if scene.doomed.is_some() => false,
        None => {
            let text = "the stream of a subscription ended".to_owned();
            scene.world.violate("subscriptions are restored", text);
            false
        }
    }
}

pub(super) async fn scan(scene: Scene, handle: Handle) {
    let before = scene.deployment.losses();
    macro_rules! scan_on {
        ($handle:expr) => {{
            let scan: Request<_, (u64, Vec<String>)> = Request::new($handle, &SCAN, |args| {
                args.args("cursor", &Cursor::from(0));
                args.word("COUNT");
                args.arg("count", &5);
            });
            scan.stream().try_collect::<Vec<String>>().await
        }};
    }
    let found = match &handle {
        Handle::Connection(connection) => scan_on!(connection),
        Handle::Pool(pool) => scan_on!(pool),
        Handle::Cluster(cluster) => scan_on!(cluster),
    };
    match found {
        Ok(keys) => {
            let missing = keys::stable().find(|key| !keys.contains(key));
            if let Some(missing) = missing.filter(|_| scene.deployment.losses() == before) {
                let text = format!("{missing} was not among {keys:?}");
                scene
                    .world
                    .violate("a scan finds what is always there", text);
            }
        }
        Err(error) => drop(errors::outcome(&scene, &error)),
    }
}

/// How long closing waits for replies, and a little more.
pub(super) const CLOSING: Duration = Duration::from_secs(11);

/// Closes the connection that is to be closed, while commands are on their way.
pub(super) async fn close(scene: Scene) {
    if let Some(doomed) = &scene.doomed {
        let closed = doomed.close().await;
        scene
            .world
            .note(13, closed.answered, || format!("{closed:?}"));
    }
}

/// Adds and removes channels of one subscriber, one after another, and then listens.
pub(super) async fn follow(
    scene: Scene,
    handle: Handle,
    changes: Vec<(bool, usize)>,
    time: Duration,
) {
    let mut subscriber = match &handle {
        Handle::Connection(connection) => connection.subscriber().open(),
        Handle::Pool(pool) => pool.subscriber().open(),
        Handle::Cluster(cluster) => cluster.subscriber().open(),
    };
    for (adds, channel) in changes {
        let name = keys::channel(channel % CHANNELS);
        let shard = keys::shard(channel % CHANNELS);
        let outcome = match (adds, channel < CHANNELS) {
            (true, true) => subscriber.subscribe(&name).await,
            (true, false) => subscriber.ssubscribe(&shard).await,
            (false, true) => {
                subscriber.unsubscribe(&name);
                continue;
            }
            (false, false) => {
                subscriber.sunsubscribe(&shard);
                continue;
            }
        };
        if let Err(error) = outcome {
            drop(errors::outcome(&scene, &error));
        }
    }
    let mut heard: BTreeMap<String, Listening> = BTreeMap::new();
    let end = Instant::now() + time;
    while let Ok(next) = timeout_at(end, subscriber.next()).await {
        match next {
            Some(Ok(Event::Message(message))) => {
                let listening = heard.entry(message.channel().into_owned()).or_default();
                // Channels may have been left and joined again, or messages dropped, and the events do not say of which.
                listening.allow_gap();
                listening.take(&scene.world, &Event::Message(message));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Closed) => return,
            Some(Err(error)) => {
                let text = error.to_string();
                return scene.world.violate("subscriptions are restored", text);
            }
            // It had no channel, so there is nothing to wait for.
            None => return,
        }
    }
}
