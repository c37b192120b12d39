//! LIMIT needs BYSCORE or BYLEX.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.zrange::<String>("board", 0, 9).limit(0, 5).await?;
    Ok(())
}

fn main() {}
