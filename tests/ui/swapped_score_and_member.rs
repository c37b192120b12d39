//! ZADD takes the score first.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.zadd("board", [("ada", 1.0)]).await?;
    Ok(())
}

fn main() {}
