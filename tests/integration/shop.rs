//! Scripts and functions as methods of a trait of a user's own.

use typedis::__core::IntoRequest;
use typedis::Result;
use typedis::prelude::*;
use typedis_testkit::Server;

use crate::support::{Bench, on_servers};

on_servers! {
    a_script_is_a_method_of_everything_that_takes_commands;
    a_function_is_a_method;
}

typedis::commands! { pub(crate) trait ShopCommands from "tests/shop/shop.toml" }

async fn a_script_is_a_method_of_everything_that_takes_commands(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    conn.mset([("stock:1", 5), ("stock:2", 7)]).await?;
    let left: Option<i64> = conn.reserve("stock:1", "order:1", 2).await?;
    assert_eq!(left, Some(3));
    let left = pool
        .reserve("stock:1", "order:1", 1)
        .note("as a gift")
        .await?;
    assert_eq!(left, Some(2));
    assert_eq!(pool.reserve("stock:1", "order:1", 9).await?, None);
    assert_eq!(
        conn.hget::<String>("order:1", "note").await?.as_deref(),
        Some("as a gift")
    );
    assert_eq!(conn.total(["stock:1", "stock:2"]).await?, 9);

    let (visits, left, total) = conn
        .pipeline()
        .incr("visits")
        .reserve("stock:2", "order:1", 7)
        .total(["stock:1", "stock:2"])
        .await?;
    assert_eq!((visits, left, total), (1, Some(0), 2));
    let ((), left) = pool
        .transaction()
        .set("stock:3", 4)
        .reserve("stock:3", "order:2", 3)
        .note("in one go")
        .await?;
    assert_eq!(left, Some(1));
    Ok(())
}

async fn a_function_is_a_method(bench: Bench) -> Result<()> {
    let server = Server::start(bench.database.server().kind()).expect("the server starts");
    let config = typedis::Config::from_url(&server.url())?.protocol(bench.protocol);
    let conn = typedis::connect(config).await?;
    let code = "#!lua name=shop
        redis.register_function('restock', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)";
    conn.function_load(code).await?;
    assert_eq!(conn.restock("stock:1", 5).await?, 5);
    let (n,) = conn.transaction().restock("stock:1", 5).await?;
    assert_eq!(n, 10);
    Ok(())
}

#[test]
fn keys_are_counted_and_known_and_the_sha1_is_that_of_the_text() {
    let call = cmd()
        .reserve("a", "b", 2)
        .note("text")
        .into_request()
        .into_args();
    let words = call.to_words().into_iter();
    let words: Vec<String> = words
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect();
    let script = typedis::Script::new(include_str!("../shop/reserve.lua"));
    assert_eq!(
        words,
        ["EVALSHA", script.sha1(), "2", "a", "b", "2", "NOTE", "text"]
    );
    assert_eq!(call.key_positions(), [3, 4]);
    assert_eq!(call.info().name, "RESERVE");
    let call = cmd().total(["a"]).into_args();
    assert_eq!(call.to_words()[0], b"EVALSHA_RO");
    assert!(call.is_idempotent());
}
