//! Transactions: in one write, depending on values that were read, and step by step.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example transaction`

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let pool = typedis::pool(&url).await?;
    pool.del(["tx:count", "tx:text", "tx:stock"]).await?;

    // It is sent as a whole, so it may share its socket with others.
    let ((), count) = pool
        .transaction()
        .set("tx:text", "text")
        .incr("tx:count")
        .await?;
    println!("in one go: {count}");

    // A command that fails does not undo the others.
    let (failed, count) = pool
        .transaction()
        .incr("tx:text")
        .attempt()
        .incr("tx:count")
        .await?;
    println!(
        "one fails: {}, the other does not: {count}",
        failed.is_err()
    );

    // WATCH, read, decide, write: again from the start if another client changed the key.
    pool.set("tx:stock", 5).await?;
    let (left,) = pool
        .watch(["tx:stock"], |tx| async move {
            let stock = tx.get::<i64>("tx:stock").await?.unwrap_or(0);
            Ok(tx.transaction().decrby("tx:stock", stock.min(3)))
        })
        .await?;
    println!("watched: {left} left");

    // Step by step: each command is queued by the server, and answered by EXEC.
    let own = pool.exclusive().await?;
    let open = own.begin().await?;
    let count = open.incr("tx:count").await?;
    let text = open.get::<String>("tx:text").await?;
    let mut replies = open.exec().await?;
    println!(
        "by hand: {} {:?}",
        replies.take(count)?,
        replies.take(text)?
    );
    Ok(())
}
