//! Three ways to send many commands at once.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example pipeline`

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let conn = typedis::connect(&url).await?;
    conn.del(["pipeline:visits", "pipeline:likes"]).await?;

    one_after_another(&conn).await?;
    at_once(&conn).await?;
    explicitly(&conn).await?;
    collected(&conn).await
}

/// No pipeline: each command waits for the reply of the one before.
async fn one_after_another(conn: &Connection) -> typedis::Result<()> {
    let visits = conn.incr("pipeline:visits").await?;
    let likes = conn.incr("pipeline:likes").await?;
    println!("one after another: {visits} {likes}");
    Ok(())
}

/// Commands of many futures or tasks on one connection are pipelined automatically.
async fn at_once(conn: &Connection) -> typedis::Result<()> {
    let (visits, likes) =
        tokio::try_join!(conn.incr("pipeline:visits"), conn.incr("pipeline:likes"))?;
    println!("at once: {visits} {likes}");
    Ok(())
}

/// One write, and a tuple of the replies.
async fn explicitly(conn: &Connection) -> typedis::Result<()> {
    let (visits, likes, text) = conn
        .pipeline()
        .incr("pipeline:visits")
        .incr("pipeline:likes")
        .get::<String>("pipeline:visits")
        .await?;
    println!("explicitly: {visits} {likes} {text:?}");
    Ok(())
}

/// Commands that are only known at run time.
async fn collected(conn: &Connection) -> typedis::Result<()> {
    let mut batch = conn.batch();
    let counters: Vec<_> = ["pipeline:visits", "pipeline:likes"]
        .into_iter()
        .map(|key| batch.push(cmd().incr(key)))
        .collect();
    let mut replies = batch.execute().await?;
    for counter in counters {
        println!("collected: {}", replies.take(counter)?);
    }
    Ok(())
}
