//! A task that uses `?` has to say the type of its error.

use typedis::prelude::*;

async fn example(conn: Connection) {
    tokio::spawn(async move {
        conn.incr("n").await?;
        typedis::Result::Ok(())
    });
}

fn main() {}
