//! Subscriptions and scans.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use typedis_core::{Cursor, Event, IntoScanStream, Request, Result};

use super::call::SCAN;
use super::errors;
use super::listening::Listening;
use super::{Handle, Scene};
use crate::simulation::keys;

pub(super) async fn listen(
    scene: Scene,
    handle: Handle,
    channel: usize,
    pattern: bool,
    time: Duration,
) {
    let name = keys::channel(channel);
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
    let stars = format!("{name}*");
    match (&handle, pattern) {
        (Handle::Connection(handle), false) => listen_with!(handle.subscribe(&name)),
        (Handle::Connection(handle), true) => listen_with!(handle.psubscribe(&stars)),
        (Handle::Pool(handle), false) => listen_with!(handle.subscribe(&name)),
        (Handle::Pool(handle), true) => listen_with!(handle.psubscribe(&stars)),
    }
}

/// Takes what a subscription yields. Returns whether it goes on.
pub(super) fn take(scene: &Scene, listening: &mut Listening, next: Option<Result<Event>>) -> bool {
    match next {
        Some(Ok(event)) => {
            listening.take(&scene.world, &event);
            true
        }
        Some(Err(error)) => {
            scene
                .world
                .violate("subscriptions are restored", error.to_string());
            false
        }
        None => {
            let text = "the stream of a subscription ended".to_owned();
            scene.world.violate("subscriptions are restored", text);
            false
        }
    }
}

pub(super) async fn scan(scene: Scene, handle: Handle) {
    let before = scene.server.losses();
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
    };
    match found {
        Ok(keys) => {
            let missing = keys::stable().find(|key| !keys.contains(key));
            if let Some(missing) = missing.filter(|_| scene.server.losses() == before) {
                let text = format!("{missing} was not among {keys:?}");
                scene
                    .world
                    .violate("a scan finds what is always there", text);
            }
        }
        Err(error) => drop(errors::outcome(&scene, &error)),
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
    };
    for (adds, channel) in changes {
        let name = keys::channel(channel);
        if !adds {
            subscriber.unsubscribe(&name);
        } else if let Err(error) = subscriber.subscribe(&name).await {
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
            Some(Err(error)) => {
                let text = error.to_string();
                return scene.world.violate("subscriptions are restored", text);
            }
            // It had no channel, so there is nothing to wait for.
            None => return,
        }
    }
}
