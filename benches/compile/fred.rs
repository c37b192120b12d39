use fred::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let conn = Builder::from_config(Config::from_url("redis://127.0.0.1:6379")?).build()?;
    conn.init().await?;
    let _: () = conn.set("k", "v", None, None, false).await?;
    let value: Option<String> = conn.get("k").await?;
    let all: Vec<Option<String>> = conn.mget(vec!["k", "l"]).await?;
    let n: i64 = conn.incr("n").await?;
    let m: i64 = conn.decr("n").await?;
    let there: i64 = conn.exists("k").await?;
    let _: () = conn.expire("k", 60, None).await?;
    let ttl: i64 = conn.ttl("k").await?;
    let _: () = conn.hset("h", [("f", "1"), ("g", "2")]).await?;
    let field: Option<String> = conn.hget("h", "f").await?;
    let hash: std::collections::HashMap<String, String> = conn.hgetall("h").await?;
    let _: () = conn.lpush("l", vec!["a", "b"]).await?;
    let list: Vec<String> = conn.lrange("l", 0, -1).await?;
    let length: usize = conn.llen("l").await?;
    let _: () = conn.sadd("s", vec!["a", "b"]).await?;
    let members: Vec<String> = conn.smembers("s").await?;
    let _: () = conn.zadd("z", None, None, false, false, vec![(1.0, "a"), (2.0, "b")]).await?;
    let top: Vec<String> = conn.zrange("z", 0, -1, None, false, None, false).await?;
    let score: Option<f64> = conn.zscore("z", "a").await?;
    let gone: usize = conn.del(vec!["k", "n", "h", "l", "s", "z"]).await?;
    println!("{value:?} {all:?} {n} {m} {there} {ttl} {field:?} {hash:?} {list:?} {length} {members:?} {top:?} {score:?} {gone}");
    Ok(())
}
