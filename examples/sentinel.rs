//! A service that Sentinels watch: its primary by name, and what the Sentinel says about it.
//!
//! `TYPEDIS_SENTINEL_URL=redis://localhost:26379 cargo run --example sentinel`, for a service with the name `mymaster`

use typedis::prelude::*;
use typedis::{Address, Config};

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_SENTINEL_URL")
        .unwrap_or_else(|_| "redis://localhost:26379".to_owned());
    let sentinel = typedis::connect(&url).await?;
    let Some((host, _)) = sentinel
        .sentinel_get_master_addr_by_name("mymaster")
        .await?
    else {
        println!("the Sentinel watches no service of this name");
        return Ok(());
    };
    println!("the primary is at {host}");

    // The Sentinels are asked at each connect, and after a failover; `redis+sentinel://localhost/mymaster` means the
    // same.
    let Address::Tcp(host, port) = Config::from_url(&url)?.address().clone() else {
        return Ok(());
    };
    let conn = typedis::connect(Config::sentinel("mymaster", [(host, port)])).await?;
    conn.set("sentinel:key", "value").await?;
    let value: Option<String> = conn.get("sentinel:key").await?;
    println!("it holds {value:?}");
    Ok(())
}
