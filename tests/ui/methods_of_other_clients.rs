//! Methods that redis-rs and fred have, and this crate has not.

use typedis::prelude::*;
use typedis::cmd;

async fn example(conn: &Connection) -> typedis::Result<()> {
    conn.set_ex("k", "v", 10).await?;
    conn.hset_multiple("user:1", &[("name", "Ada")]).await?;
    conn.zrange_withscores("board", 0, -1).await?;
    conn.scan_match("user:*").await?;
    conn.pipeline().atomic().incr("n").await?;
    conn.pipeline().incr("n").query_async(conn).await?;
    conn.run(cmd("GET").arg("k")).await?;
    conn.quit().await?;
    typedis::Client::open("redis://localhost")?;
    Ok(())
}

fn main() {}
