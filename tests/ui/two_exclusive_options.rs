//! Of `[EX seconds | PX milliseconds]` and of `[NX | XX]` only one can be chosen.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.set("k", "v").ex(1).px(1).await?;
    conn.set("k", "v").nx().xx().await?;
    Ok(())
}

fn main() {}
