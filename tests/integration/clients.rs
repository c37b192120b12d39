//! Functions over any handle, handles in structs, and futures that tasks take.

use std::sync::Arc;

use typedis::prelude::*;
use typedis::{AnyClient, Result, arg};

use crate::support::{Bench, on_servers};

on_servers! {
    one_function_takes_every_handle;
    a_client_of_any_type_does_what_it_hides;
    a_failure_that_is_kept_as_a_value_names_its_command_over_every_handle;
    a_task_takes_a_formatted_key;
}

/// The function that a newcomer writes.
async fn bump<H: Client>(handle: H) -> Result<i64> {
    handle.set("base", 1).nx().await?;
    let (n, base) = handle.pipeline().incr("n").get::<i64>("base").await?;
    Ok(n + base.unwrap_or(0))
}

/// A handle in a struct.
struct Counter<C> {
    client: C,
}

impl<C: Client> Counter<C> {
    async fn next(&self) -> Result<i64> {
        self.client.incr("next").await
    }

    async fn reset(&self, names: &[&str]) -> Result<u64> {
        let deleted = self.client.pipeline_each(names, |c, name| c.del(*name));
        Ok(deleted.await?.into_iter().sum())
    }
}

async fn one_function_takes_every_handle(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    let exclusive = pool.exclusive().await?;
    assert_eq!(bump(&conn).await?, 2);
    assert_eq!(bump(conn.clone()).await?, 3);
    assert_eq!(bump(&pool).await?, 4);
    assert_eq!(bump(pool.clone()).await?, 5);
    assert_eq!(bump(&exclusive).await?, 6);
    assert_eq!(bump(exclusive).await?, 7);
    assert_eq!(bump(Arc::new(conn.clone())).await?, 8);
    assert_eq!(bump(AnyClient::new(pool.clone())).await?, 9);
    let task = tokio::spawn(bump(conn.clone()));
    assert_eq!(task.await.expect("it does not panic")?, 10);

    let counter = Counter { client: &pool };
    assert_eq!(counter.next().await?, 1);
    let counter = Counter { client: conn };
    assert_eq!(counter.next().await?, 2);
    assert_eq!(counter.reset(&["next", "n", "none"]).await?, 2);
    Ok(())
}

/// The command that the failure of GET and that of KEYS, whose reply has names, are of.
async fn blamed<H: Client>(handle: H) -> Result<[Option<String>; 2]> {
    type Kept = Result<i64>;
    let get = handle.run(cmd().get::<Kept>("text").with_reply::<Kept>());
    let keys = handle.run(cmd().keys::<String>("*").with_reply::<Kept>());
    let kept = [get.await?, keys.await?].map(|kept| kept.expect_err("it is no number"));
    Ok(kept.map(|error| error.command().map(ToOwned::to_owned)))
}

async fn a_failure_that_is_kept_as_a_value_names_its_command_over_every_handle(
    bench: Bench,
) -> Result<()> {
    type Kept = Result<i64>;
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    let exclusive = pool.exclusive().await?;
    conn.set("text", "x").await?;
    let both = ["GET", "KEYS"].map(|name| Some(name.to_owned()));
    assert_eq!(blamed(&conn).await?, both);
    assert_eq!(blamed(&pool).await?, both);
    assert_eq!(blamed(&exclusive).await?, both);
    assert_eq!(blamed(conn.with_prefix("")).await?, both);
    assert_eq!(blamed(AnyClient::new(pool.clone())).await?, both);

    let open = exclusive.begin().await?;
    let get = open.run(cmd().get::<Kept>("text").with_reply::<Kept>());
    let get = get.await?;
    let error = open.exec().await?.take(get)?.expect_err("it is no number");
    assert_eq!(error.command(), Some("GET"));

    conn.rpush("list", "x").await?;
    let leased = raw("BLPOP").key("list").arg(1).reply::<Kept>();
    let error = pool.run(leased).await?.expect_err("it is no number");
    assert_eq!(error.command(), Some("BLPOP"));
    Ok(())
}

async fn a_client_of_any_type_does_what_it_hides(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    for client in [AnyClient::new(conn), AnyClient::new(pool)] {
        client.set("k", "v").await?;
        let later = client.get::<String>("k").send();
        assert_eq!(later.await?.as_deref(), Some("v"));
        let error = client.incr("k").await.expect_err("it is no number");
        assert_eq!(error.command(), Some("INCR"));
        let error = client.get::<i64>("k").await.expect_err("it is no number");
        assert_eq!(error.command(), Some("GET"));
        let error = client.mget::<String>([""; 0]).await.expect_err("no keys");
        assert_eq!(error.argument_name(), Some("keys"));
        let (one, two) = client.transaction().incr("n").incr("n").await?;
        assert_eq!(one + 1, two);
        let mut batch = client.batch();
        let value = batch.push(cmd().get::<String>("k"));
        let value = batch.execute().await?.take(value)?;
        assert_eq!(value.as_deref(), Some("v"));
    }
    Ok(())
}

async fn a_task_takes_a_formatted_key(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let id = 7;
    let task = tokio::spawn({
        let conn = conn.clone();
        async move {
            conn.set(arg!("user:{id}"), arg!("{:>100}", "x")).await?;
            conn.mset([(arg!("a:{id}"), 1), (arg!("b:{id}"), 2)])
                .await?;
            conn.get::<String>(arg!("user:{id}")).await
        }
    });
    let value = task.await.expect("it does not panic")?;
    assert_eq!(value.map(|value| value.len()), Some(100));
    assert_eq!(conn.mget::<i64>(["a:7", "b:7"]).await?, [Some(1), Some(2)]);
    Ok(())
}
