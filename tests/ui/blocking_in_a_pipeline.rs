//! A command that blocks would hold up the whole pipeline.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.pipeline().incr("n").blpop::<String>(["jobs"], 5).await?;
    Ok(())
}

fn main() {}
