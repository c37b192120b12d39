use redis::AsyncCommands;

#[tokio::main]
async fn main() -> redis::RedisResult<()> {
    let client = redis::Client::open("redis://127.0.0.1:6379")?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    let () = conn.set("k", "v").await?;
    let value: Option<String> = conn.get("k").await?;
    let all: Vec<Option<String>> = conn.mget(&["k", "l"]).await?;
    let n: i64 = conn.incr("n", 1).await?;
    let m: i64 = conn.decr("n", 1).await?;
    let there: bool = conn.exists("k").await?;
    let () = conn.expire("k", 60).await?;
    let ttl: i64 = conn.ttl("k").await?;
    let () = conn.hset_multiple("h", &[("f", "1"), ("g", "2")]).await?;
    let field: Option<String> = conn.hget("h", "f").await?;
    let hash: std::collections::HashMap<String, String> = conn.hgetall("h").await?;
    let () = conn.lpush("l", &["a", "b"]).await?;
    let list: Vec<String> = conn.lrange("l", 0, -1).await?;
    let length: usize = conn.llen("l").await?;
    let () = conn.sadd("s", &["a", "b"]).await?;
    let members: Vec<String> = conn.smembers("s").await?;
    let () = conn.zadd_multiple("z", &[(1.0, "a"), (2.0, "b")]).await?;
    let top: Vec<String> = conn.zrange("z", 0, -1).await?;
    let score: Option<f64> = conn.zscore("z", "a").await?;
    let gone: usize = conn.del(&["k", "n", "h", "l", "s", "z"]).await?;
    println!("{value:?} {all:?} {n} {m} {there} {ttl} {field:?} {hash:?} {list:?} {length} {members:?} {top:?} {score:?} {gone}");
    Ok(())
}
