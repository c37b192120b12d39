//! Subscriptions and scans.

use std::collections::{BTreeMap, BTreeSet};
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
    // A pattern is a name of a channel, and what may follow it.
    let heard = name.trim_end_matches('*').to_owned();
    macro_rules! listen_with {
        ($subscribing:expr) => {{
            let subscribed = $subscribing.await;
            let mut listening = scene.listening(&heard);
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
        Some(Err(error)) if matches!(error.kind(), ErrorKind::Closed) && scene.may_close => false,
        Some(Err(error)) => {
            scene
                .world
                .violate("subscriptions are restored", error.to_string());
            false
        }
        None if scene.may_close => false,
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
    mut scene: Scene,
    handle: Handle,
    changes: Vec<(bool, usize)>,
    time: Duration,
) {
    let mut subscriber = match &handle {
        Handle::Connection(connection) => connection.subscriber().open(),
        Handle::Pool(pool) => pool.subscriber().open(),
        Handle::Cluster(cluster) => cluster.subscriber().open(),
    };
    let mut heard = Heard::default();
    for (adds, channel) in changes {
        let is_shard = channel >= CHANNELS;
        let name = match is_shard {
            true => keys::shard(channel % CHANNELS),
            false => keys::channel(channel % CHANNELS),
        };
        scene.begins(None);
        let outcome = match (adds, is_shard) {
            (true, false) => subscriber.subscribe(&name).await,
            (true, true) => subscriber.ssubscribe(&name).await,
            (false, false) => {
                subscriber.unsubscribe(&name);
                heard.left(name);
                continue;
            }
            (false, true) => {
                subscriber.sunsubscribe(&name);
                heard.left(name);
                continue;
            }
        };
        match outcome {
            Ok(()) => heard.joined(&scene, name),
            Err(error) => {
                heard.left(name);
                drop(errors::outcome(&scene, &error));
            }
        }
    }
    let end = Instant::now() + time;
    while let Ok(next) = timeout_at(end, subscriber.next()).await {
        match next {
            Some(Ok(event)) => heard.take(&scene, &event),
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Closed) && scene.may_close => {
                return;
            }
            Some(Err(error)) => {
                let text = error.to_string();
                return scene.world.violate("subscriptions are restored", text);
            }
            None if scene.may_close => return,
            None => {
                let text = "the stream of a subscriber ended".to_owned();
                return scene.world.violate("subscriptions are restored", text);
            }
        }
    }
}

/// What one subscriber heard, by channel.
#[derive(Default)]
struct Heard {
    channels: BTreeMap<String, Listening>,
    /// Those that were left at any time: what was received before stands in the stream, and nothing says where it ends.
    left: BTreeSet<String>,
}

impl Heard {
    fn joined(&mut self, scene: &Scene, channel: String) {
        let listening = scene.listening(&channel);
        self.channels.entry(channel).or_insert(listening);
    }

    fn left(&mut self, channel: String) {
        self.left.insert(channel);
    }

    fn take(&mut self, scene: &Scene, event: &Event) {
        let Event::Message(message) = event else {
            let all = self.channels.values_mut();
            return all.for_each(|listening| match event {
                // It does not say of which channels.
                Event::Lagged(_) => listening.allow_gap(),
                event => listening.take(&scene.world, event),
            });
        };
        let channel = message.channel().into_owned();
        let left = self.left.contains(&channel);
        if !left && !self.channels.contains_key(&channel) {
            let text = format!("one of {channel}, which was not subscribed to");
            return scene
                .world
                .violate("messages come to their subscribers", text);
        }
        let new = || scene.listening(&channel);
        let listening = self.channels.entry(channel.clone()).or_insert_with(new);
        if left {
            listening.allow_gap();
        }
        listening.take(&scene.world, event);
    }
}
