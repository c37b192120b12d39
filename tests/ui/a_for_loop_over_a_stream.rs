//! `for` cannot wait, and a stream begins where a command was awaited or `stream` was called.

use typedis::prelude::*;

async fn example(conn: &Connection) -> typedis::Result<()> {
    let news = conn.subscribe("news").await?;
    for event in news {}
    for key in conn.scan::<String>(0).stream() {}
    while let Some(key) = conn.scan::<String>(0).next().await {}
    while let Some(event) = conn.subscribe("news").next().await {}
    Ok(())
}

fn main() {}
