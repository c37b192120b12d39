//! SELECT would change the database under everybody else.

use typedis::prelude::*;

async fn wrong(conn: Connection, pool: Pool) -> typedis::Result<()> {
    conn.select(1).await?;
    pool.select(1).await?;
    Ok(())
}

fn main() {}
