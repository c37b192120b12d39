//! A script is no command before it is called.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.run(typedis::Script::new("return 1")).await?;
    Ok(())
}

fn main() {}
