//! The rows of FT.AGGREGATE behind a cursor, as a stream.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use typedis::args::{AggregateSteps, Field, Schema};
use typedis::prelude::*;
use typedis::{Config, ErrorKind, Protocol, Result};
use typedis_testkit::fake::Fake;
use typedis_testkit::{ServerKind, shared};

/// How many rows there are.
const ROWS: u32 = 1_000;

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Product {
    name: String,
    price: u32,
}

/// A pool, and an index of `ROWS` products that no other test has.
async fn shop(name: &str, protocol: Protocol) -> Result<(Pool, String)> {
    let config = Config::from_url(&shared(ServerKind::RedisStack).url())?.protocol(protocol);
    let pool = typedis::pool(config).await?;
    let index = format!("{name}-{protocol:?}");
    let schema = Schema::new()
        .field(Field::tag("name"))
        .field(Field::numeric("price").sortable());
    pool.ft_create(&index, schema)
        .prefix([format!("{index}:")])
        // A scan in the background would index some documents anew while they are read.
        .skip_initial_scan()
        .await?;
    pool.pipeline_each(0..ROWS, |cmd, price| {
        let name = format!("product {price}");
        cmd.hset(format!("{index}:{price}"), Product { name, price })
    })
    .await?;
    Ok((pool, index))
}

fn all() -> AggregateSteps {
    AggregateSteps::new().load(["@name", "@price"])
}

/// How many cursors the server keeps for an index.
async fn cursors(pool: &Pool, index: &str) -> Result<u64> {
    let stats = pool.ft_info(index).await?.cursor_stats;
    Ok(stats.map_or(0, |stats| stats.index_total))
}

async fn no_cursor_is_left(pool: &Pool, index: &str) -> Result<()> {
    let start = Instant::now();
    while cursors(pool, index).await? > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it is still kept"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn every_row_comes_once() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let (pool, index) = shop("every", protocol).await?;
        let rows = pool.ft_aggregate::<Product>(&index, "*", all());
        let rows = rows.with_cursor().count(70).stream();
        let rows = tokio::spawn(rows.try_collect::<Vec<_>>());
        let rows: Vec<Product> = rows.await.expect("the task does not panic")?;
        assert_eq!(rows.len(), ROWS as usize);
        let prices: BTreeSet<u32> = rows.iter().map(|row| row.price).collect();
        assert_eq!(prices, (0..ROWS).collect());
        assert_eq!(cursors(&pool, &index).await?, 0);

        // A single page, and an `Exclusive` that lends itself.
        let own = pool.exclusive().await?;
        let few = own.ft_aggregate::<Product>(&index, "@price:[3 5]", all());
        let mut few = few.with_cursor().count(70).stream();
        for _ in 3..=5 {
            assert!(few.try_next().await?.is_some());
        }
        assert_eq!((few.cursor(), few.try_next().await?), (None, None));
        assert!(few.warnings().is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_page_has_as_many_rows_as_were_asked_for() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let (pool, index) = shop("pages", protocol).await?;
        let rows = pool.ft_aggregate::<Product>(&index, "*", all());
        let mut rows = rows.with_cursor().count(100).stream();
        for _ in 0..250 {
            assert!(rows.try_next().await?.is_some());
        }
        // Half of the third page, whose size is what the first command said.
        let (rest, cursor) = rows.detach().await?;
        assert_eq!(rest.len(), 50);
        let cursor = cursor.expect("there are more rows");
        let rows = pool.ft_cursor_read::<Product>(&index, cursor).count(30);
        let mut rows = rows.stream();
        for _ in 0..40 {
            assert!(rows.try_next().await?.is_some());
        }
        assert_eq!(rows.detach().await?.0.len(), 20);
    }
    Ok(())
}

