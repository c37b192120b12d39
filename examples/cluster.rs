//! A cluster: all of its nodes behind one handle, and what a failover looks like to the caller.
//!
//! `TYPEDIS_URL=redis://node-1,node-2,node-3 cargo run --features cluster --example cluster`, or `cargo xtask demo --cluster`, which starts a
//! cluster and kills a node of it in the middle. On a server that is not part of a cluster it works as well.

use std::time::{Duration, Instant};

use typedis::cluster::slot;
use typedis::prelude::*;
use typedis::{Phase, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let seconds = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let cluster = typedis::cluster(&url).await?; // any node; the others are learned from it
    println!("{} primaries", cluster.topology().primaries().count());

    many_nodes(&cluster).await?;
    one_slot(&cluster).await?;
    let selling = Duration::from_secs(seconds.unwrap_or(1));
    through_a_failover(&cluster, selling).await
}

/// Keys with different slots: each command goes to its node.
async fn many_nodes(cluster: &Cluster) -> Result<()> {
    let names = ["ada", "grace", "barbara"];
    cluster
        .mset([
            ("user:1", "ada"),
            ("user:2", "grace"),
            ("user:3", "barbara"),
        ])
        .await?; // split by slots
    let all = cluster
        .mget::<String>(["user:1", "user:2", "user:3"])
        .await?; // joined in order
    assert_eq!(all, names.map(|name| Some(name.to_owned())));

    let (first, length, count) = cluster
        .pipeline() // one write for each node, all at the same time
        .get::<String>("user:1")
        .strlen("user:3")
        .exists(["user:1", "user:2", "user:3", "user:4"])
        .await?;
    println!("{first:?}, {length} letters, {count} users");
    Ok(())
}

/// Keys with one hash tag have one slot, so that they can change together.
async fn one_slot(cluster: &Cluster) -> Result<()> {
    cluster
        .del(["{shop}.stock", "{shop}.sold", "{shop}.jobs"])
        .await?;
    cluster.set("{shop}.stock", 1_000_000).await?;

    // Two slots are refused before anything is sent.
    let refused = cluster.transaction().incr("user:1").incr("user:2").await;
    println!(
        "refused: {}",
        refused.is_err_and(|error| error.phase() == Phase::NotSent)
    );

    // What it depends on is watched.
    let (left,) = cluster
        .watch(["{shop}.stock"], |tx| async move {
            let stock = tx.get::<i64>("{shop}.stock").await?.unwrap_or(0);
            Ok(tx.transaction().decrby("{shop}.stock", stock.min(10)))
        })
        .await?;
    println!("{left} left");

    // A command that waits has a socket of its own.
    let (popped, _) = tokio::try_join!(
        cluster.blpop::<String>(["{shop}.jobs"], 5),
        cluster.rpush("{shop}.jobs", "pack"),
    )?;
    println!("popped: {}", popped.is_some_and(|(_, job)| job == "pack"));
    Ok(())
}

/// Sells for some seconds, and compares what it was told with what the servers have.
async fn through_a_failover(cluster: &Cluster, selling: Duration) -> Result<()> {
    let topology = cluster.topology();
    let owner = topology
        .primary_of(slot("{shop}"))
        .map(|node| node.address.to_string());
    println!("selling at {}", owner.unwrap_or_default());

    let begin = Instant::now();
    let (mut told, mut unsure, mut longest) = (0, 0, Duration::ZERO);
    while begin.elapsed() < selling {
        let since = Instant::now();
        let sale = cluster
            .transaction()
            .decr("{shop}.stock")
            .incr("{shop}.sold");
        match sale.await {
            Ok(_) => told += 1,
            // It was sent to a node that died. Only the caller can know whether to repeat it; here it is looked up below.
            Err(error) if error.phase() == Phase::MaybeApplied => unsure += 1,
            Err(error) => return Err(error),
        }
        longest = longest.max(since.elapsed());
    }

    let topology = cluster.topology();
    let owner = topology
        .primary_of(slot("{shop}"))
        .map(|node| node.address.to_string());
    println!("sold at {} in the end", owner.unwrap_or_default());
    let (stock, sold) = cluster
        .pipeline()
        .get::<i64>("{shop}.stock")
        .get::<i64>("{shop}.sold")
        .await?;
    let (stock, sold) = (stock.unwrap_or(0), sold.unwrap_or(0));
    println!("{told} sales, {unsure} that nobody knows of; the longest took {longest:?}");
    println!("stock and sales agree: {}", stock + sold == 999_990);
    Ok(())
}
