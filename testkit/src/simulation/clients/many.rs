//! One command for several texts, which a cluster splits.

use std::time::Duration;

use typedis_core::{
    CommandInfo, Detached, Request, RequestPolicy, ResponsePolicy, Result, Run, Value, cmd,
};

use super::call::Call;
use super::errors;
use super::record::{is_of, record_all, record_failure};
use super::{Handle, Scene};
use crate::simulation::keys;
use crate::simulation::plan::CallKind;

static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .cacheable()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static MSET: CommandInfo = CommandInfo::new("MSET", b"$4\r\nMSET\r\n", 1)
    .idempotent()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::AllSucceeded);

/// Reads these texts.
pub(super) fn mget(texts: &[usize]) -> Request<Detached, Vec<Value>> {
    let keys: Vec<String> = texts.iter().map(|text| keys::text(*text)).collect();
    Request::new(cmd(), &MGET, |args| args.keys("key", &keys))
}

fn mset(calls: &[Call]) -> Request<Detached, Value> {
    Request::new(cmd(), &MSET, |args| {
        for call in calls {
            if let CallKind::Set(text) = call.kind {
                let key = keys::text(text);
                args.key("key", &key);
                args.arg("value", &format!("{key}#{}", call.token));
            }
        }
    })
}

async fn run<R: typedis_core::FromRedis>(
    handle: &Handle,
    request: Request<Detached, R>,
    deadline: Option<Duration>,
) -> Result<R> {
    let request = match deadline {
        Some(deadline) => request.deadline(deadline),
        None => request,
    };
    match handle {
        Handle::Connection(connection) => connection.run(request).await,
        Handle::Pool(pool) => pool.run(request).await,
        Handle::Cluster(cluster) => cluster.run(request).await,
    }
}

pub(super) async fn read(
    scene: Scene,
    handle: Handle,
    texts: Vec<usize>,
    deadline: Option<Duration>,
) {
    match run(&handle, mget(&texts), deadline).await {
        Ok(values) => check(&scene, &texts, &values),
        Err(error) => drop(errors::outcome(&scene, &error)),
    }
}

/// Each value was written to the key that it belongs to.
pub(super) fn check(scene: &Scene, texts: &[usize], values: &[Value]) {
    let fits = |(text, value): (&usize, &Value)| is_of(scene, *text, value);
    if values.len() != texts.len() || !texts.iter().zip(values).all(fits) {
        let text = format!("MGET of {texts:?} got {values:?}");
        scene.world.violate("replies belong to their callers", text);
    }
}

pub(super) async fn write(
    scene: Scene,
    handle: Handle,
    calls: Vec<Call>,
    deadline: Option<Duration>,
) {
    match run(&handle, mset(&calls), deadline).await {
        Ok(value) => {
            let replies = calls.iter().map(|_| Ok(value.clone())).collect();
            record_all(&scene, &calls, Ok(replies));
        }
        // Some of the nodes may have carried out their part, but not if it was not sent.
        Err(error) => record_failure(&scene, &calls, &error),
    }
}
