//! The bytes of a reply are gone once it has been decoded.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    let _: Option<&str> = conn.get("k").await?;
    Ok(())
}

fn main() {}
