//! Handles with a prefix: every kind of handle, chains, streams, waiting, channels, and what is refused.

use std::time::Duration;

use typedis::cluster::slot;
use typedis::prelude::*;
use typedis::{AnyClient, Cache, ErrorKind, Name, Prefixed, Result, Script};

use crate::support::{Bench, on_servers};

on_servers! {
    every_kind_of_handle_puts_the_prefix_before_keys;
    chains_put_it_before_keys_and_take_it_off_names;
    scans_find_only_names_with_the_prefix_and_show_the_rest;
    prefixes_of_prefixes_add_up;
    waiting_for_lists_and_streams_names_them_without_it;
    sort_follows_its_patterns_within_the_prefix;
    scripts_see_the_whole_keys;
    a_watched_transaction_keeps_to_the_prefix;
    a_cache_forgets_what_is_written_under_the_prefix;
    channels_have_it_by_choice;
    a_long_key_that_is_shared_gets_it_too;
    what_cannot_keep_to_it_is_refused_before_it_is_sent;
    a_random_key_without_the_prefix_is_an_error;
}

async fn bump<C: Client>(client: C) -> Result<i64> {
    client.incr("n").await
}

async fn every_kind_of_handle_puts_the_prefix_before_keys(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    let exclusive = pool.exclusive().await?;
    assert_eq!(bump(conn.with_prefix("app:")).await?, 1);
    assert_eq!(bump(&pool.with_prefix("app:")).await?, 2);
    assert_eq!(bump(exclusive.with_prefix("app:")).await?, 3);
    assert_eq!(bump(Prefixed::new(exclusive, "app:")).await?, 4);
    let any = AnyClient::new(conn.with_prefix("app:"));
    assert_eq!(bump(any.clone()).await?, 5);
    assert_eq!(
        bump(AnyClient::new(conn.clone()).with_prefix("app:")).await?,
        6
    );
    assert_eq!(conn.get::<i64>("app:n").await?, Some(6));
    assert_eq!(conn.exists(["n"]).await?, 0);
    let view = conn.with_prefix("app:");
    assert_eq!(
        (view.prefix(), view.inner().is_closed()),
        (&b"app:"[..], false)
    );
    let later = view.get::<i64>("n").send();
    assert_eq!(later.await?, Some(6));
    Ok(())
}