#[tokio::test]
async fn a_later_stream_goes_on_from_a_saved_cursor() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let (pool, index) = shop("saved", protocol).await?;
        let rows = pool.ft_aggregate::<Product>(&index, "*", all());
        let mut rows = rows.with_cursor().count(64).stream();
        let mut prices = BTreeSet::new();
        let mut streams = 0;
        loop {
            for _ in 0..100 {
                if let Some(row) = rows.try_next().await? {
                    assert!(prices.insert(row.price), "{row:?} came twice");
                }
            }
            let (rest, cursor) = rows.detach().await?;
            prices.extend(rest.into_iter().map(|row| row.price));
            let Some(cursor) = cursor else { break };
            // Another connection: the cursor is the server's.
            let conn = typedis::connect(pool.config().clone()).await?;
            rows = conn.ft_cursor_read(&index, cursor).stream();
            streams += 1;
        }
        assert_eq!(prices, (0..ROWS).collect());
        assert!(streams > 5, "{streams}");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_dropped_takes_its_cursor_along() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let (pool, index) = shop("dropped", protocol).await?;
        let begin = || {
            let rows = pool.ft_aggregate::<Product>(&index, "*", all());
            rows.with_cursor().count(10).stream()
        };
        // More than the server keeps for an index.
        for _ in 0..200 {
            let mut rows = begin();
            assert!(rows.try_next().await?.is_some());
            assert!(rows.cursor().is_some());
        }
        no_cursor_is_left(&pool, &index).await?;

        let mut rows = begin();
        assert!(rows.try_next().await?.is_some());
        let (_, cursor) = rows.detach().await?;
        assert_eq!(cursors(&pool, &index).await?, 1, "it was handed over");
        drop(begin());
        drop(
            pool.ft_cursor_read::<Product>(&index, cursor.expect("it is there"))
                .stream(),
        );
        no_cursor_is_left(&pool, &index).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_that_the_server_forgot_is_an_error_at_the_end() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let (pool, index) = shop("forgot", protocol).await?;
        let rows = pool.ft_aggregate::<Product>(&index, "*", all());
        let mut rows = rows.with_cursor().count(10).stream();
        assert!(rows.try_next().await?.is_some());
        let cursor = rows.cursor().expect("there are more rows");
        pool.ft_cursor_del(&index, cursor).await?;
        for _ in 1..10 {
            assert!(
                rows.try_next().await?.is_some(),
                "these were fetched before"
            );
        }
        let error = rows.try_next().await.expect_err("the rest is gone");
        assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
        assert!(rows.next().await.is_none(), "it has ended");
        assert_eq!(rows.cursor(), Some(cursor));
    }
    Ok(())
}

/// A server whose third page fails; each has one row.
async fn failing() -> std::io::Result<Fake> {
    let page =
        |row: u32| format!("*2\r\n*2\r\n:1\r\n*4\r\n+name\r\n+a\r\n+price\r\n:{row}\r\n:7\r\n");
    let reads = std::sync::atomic::AtomicU32::new(0);
    Fake::answering(move |words| {
        let text = match words.name().as_str() {
            "FT.AGGREGATE" => page(0),
            "FT.CURSOR" if words.text(1) == "DEL" => "+OK\r\n".to_owned(),
            "FT.CURSOR" => match reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => page(1),
                _ => "-ERR page 3 is broken\r\n".to_owned(),
            },
            _ => "+OK\r\n".to_owned(),
        };
        text.into_bytes()
    })
    .await
}

#[tokio::test]
async fn pages_are_asked_for_one_by_one_and_an_error_comes_last() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let asked = || {
        let received = fake.received(0);
        let of_search = received
            .iter()
            .filter(|words| words.name().starts_with("FT."));
        of_search.count()
    };
    let rows = conn.ft_aggregate::<Product>("shop", "*", all());
    let mut rows = rows.with_cursor().count(1).stream();
    assert_eq!(asked(), 0);
    for price in 0..2 {
        assert_eq!(rows.try_next().await?.map(|row| row.price), Some(price));
        conn.ping().await?;
        assert_eq!(asked(), price as usize + 1, "none is asked for ahead");
    }
    let error = rows.try_next().await.expect_err("the third page fails");
    assert!(error.to_string().contains("page 3 is broken"), "{error}");
    assert!(rows.next().await.is_none());
    assert_eq!(rows.cursor(), Some(7), "whoever wants may go on");
    drop(rows);
    conn.ping().await?;
    assert_eq!(asked(), 3, "nor is it deleted");
    Ok(())
}

