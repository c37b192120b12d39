//! What serde knows is sent as `Json`, and a struct needs its derive.

use typedis::prelude::*;

struct User {
    name: String,
}

async fn example(conn: &Connection, user: User) -> typedis::Result<()> {
    conn.set("k", serde_json::json!({ "name": "Ada" })).await?;
    conn.set("k", true).await?;
    conn.hset("user:1", user).await?;
    let value: Option<serde_json::Value> = conn.get("k").await?;
    Ok(())
}

fn main() {}
