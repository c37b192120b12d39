//! The type of a value is the caller's to choose.

use typedis::prelude::*;

async fn example(conn: &Connection) -> typedis::Result<()> {
    let values = conn.lrange("l", 0, -1).await?;
    Ok(())
}

fn main() {}
