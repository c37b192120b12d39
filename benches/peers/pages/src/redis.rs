// The left column of docs/guide/from-redis-rs.md.

use futures_util::StreamExt as _;
use redis::aio::{ConnectionManager, MultiplexedConnection, transaction_async};
use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{
    AsyncCommands as _, Client, ErrorKind, ExistenceCheck, RedisError, RedisResult, Script,
    SetOptions, cmd, pipe,
};

async fn connecting() -> RedisResult<()> {
    let client = Client::open("redis://localhost")?;
    let con = client.get_multiplexed_async_connection().await?;
    let con = ConnectionManager::new(client).await?;
    let nodes = vec!["redis://node-1", "redis://node-2"];
    let con = ClusterClient::new(nodes.clone())?.get_async_connection().await?;
    let mut client = SentinelClient::build(nodes, "service".into(), None, SentinelServerType::Master)?;
    let con = client.get_async_connection().await?;
    Ok(())
}

async fn commands(mut con: MultiplexedConnection) -> RedisResult<()> {
    let value: Option<String> = con.get("k").await?;
    let _: () = con.set("k", "v").await?;
    let _: () = con.set_ex("k", "v", 30).await?;
    let options = SetOptions::default().conditional_set(ExistenceCheck::NX);
    let won: bool = con.set_options("k", "v", options).await?;
    let values: Vec<Option<String>> = con.mget(&["a", "b"]).await?;
    let _: () = con.hset_multiple("h", &[("a", 1), ("b", 2)]).await?;
    let added: usize = con.zadd("board", "member", 1.5).await?;
    let set: bool = con.expire("k", 10).await?;
    let job: Option<(String, String)> = con.blpop("jobs", 5.0).await?;
    let encoding: String = cmd("OBJECT").arg("ENCODING").arg("k").query_async(&mut con).await?;
    Ok(())
}

async fn many_at_once(mut con: MultiplexedConnection) -> RedisResult<()> {
    let (n, text): (i64, Option<String>) = pipe().incr("n", 1).get("k").query_async(&mut con).await?;
    let (n, text): (i64, Option<String>) = pipe().atomic().incr("n", 1).get("k").query_async(&mut con).await?;
    let sell = async |mut con: MultiplexedConnection, mut pipe: redis::Pipeline| {
        let stock: i64 = con.get("stock").await?;
        pipe.set("stock", stock - 1).query_async(&mut con).await
    };
    let done: (String,) = transaction_async(con.clone(), &["stock"], sell).await?;
    let mut names = con.scan_match::<_, String>("user:*").await?;
    while let Some(name) = names.next().await {}
    Ok(())
}

async fn more(client: Client, mut con: MultiplexedConnection) -> RedisResult<()> {
    let mut pubsub = client.get_async_pubsub().await?;
    pubsub.subscribe("news").await?;
    let messages = pubsub.into_on_message();
    let readers: usize = con.publish("news", "text").await?;
    let script = Script::new("return ARGV[1]");
    let number: i64 = script.key("k").arg(1).invoke_async(&mut con).await?;
    Ok(())
}

fn what_happened(error: &RedisError) -> (Option<&str>, ErrorKind, bool) {
    (error.code(), error.kind(), error.is_timeout())
}
