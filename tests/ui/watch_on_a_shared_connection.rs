//! WATCH would be undone by what others send over the same socket.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.watch(["stock"]).await?;
    Ok(())
}

fn main() {}
