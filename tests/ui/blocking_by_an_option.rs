//! XREAD blocks only with BLOCK, so only that method needs a socket of its own.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.xread::<String>([("events", "$")]).block(1000).await?;
    Ok(())
}

fn main() {}
