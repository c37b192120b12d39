//! The tables of `docs/guide/mistakes.md`: what is written there is refused with the message that stands beside it. Those of the compiler are pinned in
//! `tests/ui`; the others are those of real servers.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;

use typedis::prelude::*;
use typedis_testkit::{ServerKind, database, shared_cluster};

const PAGE: &str = include_str!("../docs/guide/mistakes.md");

/// A row of a table: what is written, the message, what to write instead.
struct Row {
    written: &'static str,
    message: &'static str,
    instead: &'static str,
}

/// The rows of the table below a heading.
fn rows(heading: &str) -> Vec<Row> {
    let section = PAGE
        .split("\n## ")
        .find_map(|part| part.strip_prefix(heading));
    let lines = section.expect("the heading is there").lines();
    let rows = lines.filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|line| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let mut cell = || cells.next().expect("three cells");
        Row {
            written: code(cell()),
            message: code(cell()),
            instead: code(cell()),
        }
    })
    .collect()
}

/// The first code of a cell, between one or two backticks; the cell itself if it has none.
fn code(cell: &'static str) -> &'static str {
    let ticks = if cell.starts_with("``") { "``" } else { "`" };
    let mut parts = cell.split(ticks);
    match (parts.next(), parts.next()) {
        (Some(""), Some(code)) => code.trim(),
        _ => cell,
    }
}

/// Without what line breaks and indentation change.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_compiler_says_what_the_page_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let messages = path.with_extension("stderr");
        if path.extension().is_some_and(|extension| extension == "rs") {
            let read = |path: &Path| flat(&fs::read_to_string(path).expect("it can be read"));
            cases.push((read(&path), read(&messages)));
        }
    }
    let rows = rows("When it is compiled");
    assert!(rows.len() >= 30, "{}", rows.len());
    for row in rows {
        let Row {
            written,
            message,
            instead,
        } = row;
        let pinned = cases
            .iter()
            .any(|(code, said)| code.contains(written) && said.contains(message));
        assert!(
            pinned,
            "no case of tests/ui pins `{message}` for `{written}`"
        );
        assert!(
            flat(block()).contains(instead),
            "no code of the page has `{instead}`"
        );
    }
}

/// The code of the page, which the documentation tests compile.
fn block() -> &'static str {
    PAGE.split("```").nth(1).expect("there is one")
}

/// What a mistake gave, with names in place of what differs from run to run.
fn told<T>(result: typedis::Result<T>, server: &str) -> String {
    match result {
        Ok(_) => "it is not refused".to_owned(),
        Err(error) => error.to_string().replace(server, "HOST:PORT"),
    }
}

#[tokio::test]
async fn servers_say_what_the_page_shows() -> typedis::Result<()> {
    let database = database(ServerKind::Valkey9);
    let server = database.server().addr().to_string();
    let conn = typedis::connect(database.url()).await?;
    conn.set("name", "Ada").await?;
    conn.rpush("list", "a").await?;
    conn.hset("user:1", [("name", "Ada")]).await?;
    let space = tokio::task::spawn_blocking(|| shared_cluster(ServerKind::Valkey9))
        .await
        .expect("it does not panic");
    let cluster = typedis::cluster(space.cluster().url()).await?;
    let none: [&str; 0] = [];

    #[derive(Debug, FromRedis)]
    struct User {
        #[allow(dead_code)]
        age: u32,
    }
    let wrong_setting = format!("redis://{server}?comand_timeout=2s");
    let found = [
        (
            r#"typedis::connect("localhost:6379").await?"#,
            told(typedis::connect("localhost:6379").await, &server),
        ),
        (
            r#"typedis::connect("redis://HOST:PORT?comand_timeout=2s").await?"#,
            told(typedis::connect(wrong_setting.as_str()).await, &server),
        ),
        (
            r#"typedis::connect("redis://ada:secret@HOST:PORT").await?"#,
            told(
                typedis::connect(format!("redis://ada:secret@{server}").as_str()).await,
                &server,
            ),
        ),
        (
            r#"typedis::connect("redis://HOST:PORT/99999").await?"#,
            told(
                typedis::connect(format!("redis://{server}/99999").as_str()).await,
                &server,
            ),
        ),
        (
            r#"conn.incr("list").await?"#,
            told(conn.incr("list").await, &server),
        ),
        (
            r#"conn.incr("name").await?"#,
            told(conn.incr("name").await, &server),
        ),
        (
            r#"conn.get::<i64>("name").await?"#,
            told(conn.get::<i64>("name").await, &server),
        ),
        (
            r#"conn.hgetall::<User>("user:1").await?"#,
            told(conn.hgetall::<User>("user:1").await, &server),
        ),
        (
            r#"conn.set("k", f64::NAN).await?"#,
            told(conn.set("k", f64::NAN).await, &server),
        ),
        (
            "conn.mget::<String>(none).await?",
            told(conn.mget::<String>(none).await, &server),
        ),
        (
            r#"conn.pipeline().set("k", 1).incr("name").await?"#,
            told(conn.pipeline().set("k", 1).incr("name").await, &server),
        ),
        (
            r#"conn.run(raw("BLPOP").key("jobs").arg(0).reply::<Value>()).await?"#,
            told(
                conn.run(raw("BLPOP").key("jobs").arg(0).reply::<typedis::Value>())
                    .await,
                &server,
            ),
        ),
        (
            r#"conn.run(raw("SUBSCRIBE").arg("news").reply::<()>()).await?"#,
            told(
                conn.run(raw("SUBSCRIBE").arg("news").reply::<()>()).await,
                &server,
            ),
        ),
        (
            r#"cluster.rename("a", "b").await?"#,
            told(cluster.rename("a", "b").await, &server),
        ),
    ];
    let rows = rows("When it runs");
    let shown: Vec<(&str, String)> = rows
        .iter()
        .map(|row| (row.written, row.message.to_owned()))
        .collect();
    assert_eq!(shown, found);
    Ok(())
}
