//! Everything that the front page promises, except scans.

use std::collections::HashMap;

use typedis::prelude::*;
use typedis::{Json, Result};

use crate::support::{Bench, on_servers};

on_servers! {
    replies_are_typed_without_annotations;
    options_that_change_the_reply_change_its_type;
    structs_go_into_hashes_and_come_back;
    commands_of_one_task_are_pipelined;
    a_pipeline_gives_a_tuple;
    an_attempt_keeps_one_failure_from_hiding_the_others;
    a_transaction_gives_a_tuple;
    loops_give_a_vec;
    a_batch_gives_replies_by_handle;
    a_pool_blocks_on_a_leased_socket;
    a_watch_reads_decides_and_writes;
    an_exclusive_connection_takes_commands_that_change_it;
    detached_and_raw_commands_run_anywhere;
    a_reply_that_does_not_fit_is_not_lost;
    json_goes_both_ways;
    channels_share_the_connection;
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct User {
    name: String,
    age: u32,
    email: Option<String>,
}

fn ada() -> User {
    User {
        name: "Ada".to_owned(),
        age: 36,
        email: None,
    }
}

async fn replies_are_typed_without_annotations(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let n = conn.incr("foo").await?;
    assert_eq!(n + 1, 2_i64);
    conn.set("k", "v").await?;
    let value: Option<String> = conn.get("k").await?;
    assert_eq!(value.as_deref(), Some("v"));
    assert_eq!(conn.get::<String>("absent").await?, None);
    Ok(())
}

async fn options_that_change_the_reply_change_its_type(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let won: bool = conn.set("lock", "me").nx().ex(30).await?;
    assert!(won);
    let won = conn.set("lock", "you").nx().ex(30).await?;
    assert!(!won);
    let old: Option<String> = conn.set("lock", "w").return_old().await?;
    assert_eq!(old.as_deref(), Some("me"));
    // The order of the calls does not matter.
    assert!(conn.set("other", 1).ex(30).nx().await?);

    conn.zadd("board", [(1.0, "a"), (2.5, "b"), (3.0, "c")])
        .await?;
    let names = conn.zrange::<String>("board", 0, 9).await?;
    assert_eq!(names, ["a", "b", "c"]);
    let top = conn
        .zrange::<String>("board", 0, 9)
        .rev()
        .with_scores()
        .await?;
    assert_eq!(
        top,
        [
            ("c".to_owned(), 3.0),
            ("b".to_owned(), 2.5),
            ("a".to_owned(), 1.0)
        ]
    );
    Ok(())
}

async fn structs_go_into_hashes_and_come_back(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let ada = ada();
    conn.hset("user:1", &ada).await?;
    let user: Option<User> = conn.hgetall("user:1").await?;
    assert_eq!(user, Some(ada));
    let nobody: Option<User> = conn.hgetall("user:2").await?;
    assert_eq!(nobody, None);
    let fields: HashMap<String, String> = conn.hgetall("user:1").await?;
    assert_eq!(fields.len(), 2, "a field that is None is not sent");
    Ok(())
}

async fn commands_of_one_task_are_pipelined(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let (a, b) = tokio::try_join!(conn.incr("a"), conn.incr("b"))?;
    assert_eq!((a, b), (1, 1));
    let later = conn.incr("c").send();
    assert_eq!(conn.incr("c").await?, 2, "what was sent first is first");
    assert_eq!(later.await?, 1);
    Ok(())
}

async fn a_pipeline_gives_a_tuple(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let (n, name) = conn.pipeline().incr("n").get::<String>("name").await?;
    assert_eq!((n, name), (1, None));
    let ((), won, n) = conn
        .pipeline()
        .set("a", 1)
        .px(60_000)
        .set("a", 2)
        .nx()
        .incr("a")
        .await?;
    assert_eq!((won, n), (false, 2));
    Ok(())
}

async fn an_attempt_keeps_one_failure_from_hiding_the_others(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.set("text", "no number").await?;
    let (failed, n) = conn.pipeline().incr("text").attempt().incr("n").await?;
    let error = failed.expect_err("text is no number");
    assert_eq!(
        (error.command(), error.index(), n),
        (Some("INCR"), Some(0), 1)
    );
    let error = conn
        .pipeline()
        .incr("n")
        .incr("text")
        .await
        .expect_err("text is no number");
    assert_eq!((error.command(), error.index()), (Some("INCR"), Some(1)));
    Ok(())
}

async fn a_transaction_gives_a_tuple(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let (x, ()) = conn.transaction().incr("x").set("y", 2).ex(5).await?;
    assert_eq!(x, 1);
    assert!(conn.ttl("y").await.is_ok());
    Ok(())
}

async fn loops_give_a_vec(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let counts: Vec<i64> = conn
        .pipeline_each(["a", "b", "a"], |cmd, key| cmd.incr(key))
        .await?;
    assert_eq!(counts, [1, 1, 2]);
    let set: Vec<()> = conn
        .pipeline_each(0..3, |cmd, n| cmd.set(format!("k{n}"), n).ex(60))
        .await?;
    assert_eq!(set.len(), 3);
    Ok(())
}

async fn a_batch_gives_replies_by_handle(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let mut batch = conn.batch();
    let n = batch.push(cmd().incr("n"));
    let old = batch.push(cmd().set("s", "new").return_old::<String>());
    let mut replies = batch.execute().await?;
    assert_eq!(replies.take(old)?, None);
    let n: i64 = replies.take(n)?;
    assert_eq!(n, 1);
    Ok(())
}

async fn a_pool_blocks_on_a_leased_socket(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.blpop::<String>(["jobs"], 0).await }
    });
    pool.rpush("jobs", "first").await?;
    let job = waiting.await.expect("the task does not panic")?;
    assert_eq!(job, Some(("jobs".into(), "first".to_owned())));
    Ok(())
}

