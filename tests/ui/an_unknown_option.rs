//! An option that the command does not have is no method.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.get::<String>("k").ex(5).await?;
    Ok(())
}

fn main() {}