#[tokio::test]
async fn rows_of_a_command_that_had_been_sent_are_an_error_and_not_empty() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let sent = || {
        let rows = conn.ft_aggregate::<Product>("shop", "*", all());
        rows.with_cursor().send()
    };
    let mut rows = sent().stream();
    let error = rows.try_next().await.expect_err("its reply is lost");
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(rows.next().await.is_none(), "it has ended");
    let error = sent().stream().detach().await.expect_err("as above");
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    Ok(())
}

/// Polls a future once, and drops it.
async fn begin(work: impl Future) {
    let mut work = pin!(work);
    let is_pending = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending()));
    assert!(is_pending.await);
}

#[tokio::test]
async fn a_stream_is_taken_apart_behind_the_page_that_is_on_its_way() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let rows = || {
        let rows = conn.ft_aggregate::<Product>("shop", "*", all());
        rows.with_cursor().count(1).stream()
    };
    // The first page is on its way.
    let mut begun = rows();
    begin(begun.next()).await;
    let (rest, cursor) = begun.detach().await?;
    assert_eq!(rest.iter().map(|row| row.price).collect::<Vec<_>>(), [0]);
    assert_eq!(cursor, Some(7));
    // A later one is.
    let mut begun = rows();
    assert!(begun.try_next().await?.is_some());
    begin(begun.next()).await;
    // Whoever gives up the wait has lost nothing.
    begin(begun.detach()).await;
    let (rest, cursor) = begun.detach().await?;
    assert_eq!(rest.iter().map(|row| row.price).collect::<Vec<_>>(), [1]);
    assert_eq!(cursor, Some(7));
    assert_eq!((begun.cursor(), begun.try_next().await?), (None, None));
    // One is that fails.
    let mut begun = rows();
    assert!(begun.try_next().await?.is_some());
    begin(begun.next()).await;
    let error = begun.detach().await.expect_err("the page fails");
    assert!(error.to_string().contains("page 3 is broken"), "{error}");
    assert_eq!(begun.cursor(), Some(7), "whoever wants may go on");
    assert!(begun.next().await.is_none(), "it has ended");
    drop(begun);
    conn.ping().await?;
    let received = fake.received(0);
    let deleted = received
        .iter()
        .any(|words| words.name() == "FT.CURSOR" && words.text(1) == "DEL");
    assert!(!deleted, "no cursor was deleted");
    Ok(())
}

/// A server whose only page has a row that is no product.
async fn unfit(next: u32) -> std::io::Result<Fake> {
    Fake::answering(move |words| {
        let text = match words.name().as_str() {
            "FT.AGGREGATE" => {
                format!("*2\r\n*2\r\n:1\r\n*4\r\n+name\r\n+a\r\n+price\r\n+much\r\n:{next}\r\n")
            }
            _ => "+OK\r\n".to_owned(),
        };
        text.into_bytes()
    })
    .await
}

#[tokio::test]
async fn a_page_that_does_not_fit_does_not_take_the_cursor_along() -> Result<()> {
    for (next, cursor) in [(7, Some(7)), (0, None)] {
        let fake = unfit(next).await.expect("a port is free");
        let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
        let conn = typedis::connect(config).await?;
        let rows = conn.ft_aggregate::<Product>("shop", "*", all());
        let mut rows = rows.with_cursor().count(1).stream();
        let error = rows.try_next().await.expect_err("it is no number");
        assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
        assert!(rows.next().await.is_none());
        assert_eq!(rows.cursor(), cursor, "whoever wants may go on behind it");
    }
    Ok(())
}
