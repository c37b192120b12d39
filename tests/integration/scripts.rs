//! Lua scripts on every handle, known to the server or not.

use std::sync::LazyLock;

use typedis::prelude::*;
use typedis::{ErrorKind, Result, Script};
use typedis_testkit::Server;

use crate::support::{Bench, on_servers};

on_servers! {
    a_script_is_sent_where_it_is_missing;
    a_pipeline_loads_what_it_calls;
    a_transaction_loads_what_it_calls;
    a_batch_and_a_loop_load_what_they_call;
    a_pipeline_of_which_nothing_ran_is_sent_again;
    a_pipeline_of_which_something_ran_is_not_sent_again;
    a_script_that_does_not_compile_says_so;
    a_script_that_was_refused_is_not_taken_for_loaded;
    a_script_by_hand_in_an_open_transaction;
    a_read_only_script_may_not_write;
    scripts_have_commands_of_their_own;
    functions_are_loaded_and_called;
}

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local left = tonumber(redis.call('GET', KEYS[1]) or 0)
         if left < tonumber(ARGV[1]) then return false end
         return redis.call('DECRBY', KEYS[1], ARGV[1])",
    )
});

/// A script that no other test, which may share the server, has loaded.
fn fresh(name: &str) -> Script {
    let unique = format!(
        "{name} {:?} {}",
        std::time::SystemTime::now(),
        std::process::id()
    );
    Script::new(format!(
        "-- {unique}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])"
    ))
}

async fn a_script_is_sent_where_it_is_missing(bench: Bench) -> Result<()> {
    let (conn, pool) = (bench.connect().await, bench.pool().await);
    conn.set("stock", 5).await?;
    let left: Option<i64> = conn.run(TAKE.call(["stock"], 3)).await?;
    assert_eq!(left, Some(2));
    let left: Option<i64> = pool.run(TAKE.call(["stock"], 3)).await?;
    assert_eq!(left, None);

    let script = fresh("single");
    assert_eq!(conn.script_exists([script.sha1()]).await?, [false]);
    assert_eq!(conn.run(script.call::<i64>(["n"], 2)).await?, 2);
    assert_eq!(conn.script_exists([script.sha1()]).await?, [true]);
    assert_eq!(
        pool.exclusive()
            .await?
            .run(script.call::<i64>(["n"], 2))
            .await?,
        4
    );
    Ok(())
}

async fn a_pipeline_loads_what_it_calls(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let script = fresh("pipeline");
    for round in 0..2 {
        let (before, n, m, after) = conn
            .pipeline()
            .incr("before")
            .run(script.call::<i64>(["n"], 1))
            .run(script.call::<i64>(["n"], 1))
            .incr("after")
            .await?;
        assert_eq!(
            (before, n, m, after),
            (round + 1, 2 * round + 1, 2 * round + 2, round + 1)
        );
    }
    Ok(())
}

async fn a_transaction_loads_what_it_calls(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let script = fresh("transaction");
    for round in 0..2 {
        let (before, n) = conn
            .transaction()
            .incr("before")
            .run(script.call::<i64>(["n"], 1))
            .await?;
        assert_eq!((before, n), (round + 1, round + 1));
    }
    let pool = bench.pool().await;
    let script = fresh("watch");
    let (n,) = pool
        .watch(["n"], |tx| {
            let script = script.clone();
            async move { Ok(tx.transaction().run(script.call::<i64>(["n"], 1))) }
        })
        .await?;
    assert_eq!(n, 3);
    Ok(())
}

async fn a_batch_and_a_loop_load_what_they_call(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let script = fresh("batch");
    let mut batch = conn.batch();
    let visits = batch.push(cmd().incr("visits"));
    let n = batch.push(script.call::<i64>(["n"], 5));
    let mut replies = batch.execute().await?;
    assert_eq!((replies.take(visits)?, replies.take(n)?), (1, 5));

    let script = fresh("loop");
    let counts: Vec<i64> = conn
        .pipeline_each(["a", "b", "a"], |_, key| script.call(key, 1))
        .await?;
    assert_eq!(counts, [1, 1, 2]);
    Ok(())
}

async fn a_pipeline_of_which_nothing_ran_is_sent_again(bench: Bench) -> Result<()> {
    let (_server, conn) = own_server(&bench).await?;
    let script = fresh("again");
    let once = || {
        conn.pipeline()
            .run(script.call::<i64>(["n"], 1))
            .run(script.call::<i64>(["n"], 1))
    };
    assert_eq!(once().await?, (1, 2));
    conn.script_flush().await?;
    assert_eq!(once().await?, (3, 4));
    conn.script_flush().await?;
    let (n,) = conn.transaction().run(script.call::<i64>(["n"], 1)).await?;
    assert_eq!(n, 5);
    Ok(())
}

