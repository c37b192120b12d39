//! What vanished is answered with nil: it does not hide what is there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use typedis::args::{Field, Schema};
use typedis::prelude::*;
use typedis::{Config, Protocol, Result};
use typedis_testkit::{Server, ServerKind};

use crate::support::{Bench, on_servers};

type Fields = HashMap<String, String>;

#[tokio::test]
async fn a_search_leaves_out_documents_that_expired() -> Result<()> {
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        let server = Server::builder(ServerKind::RedisStack)
            .debug_commands()
            .start()
            .expect("it starts");
        let config = Config::from_url(&server.url())?.protocol(protocol);
        let pool = typedis::pool(config).await?;
        // Keys that expired are only removed when they are asked for.
        let debug = typedis::raw("DEBUG SET-ACTIVE-EXPIRE").arg(0);
        pool.run(debug.reply::<()>()).await?;
        let schema = Schema::new().field(Field::tag("name"));
        pool.ft_create("products", schema)
            .prefix(["product:"])
            .await?;
        for number in 1..=5 {
            pool.hset(format!("product:{number}"), [("name", "x")])
                .await?;
        }
        let start = Instant::now();
        let mut tries = 0;
        loop {
            for number in 1..=4 {
                pool.hset(format!("product:{number}"), [("name", "x")])
                    .await?;
                pool.pexpire(format!("product:{number}"), 1 + number)
                    .await?;
            }
            let found = pool.ft_search::<Fields>("products", "*").await?;
            assert!(
                found
                    .documents
                    .iter()
                    .any(|document| document.id == "product:5"),
                "{found:?}"
            );
            for document in &found.documents {
                assert_eq!(document.fields["name"], "x");
            }
            let all = pool.ft_search::<Option<Fields>>("products", "*").await?;
            tries += 1;
            let gone = all
                .documents
                .iter()
                .filter(|document| document.fields.is_none())
                .count();
            if gone > 0 || found.documents.len() < usize::try_from(found.total).unwrap_or_default()
            {
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "nothing vanished in {tries} tries"
            );
        }
    }
    Ok(())
}

async fn deleted_entries_do_not_hide_pending_ones(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let first = pool.xadd("s", "*", [("f", "1")]).await?;
    let second = pool.xadd("s", "*", [("f", "2")]).await?;
    pool.xgroup_create("s", "g", 0).await?;
    let read = pool.xreadgroup::<Fields>("g", "c", [("s", ">")]).await?;
    assert_eq!(read.expect("there are two")[0].1.len(), 2);
    pool.xdel("s", [first]).await?;
    let pending = pool.xreadgroup::<Fields>("g", "c", [("s", 0)]).await?;
    let pending = pending.expect("one is left");
    let ids: Vec<_> = pending[0].1.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [second]);
    let all = pool
        .xreadgroup::<Option<Fields>>("g", "c", [("s", 0)])
        .await?;
    let all = all.expect("both are pending");
    let ids: Vec<_> = all[0]
        .1
        .iter()
        .map(|entry| (entry.id, entry.fields.is_some()))
        .collect();
    assert_eq!(ids, [(first, false), (second, true)]);
    Ok(())
}

on_servers! {
    deleted_entries_do_not_hide_pending_ones;
}
