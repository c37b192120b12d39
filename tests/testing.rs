//! The tests that docs/guide/testing.md shows, run as they stand there.

#![allow(clippy::expect_used, clippy::panic)]

mod a_real_server {
    use typedis::prelude::*;
    use typedis_testkit::{ServerKind, database};

    async fn greet(redis: &Connection, name: &str) -> typedis::Result<i64> {
        redis.hincrby("greetings", name, 1).await
    }

    #[tokio::test]
    async fn a_second_greeting_is_counted() -> typedis::Result<()> {
        let database = database(ServerKind::Valkey9);
        let redis = typedis::connect(database.url()).await?;
        greet(&redis, "ada").await?;
        assert_eq!(greet(&redis, "ada").await?, 2);
        Ok(())
    }
}

mod a_network_that_fails {
    use std::time::Duration;

    use typedis::Phase;
    use typedis::prelude::*;
    use typedis_testkit::proxy::{Cut, Proxy};
    use typedis_testkit::{ServerKind, database};

    #[tokio::test]
    async fn a_lost_reply_may_have_been_applied() -> Result<(), Box<dyn std::error::Error>> {
        let server = database(ServerKind::Valkey9).server();
        let proxy = Proxy::start(server.addr()).await?;
        let redis = typedis::connect(proxy.url()).await?;

        proxy.to_client().hold(); // commands arrive, replies do not come back
        let before = proxy.to_server().passed();
        let pending = redis.incr("n").send();
        let sent = async {
            while proxy.to_server().passed() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), sent).await?;
        proxy.cut_all(Cut::Reset);
        let error = pending.await.expect_err("the reply is lost");
        assert_eq!(error.phase(), Phase::MaybeApplied);

        proxy.to_client().resume();
        redis.ping().await?; // it has connected again
        Ok(())
    }
}

mod answers_that_no_server_gives {
    use typedis::prelude::*;
    use typedis::{Config, Protocol};
    use typedis_testkit::fake::Fake;

    #[tokio::test]
    async fn a_full_server_is_told_apart() -> Result<(), Box<dyn std::error::Error>> {
        let fake = Fake::answering(|command| match command.name().as_str() {
            "SET" => b"-OOM used memory > 'maxmemory'\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        })
        .await?;
        let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
        let redis = typedis::connect(config).await?;

        let error = redis.set("k", "v").await.expect_err("there is no room");
        assert_eq!(error.server().map(|refusal| refusal.code()), Some("OOM"));
        let received = fake.received(0);
        assert!(received.iter().any(|words| *words == ["SET", "k", "v"]));
        Ok(())
    }
}

/// The lines of a text without their margins.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_page_shows_these_tests() {
    let here = lines(include_str!("testing.rs"));
    let page = include_str!("../docs/guide/testing.md");
    let blocks = page.split("```rust\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let block = lines(block);
        let found = here.windows(block.len()).any(|part| part == block);
        assert!(found, "another text is in tests/testing.rs: {block:#?}");
    }
}