async fn chains_put_it_before_keys_and_take_it_off_names(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let app = conn.with_prefix("app:");
    conn.set("b:other", 1).await?;
    let (n, (), names, popped) = app
        .pipeline()
        .incr("n")
        .mset([("a", 1), ("b", 2)])
        .keys::<String>("*")
        .zmpop::<String>(["z"], typedis::commands::MinMax::Min)
        .await?;
    assert_eq!((n, popped), (1, None));
    assert_eq!(sorted(names), ["a", "b", "n"]);
    let (_, popped, ((_, page), failed)) = {
        let (pushed, popped, page, failed) = app
            .transaction()
            .rpush("l", ["x", "y"])
            .lmpop::<String>(["none", "l"], typedis::commands::ListEnd::Left)
            .scan::<String>(0)
            .incr("l")
            .attempt()
            .await?;
        (pushed, popped, (page, failed))
    };
    assert_eq!(popped, Some(("l".into(), vec!["x".to_owned()])));
    assert!(failed.is_err() && page.iter().all(|name| !name.starts_with("app:")));
    let mut batch = app.batch();
    let (set, got) = (
        batch.push(cmd().set("c", 3)),
        batch.push(cmd().get::<i64>("c")),
    );
    let named = batch.push(cmd().keys::<String>("c"));
    let mut replies = batch.execute().await?;
    replies.take(set)?;
    assert_eq!(replies.take(got)?, Some(3));
    assert_eq!(replies.take(named)?, ["c"]);
    let each = app.pipeline_each(["a", "b"], |c, key| c.get::<i64>(key));
    assert_eq!(each.await?, [Some(1), Some(2)]);
    assert_eq!(conn.get::<i64>("app:c").await?, Some(3));
    Ok(())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

async fn scans_find_only_names_with_the_prefix_and_show_the_rest(bench: Bench) -> Result<()> {
    // Letters with a meaning in patterns have none in the prefix.
    let conn = bench.connect().await;
    let app = conn.with_prefix("a[p]*?\\:");
    conn.mset([("ap:1", 1), ("axx:1", 1), ("1", 1)]).await?;
    app.mset([("user:1", 1), ("user:2", 1), ("order:1", 1)])
        .await?;
    let all: Vec<String> = app.scan::<String>(0).stream().try_collect().await?;
    assert_eq!(sorted(all), ["order:1", "user:1", "user:2"]);
    let users = app.scan::<String>(0).matching("user:*").count(1).stream();
    assert_eq!(sorted(users.try_collect().await?), ["user:1", "user:2"]);
    assert_eq!(
        sorted(app.keys::<String>("*:1").await?),
        ["order:1", "user:1"]
    );
    app.hset("h", [("field", "a[p]*?\\:value")]).await?;
    let fields: Vec<(String, String)> = app
        .hscan::<String, String>("h", 0)
        .stream()
        .try_collect()
        .await?;
    assert_eq!(fields, [("field".into(), "a[p]*?\\:value".into())]);
    Ok(())
}

async fn prefixes_of_prefixes_add_up(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let inner = conn.with_prefix("a:").channels().with_prefix("b:");
    inner.set("k", 1).await?;
    let (names, one) = inner.pipeline().keys::<String>("*").get::<i64>("k").await?;
    assert_eq!((names, one), (vec!["k".to_owned()], Some(1)));
    assert_eq!(inner.keys::<String>("*").await?, ["k"]);
    let names: Vec<String> = inner.scan::<String>(0).stream().try_collect().await?;
    assert_eq!(names, ["k"]);
    assert_eq!(conn.get::<i64>("a:b:k").await?, Some(1));
    Ok(())
}

async fn waiting_for_lists_and_streams_names_them_without_it(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let app = pool.with_prefix("app:");
    app.rpush("jobs", ["one", "two"]).await?;
    let job = app.blpop::<String>(["urgent", "jobs"], 5).await?;
    assert_eq!(job, Some(("jobs".into(), "one".to_owned())));
    let mut jobs = app.listen::<String>(["urgent", "jobs"]);
    assert_eq!(jobs.next().await?, ("jobs".into(), "two".to_owned()));
    app.xadd("log", "1-1", [("field", "value")]).await?;
    let mut log = app.tail::<std::collections::HashMap<String, String>>([("log", "0")]);
    let (stream, entry) = log.next().await?;
    assert_eq!(
        (stream.as_str(), entry.fields["field"].as_str()),
        ("log", "value")
    );
    let exclusive = pool.exclusive().await?;
    let own = exclusive.with_prefix("app:");
    app.rpush("jobs", "three").await?;
    let job = own.brpop::<String>("jobs", 5).await?;
    assert_eq!(job, Some(("jobs".into(), "three".to_owned())));
    Ok(())
}

async fn sort_follows_its_patterns_within_the_prefix(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let app = conn.with_prefix("app:");
    app.rpush("ids", [1, 2]).await?;
    app.mset([
        ("weight:1", "9"),
        ("weight:2", "8"),
        ("name:1", "one"),
        ("name:2", "two"),
    ])
    .await?;
    let sorted = app
        .sort::<String>("ids")
        .by("weight:*")
        .get_pattern("name:*")
        .get_pattern("#");
    let expected = ["two", "2", "one", "1"].map(|text| Some(text.to_owned()));
    assert_eq!(sorted.await?, expected);
    app.sort_store("ids", "sorted").by("weight:*").await?;
    assert_eq!(conn.lrange::<i64>("app:sorted", 0, -1).await?, [2, 1]);
    let star = conn.with_prefix("a*:");
    let refused = star.sort::<String>("ids").by("weight:*").await;
    let refused = refused.expect_err("the star would be replaced");
    assert!(
        refused.to_string().contains("take a prefix without it"),
        "{refused}"
    );
    Ok(())
}

async fn scripts_see_the_whole_keys(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let app = conn.with_prefix("app:");
    let script = Script::new("return {KEYS[1], ARGV[1]}");
    let call = || script.call::<(String, String)>(["k"], "k");
    let expected = ("app:k".to_owned(), "k".to_owned());
    assert_eq!(app.run(call()).await?, expected);
    assert_eq!(app.run(call()).await?, expected);
    let (both,) = app.pipeline().run(call()).await?;
    assert_eq!(both, expected);
    Ok(())
}

async fn a_watched_transaction_keeps_to_the_prefix(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let app = pool.with_prefix("app:");
    app.set("stock", 3).await?;
    let other = pool.clone();
    let disturbed = std::sync::atomic::AtomicBool::new(false);
    let (left, names) = app
        .watch("stock", |tx| {
            let (other, first) = (
                other.clone(),
                !disturbed.swap(true, std::sync::atomic::Ordering::Relaxed),
            );
            async move {
                let stock: i64 = tx.get("stock").await?.unwrap_or(0);
                assert_eq!(tx.keys::<String>("*").await?, ["stock"]);
                if first {
                    // The key that is watched is the whole one.
                    other.decr("app:stock").await?;
                }
                let _ = stock;
                Ok(tx.transaction().decr("stock").keys::<String>("*"))
            }
        })
        .await?;
    assert_eq!((left, names), (1, vec!["stock".to_owned()]));
    Ok(())
}

async fn a_cache_forgets_what_is_written_under_the_prefix(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let Ok(cache) = conn.cached(Cache::default()) else {
        return Ok(());
    };
    let app = cache.with_prefix("app:");
    app.set("k", 1).await?;
    assert_eq!(app.get::<i64>("k").await?, Some(1));
    app.set("k", 2).await?;
    assert_eq!(app.get::<i64>("k").await?, Some(2));
    app.pipeline().set("k", 3).await?;
    assert_eq!(app.get::<i64>("k").await?, Some(3));
    assert_eq!(app.mget::<i64>(["k", "none"]).await?, [Some(3), None]);
    assert_eq!(conn.get::<i64>("app:k").await?, Some(3));
    Ok(())
}

async fn channels_have_it_by_choice(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let tag = bench.database.number();
    let plain = conn.with_prefix(format!("app{tag}:"));
    let app = plain.clone().channels();
    let news = format!("news{tag}");
    let mut whole = conn.subscribe(format!("app{tag}:{news}")).await?;
    let mut short = app.subscribe(news.as_str()).await?;
    let mut pattern = app.psubscribe("news*").await?;
    let mut outside = plain.subscribe(news.as_str()).await?;
    assert_eq!(app.publish(&news, "inside").await?, 2);
    assert_eq!(plain.publish(&news, "outside").await?, 1);
    assert_eq!(short.name(), news);
    assert_eq!(short.get::<String>().await?.as_deref(), Some("inside"));
    assert_eq!(whole.get::<String>().await?.as_deref(), Some("inside"));
    assert_eq!(outside.get::<String>().await?.as_deref(), Some("outside"));
    assert_eq!(
        pattern.get::<String>().await?,
        Some((news.clone(), "inside".to_owned()))
    );
    let name = Name::from(news.as_str());
    assert_eq!(app.pubsub_channels().await?, std::slice::from_ref(&name));
    let (counts, names) = app
        .pipeline()
        .pubsub_numsub(&news)
        .pubsub_channels()
        .pattern("news*")
        .await?;
    assert_eq!((counts, names), (vec![(name.clone(), 1)], vec![name]));
    Ok(())
}

async fn a_long_key_that_is_shared_gets_it_too(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let app = conn.with_prefix("app:");
    let (key, value) = (bytes(b'k'), bytes(b'v'));
    app.mset([(&key, &value), (&bytes(b'l'), &value)]).await?;
    assert_eq!(app.strlen(&key).await?, value.len() as u64);
    assert_eq!(
        conn.strlen([&b"app:"[..], &key].concat()).await?,
        value.len() as u64
    );
    let (len,) = app.pipeline().append(&key, &value).await?;
    assert_eq!(len, 2 * value.len() as u64);
    Ok(())
}

/// So many that they are not copied.
fn bytes(byte: u8) -> bytes::Bytes {
    vec![byte; 70_000].into()
}

async fn what_cannot_keep_to_it_is_refused_before_it_is_sent(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.set("other", 1).await?;
    let app = conn.with_prefix("app:");
    for outcome in [app.flushdb().await, app.dbsize().await.map(drop)] {
        let refused = outcome.expect_err("it concerns other keys");
        assert!(matches!(refused.kind(), ErrorKind::Usage(_)));
        let text = refused.to_string();
        assert!(
            text.contains("`app:`") && text.contains("inner()"),
            "{text}"
        );
    }
    let refused = app.pipeline().incr("n").flushdb().await;
    assert_eq!(
        refused.expect_err("nothing is sent").command(),
        Some("FLUSHDB")
    );
    assert_eq!(conn.exists("app:n").await?, 0);
    let refused = app.run(raw("GET").arg("other")).await;
    let text = refused.expect_err("its key is not known").to_string();
    assert!(text.contains(".key(..)"), "{text}");
    let named: Vec<String> = app.run(raw("KEYS").arg("*").reply()).await?;
    assert!(named.is_empty());
    assert_eq!(
        app.run(raw("GET").key("other").reply::<Option<i64>>())
            .await?,
        None
    );
    assert_eq!(conn.get::<i64>("other").await?, Some(1));
    Ok(())
}

async fn a_random_key_without_the_prefix_is_an_error(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let app = conn.with_prefix("app:");
    assert_eq!(app.randomkey::<String>().await?, None);
    app.set("k", 1).await?;
    assert_eq!(app.randomkey::<String>().await?.as_deref(), Some("k"));
    let (random,) = app.pipeline().randomkey::<String>().await?;
    assert_eq!(random.as_deref(), Some("k"));
    conn.rename("app:k", "other").await?;
    let error = app
        .randomkey::<String>()
        .await
        .expect_err("it is another's");
    let text = error.to_string();
    assert!(text.contains("prefix `app:`"), "{text}");
    assert!(!text.contains("other"), "{text}");
    let (random, none) = app
        .pipeline()
        .randomkey::<String>()
        .attempt()
        .get::<i64>("k")
        .await?;
    assert_eq!(
        (random.expect_err("it is another's").command(), none),
        (Some("RANDOMKEY"), None)
    );
    Ok(())
}

/// A blocking call on a view of a pool waits on a leased socket, and a timeout is one.
#[tokio::test]
async fn a_wait_that_ends_is_nil() -> Result<()> {
    let bench = Bench::new(
        typedis_testkit::ServerKind::Valkey9,
        typedis::Protocol::Newest,
    );
    let app = bench.pool().await.with_prefix("app:");
    let none = app
        .blpop::<String>("none", Duration::from_millis(10))
        .await?;
    assert_eq!(none, None);
    Ok(())
}

#[tokio::test]
async fn on_a_cluster_the_slot_is_that_of_the_whole_key() -> Result<()> {
    let start = || typedis_testkit::shared_cluster(typedis_testkit::ServerKind::Valkey9);
    let space = tokio::task::spawn_blocking(start).await;
    let space = space.expect("the cluster starts");
    let addresses: Vec<String> = space
        .cluster()
        .addrs()
        .iter()
        .map(ToString::to_string)
        .collect();
    let cluster = typedis::cluster(format!("redis://{}", addresses.join(","))).await?;
    let tag = space.key("app");
    let app = cluster.with_prefix(format!("{{{tag}}}:"));
    app.mset([("a", 1), ("b", 2)]).await?;
    let (one, two) = app.transaction().get::<i64>("a").get::<i64>("b").await?;
    assert_eq!((one, two), (Some(1), Some(2)));
    assert_eq!(app.mget::<i64>(["a", "b"]).await?, [Some(1), Some(2)]);
    let (three, names) = app.pipeline().incrby("b", 1).keys::<String>("*").await?;
    assert_eq!(
        (three, sorted(names)),
        (3, vec!["a".to_owned(), "b".to_owned()])
    );
    let names: Vec<String> = app.scan::<String>(0).stream().try_collect().await?;
    assert_eq!(sorted(names), ["a", "b"]);
    let (left,) = app
        .watch("a", |tx| async move {
            assert_eq!(tx.get::<i64>("a").await?, Some(1));
            Ok(tx.transaction().decr("a"))
        })
        .await?;
    assert_eq!(left, 0);
    app.rpush("l", "x").await?;
    let popped = app.blpop::<String>(["l", "m"], 1).await?;
    assert_eq!(popped, Some(("l".into(), "x".to_owned())));
    let own = cluster.with_prefix(format!("{tag}:"));
    own.mset([("a", 1), ("b", 2), ("c", 3)]).await?;
    let keys: Vec<u16> = ["a", "b"].map(|key| slot(format!("{tag}:{key}"))).to_vec();
    assert_ne!(keys[0], keys[1]);
    assert_eq!(own.del(["a", "b", "c", "none"]).await?, 3);
    app.del(["a", "b"]).await?;
    Ok(())
}
