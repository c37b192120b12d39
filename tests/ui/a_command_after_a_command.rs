//! Only a pipeline goes on after a command.

use typedis::prelude::*;

async fn example(conn: &Connection) -> typedis::Result<()> {
    conn.sadd("s", "a").incr("n").await?;
    Ok(())
}

fn main() {}
