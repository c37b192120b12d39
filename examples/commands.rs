//! Commands on one connection and on a pool: the same methods on both.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example commands`

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    single(&url).await?;
    pooled(&url).await
}

async fn single(url: &str) -> typedis::Result<()> {
    let conn = typedis::connect(url).await?;
    conn.set("commands:key", "single").await?;
    let value: Option<String> = conn.get("commands:key").await?;
    println!("over one connection: {value:?}");
    Ok(())
}

async fn pooled(url: &str) -> typedis::Result<()> {
    let pool = typedis::pool(url).await?;
    pool.set("commands:key", "pooled").await?;
    let value: Option<String> = pool.get("commands:key").await?;
    println!("over a pool: {value:?}");
    // A command that blocks leases a separate socket for as long as it waits.
    pool.del("commands:list").await?;
    let (waited, pushed) = tokio::try_join!(
        pool.blpop::<String>(["commands:list"], 5),
        pool.rpush("commands:list", "element"),
    )?;
    println!("over a leased socket: {waited:?}, of a list of {pushed}");
    Ok(())
}
