//! Hashes that all have the same fields, on handles that others share.

use std::collections::BTreeMap;

use typedis::prelude::*;
use typedis::{FieldSet, Protocol};
use typedis_testkit::{ServerKind, servers};

use crate::support::{Bench, soon};

const PROTOCOLS: [Protocol; 2] = [Protocol::Resp2, Protocol::Newest];

fn is_here() -> bool {
    match servers::find(ServerKind::Redis8_10) {
        Err(error) if error.is_unavailable() => {
            eprintln!("skipped: {error}");
            false
        }
        found => found.is_ok(),
    }
}

async fn read(conn: &Connection, key: &str) -> BTreeMap<String, String> {
    conn.hgetall(key).await.expect("it is a hash")
}

fn hash<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pairs.into()
}

#[tokio::test]
async fn fields_are_prepared_again_wherever_they_are_missing() -> typedis::Result<()> {
    if !is_here() {
        return Ok(());
    }
    for protocol in PROTOCOLS {
        let bench = Bench::new(ServerKind::Redis8_10, protocol);
        let (conn, pool) = (bench.connect().await, bench.pool().await);
        let people = FieldSet::new(["name", "age"]);
        let places = FieldSet::new(["name", "size"]);
        // Many at once, on one socket.
        let (one, two) = (conn.clone(), conn.clone());
        let (first, second, third) = tokio::join!(
            people.import(&one, "user:1", ("Ann", 30)),
            places.import(&two, "town:1", ("Ulm", 5)),
            people.import(&pool, "user:2", ("Bob", 31)),
        );
        first.and(second).and(third)?;
        assert_eq!(
            read(&conn, "user:1").await,
            hash([("name", "Ann"), ("age", "30")])
        );
        assert_eq!(
            read(&conn, "town:1").await,
            hash([("name", "Ulm"), ("size", "5")])
        );
        assert_eq!(
            read(&conn, "user:2").await,
            hash([("name", "Bob"), ("age", "31")])
        );
        // A new socket knows nothing of it.
        let id: i64 = conn.run(raw("CLIENT ID").reply()).await?;
        pool.client_kill(typedis::args::ClientFilter::id(id))
            .await?;
        soon(async { while people.import(&conn, "user:1", ("Eve", 32)).await.is_err() {} }).await;
        assert_eq!(
            read(&conn, "user:1").await,
            hash([("name", "Eve"), ("age", "32")])
        );
        // A pipeline brings its fields along.
        let ((), (), ()) = conn
            .pipeline()
            .run(people.prepare())
            .run(people.set("user:3", ("Kim", 33)))
            .run(people.set("user:4", ("Lou", 34)))
            .await?;
        assert_eq!(
            read(&conn, "user:4").await,
            hash([("name", "Lou"), ("age", "34")])
        );
        let few = people
            .import(&conn, "user:5", ["Max"])
            .await
            .expect_err("one is missing");
        assert!(few.to_string().contains("value count"), "{few}");
        conn.set("text", "x").await?;
        let other = people
            .import(&conn, "text", ("Max", 1))
            .await
            .expect_err("it is no hash");
        assert_eq!(other.server().map(|error| error.code()), Some("WRONGTYPE"));
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_it_is_named() {
    let conn = Bench::new(ServerKind::default(), Protocol::Newest)
        .connect()
        .await;
    let fields = FieldSet::new(["name"]);
    let error = fields
        .import(&conn, "key", ["x"])
        .await
        .expect_err("Valkey has no HIMPORT");
    let text = error.to_string();
    assert!(
        text.contains("HIMPORT SET needs Redis 8.10; this server is Valkey"),
        "{text}"
    );
}
