//! What `Option`s of an option may hold is what may stand there by itself.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.set("k", "v").ex("60").await?;
    conn.set("k", "v").ex(Some("60")).await?;
    conn.scan::<String>(0).count("10").await?;
    conn.set("k", "v").ifeq(true).await?;
    Ok(())
}

fn main() {}
