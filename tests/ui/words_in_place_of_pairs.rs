//! HSET takes pairs.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.hset("h", ["field", "value"]).await?;
    Ok(())
}

fn main() {}
