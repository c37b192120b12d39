//! The shape of a reply is that of the command.

use typedis::prelude::*;

async fn example(conn: &Connection) -> typedis::Result<()> {
    let value: String = conn.get("k").await?;
    let value: Option<i64> = conn.get("k");
    if conn.exists("k").await? {}
    if conn.ttl("k").await? > 0 {}
    Ok(())
}

fn main() {}
