//! A task owns its handle: handles are cheap to clone.

use typedis::prelude::*;

async fn example(conn: &Connection) {
    tokio::spawn(async move { conn.incr("n").await });
}

fn main() {}
