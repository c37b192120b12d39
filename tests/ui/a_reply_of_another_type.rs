//! The shape of a reply is that of the command.

use typedis::prelude::*;

#[derive(FromRedis)]
struct User {
    name: String,
}

async fn example(conn: &Connection) -> typedis::Result<()> {
    let value: String = conn.get("k").await?;
    if let Some(user) = conn.hgetall::<User>("user:1").await? {}
    let value: Option<i64> = conn.get("k");
    if conn.exists("k").await? {}
    if conn.ttl("k").await? > 0 {}
    Ok(())
}

fn main() {}
