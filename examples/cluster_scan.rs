//! A scan over all nodes of a cluster, in two parts: the second goes on where the first stopped.
//!
//! `TYPEDIS_URL=redis-cluster://localhost:7000 cargo run --features cluster --example cluster_scan`

use std::collections::BTreeSet;

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let cluster = typedis::cluster(&url).await?;
    for n in 0..500 {
        cluster.set(format!("scan:{n}"), n).await?;
    }

    let mut found = BTreeSet::new();
    let mut keys = cluster
        .scan::<String>(0)
        .matching("scan:*")
        .count(10)
        .stream();
    while found.len() < 200 {
        match keys.try_next().await? {
            Some(key) => found.insert(key),
            None => break,
        };
    }
    // A text: it can be saved, and read in another process.
    let saved = keys.cursor().map(|cursor| cursor.to_string());
    println!("{} keys, and where to go on", found.len());

    if let Some(saved) = saved {
        let keys = cluster.scan::<String>(saved).matching("scan:*").count(10);
        let rest: Vec<String> = keys.stream().try_collect().await?;
        // The page that was being read comes again.
        found.extend(rest);
    }
    println!("{} keys in all", found.len());

    // Keys with one hash tag are on one node: only that one is asked.
    cluster
        .mset([("cart:{42}:a", 1), ("cart:{42}:b", 2)])
        .await?;
    let cart = cluster.scan::<String>(0).matching("cart:{42}:*").stream();
    let cart: BTreeSet<String> = cart.try_collect().await?;
    println!("{cart:?}");
    Ok(())
}
