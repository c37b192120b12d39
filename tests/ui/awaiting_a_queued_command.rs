//! A command of a batch has no reply before the batch is executed; in other clients this waits for ever.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    let mut batch = conn.batch();
    let n = batch.push(cmd().incr("n"));
    n.await;
    cmd().incr("n").await?;
    Ok(())
}

fn main() {}
