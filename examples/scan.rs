//! Scans as streams.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example scan`

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let conn = typedis::connect(&url).await?;
    conn.pipeline_each(0..25, |cmd, n| cmd.set(format!("scan:{n}"), n))
        .await?;

    // Pages are fetched as the stream is read.
    let mut keys = conn.scan::<String>(0).matching("scan:*").count(10).stream();
    let mut found = Vec::new();
    while let Some(key) = keys.try_next().await? {
        found.push(key);
    }
    found.sort();
    println!("{} keys, from {:?} on", found.len(), found.first());

    conn.del("scan-hash").await?;
    conn.hset("scan-hash", [("a", 1), ("b", 2)]).await?;
    let mut fields: Vec<(String, i64)> = conn.hscan("scan-hash", 0).stream().try_collect().await?;
    fields.sort();
    println!("{fields:?}");

    // Step by step, with the cursor; it is 0 after the last step.
    let (mut steps, mut cursor) = (0, 0);
    loop {
        let (next, page) = conn.scan::<String>(cursor).count(5).await?;
        steps += 1;
        println!("step {steps}: {} keys, to go on at {next}", page.len());
        if next == 0 {
            break;
        }
        cursor = next;
    }
    Ok(())
}
