use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let conn = typedis::connect("redis://127.0.0.1:6379").await?;
    conn.set("k", "v").await?;
    let value: Option<String> = conn.get("k").await?;
    let all: Vec<Option<String>> = conn.mget(["k", "l"]).await?;
    let n = conn.incr("n").await?;
    let m = conn.decr("n").await?;
    let there = conn.exists(["k"]).await?;
    conn.expire("k", 60).await?;
    let ttl = conn.ttl("k").await?;
    conn.hset("h", [("f", "1"), ("g", "2")]).await?;
    let field: Option<String> = conn.hget("h", "f").await?;
    let hash: std::collections::HashMap<String, String> = conn.hgetall("h").await?;
    conn.lpush("l", ["a", "b"]).await?;
    let list: Vec<String> = conn.lrange("l", 0, -1).await?;
    let length = conn.llen("l").await?;
    conn.sadd("s", ["a", "b"]).await?;
    let members: Vec<String> = conn.smembers("s").await?;
    conn.zadd("z", [(1.0, "a"), (2.0, "b")]).await?;
    let top: Vec<String> = conn.zrange("z", 0, -1).await?;
    let score = conn.zscore("z", "a").await?;
    let gone = conn.del(["k", "n", "h", "l", "s", "z"]).await?;
    println!("{value:?} {all:?} {n} {m} {there:?} {ttl:?} {field:?} {hash:?} {list:?} {length} {members:?} {top:?} {score:?} {gone}");
    Ok(())
}