async fn a_pipeline_of_which_something_ran_is_not_sent_again(bench: Bench) -> Result<()> {
    let (_server, conn) = own_server(&bench).await?;
    let script = fresh("not again");
    let both = || {
        conn.pipeline()
            .incr("visits")
            .run(script.call::<i64>(["n"], 1))
            .attempt()
    };
    assert!(matches!(both().await?, (1, Ok(1))));
    conn.script_flush().await?;
    let (visits, call) = both().await?;
    assert_eq!(visits, 2, "it was counted once");
    let error = call.expect_err("the script is gone");
    assert_eq!(error.server().map(|error| error.code()), Some("NOSCRIPT"));
    // From now on it is known to be missing.
    assert!(matches!(both().await?, (3, Ok(2))));
    Ok(())
}

/// A server whose scripts nobody else needs.
async fn own_server(bench: &Bench) -> Result<(Server, Connection)> {
    let server = Server::start(bench.database.server().kind()).expect("the server starts");
    let config = typedis::Config::from_url(&server.url())?.protocol(bench.protocol);
    let conn = typedis::connect(config).await?;
    Ok((server, conn))
}

async fn a_script_that_does_not_compile_says_so(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let script = Script::new("return return");
    let error = conn
        .run(script.call::<i64>((), ()))
        .await
        .expect_err("it does not compile");
    assert!(error.to_string().contains("compiling script"), "{error}");
    let (n, call) = conn
        .pipeline()
        .incr("n")
        .run(script.call::<i64>((), ()))
        .attempt()
        .await?;
    assert_eq!(n, 1);
    let error = call.expect_err("it does not compile");
    assert!(error.to_string().contains("compiling script"), "{error}");
    Ok(())
}

async fn a_script_by_hand_in_an_open_transaction(bench: Bench) -> Result<()> {
    let own = bench.pool().await.exclusive().await?;
    let open = own.begin().await?;
    let n = open.run(fresh("open").call::<i64>(["n"], 7)).await?;
    let mut replies = open.exec().await?;
    assert_eq!(replies.take(n)?, 7);
    Ok(())
}

async fn a_read_only_script_may_not_write(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.set("k", "v").await?;
    let read = Script::new("return redis.call('GET', KEYS[1])").read_only();
    let value: String = conn.run(read.call("k", ())).await?;
    assert_eq!(value, "v");
    let write = fresh("read only").read_only();
    let error = conn
        .run(write.call::<i64>("n", 1))
        .await
        .expect_err("it writes");
    assert!(matches!(error.kind(), ErrorKind::Server(_)), "{error}");
    Ok(())
}

async fn scripts_have_commands_of_their_own(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let n: i64 = conn
        .eval("return #KEYS + #ARGV", ["a", "b"], ("c", 4))
        .await?;
    assert_eq!(n, 4);
    let sha1 = conn.script_load("return {KEYS[1], ARGV[1]}").await?;
    let (key, arg): (String, i64) = conn.evalsha(&sha1, "k", 5).await?;
    assert_eq!((key.as_str(), arg), ("k", 5));
    let (n,) = conn.pipeline().eval_ro::<i64>("return 3", (), ()).await?;
    assert_eq!(n, 3);
    Ok(())
}

async fn functions_are_loaded_and_called(bench: Bench) -> Result<()> {
    let (_server, conn) = own_server(&bench).await?;
    let code = "#!lua name=shop
        redis.register_function('take', function(keys, args)
            return redis.call('DECRBY', keys[1], args[1])
        end)
        redis.register_function{function_name='peek', callback=function(keys) return redis.call('GET', keys[1]) end,
            flags={'no-writes'}}";
    assert_eq!(conn.function_load(code).await?, "shop");
    assert_eq!(conn.function_load(code).replace().await?, "shop");
    assert_eq!(conn.fcall::<i64>("take", ["stock"], 3).await?, -3);
    assert_eq!(conn.fcall_ro::<i64>("peek", ["stock"], ()).await?, -3);
    conn.function_delete("shop").await?;
    assert!(conn.fcall::<i64>("take", ["stock"], 3).await.is_err());
    Ok(())
}

/// The other script of the pipeline is loaded, this one is not: each call says why.
async fn a_script_that_was_refused_is_not_taken_for_loaded(bench: Bench) -> Result<()> {
    let (conn, good) = (bench.connect().await, fresh("beside a refused one"));
    let faulty = Script::new(format!(
        "{:?} does not compile",
        std::time::SystemTime::now()
    ));
    for round in 0..4 {
        let replies = conn
            .pipeline()
            .run(good.call::<i64>(["n"], 1))
            .run(faulty.call::<i64>((), ()))
            .attempt();
        let (n, refused) = replies.await?;
        let text = refused.expect_err("it does not compile").to_string();
        assert!(text.contains("compiling script"), "{round}: {text}");
        assert_eq!(n, round + 1);
        let transaction = conn.transaction().run(faulty.call::<i64>((), ()));
        let text = transaction
            .await
            .expect_err("it does not compile")
            .to_string();
        assert!(text.contains("compiling script"), "{round}: {text}");
    }
    Ok(())
}
