//! Replies that are kept in memory until the server reports a change.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --features cache --example cache`

use std::time::Duration;

use typedis::Cache;
use typedis::prelude::*;
use typedis::pubsub::Invalidation;

#[derive(FromRedis)]
struct User {
    name: String,
    city: String,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let conn = typedis::connect(&url).await?;
    let cache = conn.cached(
        Cache::default()
            .max_bytes(64 << 20)
            .ttl(Duration::from_secs(60)),
    )?;

    cache
        .hset("user:1", [("name", "Ada"), ("city", "London")])
        .await?;
    for _ in 0..3 {
        // The first one asks the server, the others read from memory.
        let user: User = cache.hgetall("user:1").await?;
        println!("{} in {}", user.name, user.city);
    }

    // Each key is kept by itself: here only "b" is asked for.
    cache.mset([("a", "1"), ("b", "2")]).await?;
    let _: Vec<Option<String>> = cache.mget(["a"]).await?;
    let both: Vec<Option<i64>> = cache.mget(["a", "b"]).await?;
    println!("{both:?}");

    // Somebody else changes the user, and the server reports it.
    let mut dropped = cache.dropped();
    let other = typedis::connect(&url).await?;
    other.hset("user:1", ("city", "Paris")).await?;
    while let Some(Invalidation::Keys(keys)) = dropped.next().await {
        if keys.iter().any(|key| key == "user:1") {
            break;
        }
    }
    println!("now in {:?}", cache.hget::<String>("user:1", "city").await?);

    // For objects that are read very often, the decoded value is kept as well.
    let users = cache.decoded::<User>();
    let user = users.get(typedis::cmd().hgetall("user:1")).await?;
    println!("{} in {}", user.name, user.city);

    println!("{:?}", cache.stats());
    Ok(())
}
