//! A `Vec` is several arguments, a key is one; and a truth value has no form of its own.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.get::<String>(vec!["a", "b"]).await?;
    conn.set("k", true).await?;
    Ok(())
}

fn main() {}
