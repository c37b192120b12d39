//! Each command adds a type to a pipeline, so that none can grow in a loop.

use typedis::prelude::*;

async fn wrong(conn: Connection, keys: Vec<String>) -> typedis::Result<()> {
    let mut pipeline = conn.pipeline();
    for key in keys {
        pipeline = pipeline.get::<String>(key);
    }
    pipeline.await?;
    Ok(())
}

fn main() {}
