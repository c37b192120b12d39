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
    let mut found = 0;
    while let Some(key) = keys.try_next().await? {
        if found == 0 {
            println!(
                "the first: a key of {} characters or more",
                key.len().min(6)
            );
        }
        found += 1;
    }
    println!("{found} keys");

    conn.del("scan-hash").await?;
    conn.hset("scan-hash", [("a", 1), ("b", 2)]).await?;
    let mut fields: Vec<(String, i64)> = conn.hscan("scan-hash", 0).stream().try_collect().await?;
    fields.sort();
    println!("{fields:?}");

    // Step by step, with the cursor in hand.
    let (cursor, page) = conn.scan::<String>(0).count(5).await?;
    println!(
        "a page of {} or more, and the cursor to go on with: {}",
        page.len().min(1),
        cursor > 0
    );
    Ok(())
}
