//! A command that blocks would make everybody on the socket wait.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.blpop::<String>(["jobs"], 5).await?;
    Ok(())
}

fn main() {}
