//! A tour of the library in five minutes. It needs a server that it may write to; `cargo xtask demo` fetches and starts
//! one. By hand: `TYPEDIS_URL=redis://localhost cargo run --example tour`.

use std::fmt::Debug;

use typedis::prelude::*;

#[derive(Debug, FromRedis, ToRedis)]
struct User {
    name: String,
    age: u32,
    email: Option<String>,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let conn = typedis::connect(&url).await?;
    conn.flushdb().await?;

    typed_replies(&conn).await?;
    options(&conn).await?;
    structs(&conn).await?;
    implicit_pipelining(&conn).await?;
    pipelines(&conn).await?;
    transactions(&conn).await?;

    let pool = typedis::pool(&url).await?;
    optimistic_transactions(&pool).await?;
    blocking_commands(&pool).await?;

    commands_without_a_method(&conn).await?;
    errors(&conn).await
}

async fn typed_replies(conn: &Connection) -> typedis::Result<()> {
    title("Every reply has a type: the command's own, or yours where the value is yours");
    let visits = conn.incr("visits").await?;
    show(r#"conn.incr("visits").await?"#, visits);
    conn.set("greeting", "hello").await?;
    show(r#"conn.set("greeting", "hello").await?"#, ());
    let greeting: Option<String> = conn.get("greeting").await?;
    show(r#"conn.get("greeting").await?"#, greeting);
    let nobody: Option<String> = conn.get("nobody").await?;
    show(r#"conn.get("nobody").await?"#, nobody);
    Ok(())
}

async fn options(conn: &Connection) -> typedis::Result<()> {
    title("Options that change the reply change its type");
    let won = conn.set("lock", "me").nx().ex(30).await?;
    show(r#"conn.set("lock", "me").nx().ex(30).await?"#, won);
    let won = conn.set("lock", "you").nx().ex(30).await?;
    show(r#"conn.set("lock", "you").nx().ex(30).await?"#, won);
    let old: Option<String> = conn.set("lock", "us").return_old().await?;
    show(r#"conn.set("lock", "us").return_old().await?"#, old);
    conn.zadd("board", [(3.5, "ada"), (2.0, "bob"), (9.0, "eve")])
        .await?;
    let names = conn.zrange::<String>("board", 0, -1).rev().await?;
    show(
        r#"conn.zrange::<String>("board", 0, -1).rev().await?"#,
        names,
    );
    let scores = conn
        .zrange::<String>("board", 0, -1)
        .rev()
        .with_scores()
        .await?;
    show(r#"… .rev().with_scores().await?"#, scores);
    Ok(())
}

async fn structs(conn: &Connection) -> typedis::Result<()> {
    title("Structs, by derive");
    let ada = User {
        name: "Ada".to_owned(),
        age: 36,
        email: None,
    };
    let fields = conn.hset("user:1", &ada).await?;
    show(r#"conn.hset("user:1", &ada).await?"#, fields);
    let user: Option<User> = conn.hgetall("user:1").await?;
    show(r#"conn.hgetall("user:1").await?"#, user);
    let user: Option<User> = conn.hgetall("user:2").await?;
    show(r#"conn.hgetall("user:2").await?"#, user);
    Ok(())
}

async fn implicit_pipelining(conn: &Connection) -> typedis::Result<()> {
    title("Tasks share one socket; their commands are pipelined by themselves");
    let both = tokio::try_join!(conn.incr("a"), conn.incr("b"))?;
    show(r#"tokio::try_join!(conn.incr("a"), conn.incr("b"))?"#, both);
    let later = conn.incr("a").send();
    show(
        r#"let later = conn.incr("a").send(); … later.await?"#,
        later.await?,
    );
    Ok(())
}

async fn pipelines(conn: &Connection) -> typedis::Result<()> {
    title("A pipeline's reply is a tuple, built by the calls");
    let replies = conn
        .pipeline()
        .incr("visits")
        .get::<String>("greeting")
        .await?;
    show(
        r#"conn.pipeline().incr("visits").get::<String>("greeting").await?"#,
        replies,
    );
    let (failed, visits) = conn
        .pipeline()
        .incr("greeting")
        .attempt()
        .incr("visits")
        .await?;
    show(
        r#"conn.pipeline().incr("greeting").attempt().incr("visits").await?"#,
        (failed.map_err(|error| error.to_string()), visits),
    );
    let counts = conn
        .pipeline_each(["a", "b", "c"], |cmd, key| cmd.incr(key))
        .await?;
    show(
        r#"conn.pipeline_each(["a", "b", "c"], |cmd, key| cmd.incr(key)).await?"#,
        counts,
    );
    Ok(())
}

async fn transactions(conn: &Connection) -> typedis::Result<()> {
    title("So is a transaction's; it may share the socket with others");
    let replies = conn.transaction().incr("x").set("y", 2).ex(5).await?;
    show(
        r#"conn.transaction().incr("x").set("y", 2).ex(5).await?"#,
        replies,
    );
    Ok(())
}

async fn optimistic_transactions(pool: &Pool) -> typedis::Result<()> {
    title("WATCH: read, decide, write, and again if somebody else was faster");
    pool.set("stock", 5).await?;
    let sold = pool
        .watch(["stock"], |tx| async move {
            let stock: Option<i64> = tx.get("stock").await?;
            Ok(tx
                .transaction()
                .set("stock", stock.unwrap_or(0) - 1)
                .incr("sold"))
        })
        .await?;
    show(
        r#"pool.watch(["stock"], |tx| async move { … }).await?"#,
        sold,
    );
    Ok(())
}

async fn blocking_commands(pool: &Pool) -> typedis::Result<()> {
    title("A pool leases a socket for what blocks; the shared ones never wait");
    let worker = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.blpop::<String>(["jobs"], 5).await })
    };
    pool.rpush("jobs", "paint the fence").await?;
    let job = worker.await.map_err(typedis::Error::custom)??;
    show(r#"pool.blpop::<String>(["jobs"], 5).await?"#, job);
    Ok(())
}

async fn commands_without_a_method(conn: &Connection) -> typedis::Result<()> {
    title("A command that no method exists for");
    let encoding = conn
        .run(raw("OBJECT ENCODING").key("visits").reply::<String>())
        .await?;
    show(
        r#"conn.run(raw("OBJECT ENCODING").key("visits").reply::<String>()).await?"#,
        encoding,
    );
    Ok(())
}

async fn errors(conn: &Connection) -> typedis::Result<()> {
    title("Errors say what happened, to which command, and whether it was carried out");
    let nan = conn.zadd("board", [(f64::NAN, "zoe")]).await;
    complain(r#"conn.zadd("board", [(f64::NAN, "zoe")]).await"#, nan);
    let wrong_type = conn.incr("greeting").await;
    complain(r#"conn.incr("greeting").await"#, wrong_type);
    let wrong_reply = conn.get::<u8>("greeting").await;
    complain(r#"conn.get::<u8>("greeting").await"#, wrong_reply);
    let typo = typedis::connect("redis://localhost?comand_timeout=1s").await;
    complain(
        r#"typedis::connect("redis://localhost?comand_timeout=1s").await"#,
        typo,
    );
    println!();
    Ok(())
}

fn title(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}

fn show(code: &str, value: impl Debug) {
    println!("  {code}\n    \x1b[32m{value:?}\x1b[0m");
}

fn complain<T>(code: &str, result: typedis::Result<T>) {
    match result {
        Ok(_) => println!("  {code}\n    no error"),
        Err(error) => println!("  {code}\n    \x1b[33m{error}\x1b[0m"),
    }
}
