//! Nothing is no key.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.incr(Some("k")).await?;
    Ok(())
}

fn main() {}
