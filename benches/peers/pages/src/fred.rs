//! The left column of docs/guide/from-fred.md.

use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::cmd;
use fred::error::ErrorKind;
use fred::prelude::*;
use fred::types::config::ReconnectPolicy;
use fred::types::scripts::Script;
use fred::types::{Expiration, SetOptions};
use futures_util::TryStreamExt as _;

async fn connecting() -> Result<(), Error> {
    let config = Config::from_url("redis://localhost")?;
    let client = Builder::from_config(config.clone()).build()?;
    client.init().await?;
    let pool = Builder::from_config(config).build_pool(4)?;
    pool.init().await?;
    let cluster = Config::from_url("redis-cluster://node-1:6379?node=node-2:6379")?;
    let service = Config::from_url("redis-sentinel://node-1:26379?sentinelServiceName=service")?;
    let mut builder = Builder::from_config(service);
    builder.set_policy(ReconnectPolicy::new_exponential(0, 20, 2_000, 2));
    builder
        .with_performance_config(|config| config.default_command_timeout = Duration::from_secs(10));
    Ok(())
}

async fn commands(client: &Client) -> Result<(), Error> {
    let value: Option<String> = client.get("k").await?;
    let _: () = client.set("k", "v", None, None, false).await?;
    let _: () = client
        .set("k", "v", Some(Expiration::EX(30)), None, false)
        .await?;
    let won: Option<String> = client
        .set("k", "v", None, Some(SetOptions::NX), false)
        .await?;
    let old: Option<String> = client.set("k", "w", None, None, true).await?;
    let values: Vec<Option<String>> = client.mget(vec!["a", "b"]).await?;
    let added: i64 = client.hset("h", [("a", 1), ("b", 2)]).await?;
    let user: std::collections::HashMap<String, String> = client.hgetall("h").await?;
    let added: i64 = client
        .zadd("board", None, None, false, false, (1.5, "member"))
        .await?;
    let top: Vec<(String, f64)> = client.zrange("board", 0, 9, None, true, None, true).await?;
    let set: i64 = client.expire("k", 10, None).await?;
    let job: Option<(String, String)> = client.blpop("jobs", 5.0).await?;
    let encoding: String = client.custom(cmd!("OBJECT"), vec!["ENCODING", "k"]).await?;
    Ok(())
}

async fn many_at_once(client: &Client) -> Result<(), Error> {
    let pipeline = client.pipeline();
    let _: () = pipeline.incr("n").await?;
    let _: () = pipeline.get("k").await?;
    let (n, text): (i64, Option<String>) = pipeline.all().await?;
    let results = pipeline.try_all::<Value>().await;

    let transaction = client.multi();
    let _: () = transaction.incr("n").await?;
    let _: () = transaction.get("k").await?;
    let (n, text): (i64, Option<String>) = transaction.exec(true).await?;
    let names: Vec<Key> = client
        .scan_buffered("user:*", Some(100), None)
        .try_collect()
        .await?;
    Ok(())
}

async fn watching(client: &Client) -> Result<(), Error> {
    client.watch("stock").await?;
    let stock: i64 = client.get("stock").await?;
    let transaction = client.multi();
    let _: () = transaction
        .set("stock", stock - 1, None, None, false)
        .await?;
    let _: () = transaction.exec(true).await?;
    Ok(())
}

async fn more(client: &Client, subscriber: &SubscriberClient) -> Result<(), Error> {
    let mut messages = subscriber.message_rx();
    let _task = subscriber.manage_subscriptions();
    subscriber.subscribe("news").await?;
    let message = messages.recv().await;
    let readers: i64 = client.publish("news", "text").await?;
    let script = Script::from_lua("return ARGV[1]");
    let number: i64 = script.evalsha_with_reload(client, "k", 1).await?;
    let reconnections = client.reconnect_rx();
    let errors = client.error_rx();
    client.quit().await?;
    Ok(())
}

fn what_happened(error: &Error) -> (&ErrorKind, &str) {
    (error.kind(), error.details())
}
