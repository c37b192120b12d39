//! What a cache forgets because of a row of the spec.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use typedis::prelude::*;
use typedis::{Cache, Cached, Connection, Error, FromRedis, Result, ServerError};

use crate::support::{Bench, on_servers};

on_servers! {
    a_message_to_a_shard_channel_changes_no_key;
    what_is_kept_fits_the_types_that_the_reply_fits;
}

/// Reads until the value is kept: with RESP2, nothing is kept until another socket hears the reports.
async fn keep(cache: &Cached<Connection>, key: &str) -> Result<()> {
    let read = async {
        while cache.stats().replies == 0 {
            cache.get::<Bytes>(key).await?;
        }
        Ok(())
    };
    let limit = Duration::from_secs(60);
    timeout(limit, read).await.expect("it is kept")
}

/// Its channel is written down as a key, because it says where the message goes.
async fn a_message_to_a_shard_channel_changes_no_key(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    // Servers report a key without its database, so other tests must not have it.
    let key = format!("kept{}", bench.database.number());
    conn.set(&key, 1).await?;
    let cache = conn.cached(Cache::default().no_loop())?;
    keep(&cache, &key).await?;
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

/// A newtype, as users write it.
#[derive(Debug, FromRedis)]
struct Wrapped<T>(T);

/// The outcome of GET, as text, on a connection, over the cache, from its memory, and in a pipeline.
struct Outcomes {
    plain: String,
    first: String,
    kept: String,
    piped: String,
}

/// Reads the key as this type.
async fn read_as<T: FromRedis + Debug>(conn: &Connection, key: &str) -> Result<Outcomes> {
    let get = || typedis::cmd().get::<T>(key).with_reply::<T>();
    let plain = format!("{:?}", conn.run(get()).await);
    let piped = format!("{:?}", conn.pipeline().run(get()).await);
    let cache = conn.cached(Cache::default())?;
    let first = format!("{:?}", cache.run(get()).await);
    keep(&cache, key).await?;
    let before = cache.stats();
    let kept = format!("{:?}", cache.run(get()).await);
    assert_eq!(cache.stats().hits, before.hits + 1, "{kept}");
    Ok(Outcomes {
        plain,
        first,
        kept,
        piped,
    })
}

/// Whoever keeps a failure as a value gets it from the memory of a cache too.
async fn what_is_kept_fits_the_types_that_the_reply_fits(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let key = format!("text{}", bench.database.number());
    conn.set(&key, "x").await?;
    macro_rules! read {
        ($($type:ty),* $(,)?) => {[$((stringify!($type), read_as::<$type>(&conn, &key).await?)),*]};
    }
    let failures = read![
        Result<i64, Error>,
        Wrapped<Result<i64, Error>>,
        Box<Result<i64, Error>>,
        Rc<Result<i64, Error>>,
        Arc<Wrapped<Result<i64, Error>>>,
        Option<Result<i64, Error>>,
        Option<Box<Result<i64, Error>>>,
        Wrapped<Option<Option<Result<i64, Error>>>>,
        Result<Result<i64, Error>, ServerError>,
        Option<Result<Wrapped<Result<i64, Error>>, ServerError>>,
    ];
    for (name, outcomes) in failures {
        let Outcomes {
            plain,
            first,
            kept,
            piped,
        } = outcomes;
        assert!(
            plain.starts_with("Ok(") && plain.contains("GET"),
            "{name}: {plain}"
        );
        assert_eq!(plain, first, "{name}");
        assert_eq!(plain, kept, "{name}");
        assert!(
            piped.starts_with("Ok(") && piped.contains("GET"),
            "{name}: {piped}"
        );
    }
    let values = read![
        Wrapped<Bytes>,
        Box<Bytes>,
        Result<Wrapped<Bytes>, ServerError>
    ];
    for (name, outcomes) in values {
        assert!(outcomes.plain.contains("b\"x\""), "{name}");
        assert_eq!(outcomes.plain, outcomes.kept, "{name}");
    }
    Ok(())
}