async fn a_watch_reads_decides_and_writes(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.set("stock", 5).await?;
    let task = tokio::spawn(async move {
        pool.watch(["stock"], |tx| async move {
            let stock = tx.get::<i64>("stock").await?.unwrap_or(0);
            Ok(tx.transaction().set("stock", stock - 1).incr("sold"))
        })
        .await
    });
    let ((), sold) = task.await.expect("the task does not panic")?;
    assert_eq!(sold, 1);
    assert_eq!(bench.connect().await.get::<i64>("stock").await?, Some(4));
    Ok(())
}

async fn an_exclusive_connection_takes_commands_that_change_it(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let own = pool.exclusive().await?;
    own.set("k", "here").await?;
    own.watch("k").await?;
    let (k,) = own.transaction().get::<String>("k").await?;
    assert_eq!(k.as_deref(), Some("here"));

    let open = own.begin().await?;
    let n = open.incr("n").await?;
    let set = open.set("k", "there").return_old::<String>().await?;
    let mut replies = open.exec().await?;
    assert_eq!(replies.take(n)?, 1);
    assert_eq!(replies.take(set)?.as_deref(), Some("here"));

    own.select(bench.database.number() - 1).await?;
    assert_eq!(own.get::<String>("no such key").await?, None);
    Ok(())
}

async fn detached_and_raw_commands_run_anywhere(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    assert_eq!(conn.run(cmd().incr("n")).await?, 1);
    let n: i64 = conn.run(raw("INCRBY").key("n").arg(4).reply()).await?;
    assert_eq!(n, 5);
    let (n, m) = conn
        .pipeline()
        .run(cmd().incr("n"))
        .run(raw("INCR").key("n").reply::<i64>())
        .await?;
    assert_eq!((n, m), (6, 7));
    let error = conn
        .run(cmd().blpop::<String>(["jobs"], 1))
        .await
        .expect_err("it would block everybody");
    assert_eq!(error.phase(), typedis::Phase::NotSent);
    Ok(())
}

async fn a_reply_that_does_not_fit_is_not_lost(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.rpush("l", "word").await?;
    let error = conn
        .lpop::<i64>("l")
        .await
        .expect_err("a word is no number");
    assert_eq!(error.phase(), typedis::Phase::Applied);
    assert_eq!(error.into_reply(), Some(typedis::Value::from("word")));
    Ok(())
}

async fn json_goes_both_ways(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.set("j", Json(vec![1, 2, 3])).await?;
    let Json(numbers): Json<Vec<i32>> = conn.get("j").await?.expect("it was set");
    assert_eq!(numbers, [1, 2, 3]);
    Ok(())
}

async fn channels_share_the_connection(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    // Channels are the server's, not the database's: others on it must not hear these.
    let name = |name: &str| {
        format!(
            "{name}-{}-{}",
            bench.database.number(),
            bench.protocol as u8
        )
    };
    let [mut news, mut chat] = conn.subscribe([name("news"), name("chat")]).await?;
    assert_eq!(conn.publish(name("chat"), "hello").await?, 1);
    assert_eq!(conn.publish_json(name("news"), &[1, 2]).await?, 1);
    assert_eq!(news.get_json::<Vec<i32>>().await?, Some(vec![1, 2]));
    assert_eq!(chat.get::<String>().await?.as_deref(), Some("hello"));
    Ok(())
}
