//! What a cache forgets because of a row of the spec.

use std::time::Duration;

use tokio::time::timeout;
use typedis::prelude::*;
use typedis::{Cache, Result};

use crate::support::{Bench, on_servers};

on_servers! {
    a_message_to_a_shard_channel_changes_no_key;
}

/// Its channel is written down as a key, because it says where the message goes.
async fn a_message_to_a_shard_channel_changes_no_key(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    // Servers report a key without its database, so other tests must not have it.
    let key = format!("kept{}", bench.database.number());
    conn.set(&key, 1).await?;
    let cache = conn.cached(Cache::default().no_loop())?;
    // With RESP2, nothing is kept until another socket hears the reports.
    let read = async {
        while cache.stats().replies == 0 {
            assert_eq!(cache.get::<i64>(&key).await?, Some(1));
        }
        Ok::<(), typedis::Error>(())
    };
    let limit = Duration::from_secs(60);
    timeout(limit, read).await.expect("it is kept")?;
    let kept = cache.stats();
    cache.spublish("news", "text").await?;
    cache.pipeline().spublish("news", "text").await?;
    let now = cache.stats();
    assert_eq!((now.replies, now.flushes), (1, kept.flushes));
    // What may run code has everything forgotten.
    let (script, none) = ("return redis.status_reply('OK')", [""; 0]);
    cache.eval::<()>(script, none, none).await?;
    assert_eq!(cache.stats().replies, 0);
    Ok(())
}
