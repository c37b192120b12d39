//! A bound for handles that execute commands.

use typedis::prelude::*;

async fn bump(client: impl Client) -> typedis::Result<i64> {
    client.incr("visits").await
}

async fn wrong(conn: Connection) -> typedis::Result<()> {
    bump(conn.pipeline()).await?;
    Ok(())
}

fn main() {}
