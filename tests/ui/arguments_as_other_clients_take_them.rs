//! What belongs together is one argument: pairs, lists, the time to live of a value.

use typedis::prelude::*;

async fn example(conn: &Connection) -> typedis::Result<()> {
    conn.hset("user:1", "name", "Ada").await?;
    conn.zadd("board", "ada", 1.5).await?;
    conn.xread::<String>(["entries"], ["0"]).await?;
    conn.mget::<String>("a", "b").await?;
    conn.incr("n", 1).await?;
    conn.set("k", "v", 10).await?;
    conn.expire("k", 10, None).await?;
    conn.subscribe("news", "chat").await?;
    conn.get::<String, _>("k").await?;
    Ok(())
}

fn main() {}
