//! Asking a Sentinel where the primary is, and connecting to that.
//!
//! `TYPEDIS_SENTINEL_URL=redis://localhost:26379 cargo run --example sentinel`, for a service of the name `mymaster`

use typedis::Config;
use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_SENTINEL_URL")
        .unwrap_or_else(|_| "redis://localhost:26379".to_owned());
    let sentinel = typedis::connect(&url).await?;
    let Some((host, port)) = sentinel
        .sentinel_get_master_addr_by_name("mymaster")
        .await?
    else {
        println!("the Sentinel watches no service of this name");
        return Ok(());
    };
    println!("the primary is at {host}");
    let conn = typedis::connect(Config::tcp(host, port)).await?;
    conn.set("sentinel:key", "value").await?;
    let value: Option<String> = conn.get("sentinel:key").await?;
    println!("it holds {value:?}");
    Ok(())
}
