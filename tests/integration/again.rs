//! What is sent again after a lost connection, and what is not.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use typedis::prelude::*;
use typedis::{Config, Phase, Protocol, Result};
use typedis_testkit::fake::Fake;

/// A server that carries out the first command behind the handshake and then loses the connection. On the next one, it says
/// that there is no such key.
async fn forgetful() -> std::io::Result<Fake> {
    Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            let reply: &[u8] = match command.name().as_str() {
                "CLIENT" | "HELLO" | "PING" => b"+OK\r\n",
                _ if peer.number() == 0 => return Ok(()),
                "GETEX" => b"$-1\r\n",
                "SET" => b"+OK\r\n",
                "HEXPIRE" | "HPEXPIRE" | "HEXPIREAT" | "HPEXPIREAT" => b"*1\r\n:-2\r\n",
                "HGETEX" => b"*1\r\n$-1\r\n",
                _ => b":0\r\n",
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// The outcome of a command on such a server, and how often it got it.
async fn on_forgetful(command: impl Fn(&Connection) -> Outcome<'_>) -> Result<(Result<()>, usize)> {
    let fake = forgetful().await.expect("a port is free");
    let config = Config::from_url(&fake.url())?.protocol(Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let outcome = command(&conn).await;
    let received = (0..fake.connections()).flat_map(|number| fake.received(number));
    let handshake = |name: &str| matches!(name, "CLIENT" | "HELLO" | "PING");
    let times = received.filter(|words| !handshake(&words.name())).count();
    Ok((outcome, times))
}

/// The same for several commands.
macro_rules! on_forgetful {
    ($conn:ident: $($command:expr;)*) => {
        [$((
            stringify!($command),
            on_forgetful(|$conn| Box::pin(async move { $command.await.map(drop) })).await?,
        )),*]
    };
}

#[tokio::test]
async fn a_time_at_which_the_key_is_deleted_is_sent_once() -> Result<()> {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let outcomes = on_forgetful! { conn:
        conn.expire("k", 0);
        conn.expire("k", -1);
        conn.pexpire("k", -1).xx();
        conn.expireat("k", past);
        conn.pexpireat("k", 1);
        conn.set("k", "v").exat(past);
        conn.set("k", "v").xx().exat(past);
        conn.msetex([("k", "v")]).exat(past);
        conn.hsetex("h", [("f", "v")]).exat(past);
        conn.hexpire("h", 0, ["f"]);
        conn.hpexpire("h", 0, ["f"]);
        conn.hexpireat("h", past, ["f"]);
        conn.hpexpireat("h", past, ["f"]);
    };
    assert_once(outcomes);
    Ok(())
}

#[tokio::test]
async fn a_json_path_that_searches_is_sent_once() -> Result<()> {
    let outcomes = on_forgetful! { conn:
        conn.json_set("k", r#"$.jobs[?(@.state=="new")].state"#, "\"done\"").xx();
        conn.json_set("k", "$..state", "\"done\"");
        conn.json_mset([("k", "$.jobs[?(@.n>1)].n", "0")]);
    };
    assert_once(outcomes);
    let outcomes = on_forgetful! { conn:
        conn.json_set("k", "$.jobs[0].state", "\"done\"").xx();
        conn.json_set("k", "$.jobs[*].state", "\"done\"");
    };
    assert_twice(outcomes);
    Ok(())
}

/// What it creates has the `null`s of the text, which the second run deletes: `module_replies` shows it.
#[tokio::test]
async fn a_json_merge_is_sent_once() -> Result<()> {
    let outcomes = on_forgetful! { conn:
        conn.json_merge("k", "$", "{\"n\":0}");
        conn.json_merge("k", "$.jobs[1]", "{\"n\":null}");
        conn.json_merge("k", "$.jobs[?(@.n>1)]", "{\"n\":0}");
    };
    assert_once(outcomes);
    Ok(())
}

fn assert_once(outcomes: impl IntoIterator<Item = (&'static str, (Result<()>, usize))>) {
    for (command, (outcome, times)) in outcomes {
        let error = outcome.expect_err(command);
        assert_eq!(error.phase(), Phase::MaybeApplied, "{command}: {error}");
        assert_eq!(times, 1, "{command}");
    }
}

fn assert_twice(outcomes: impl IntoIterator<Item = (&'static str, (Result<()>, usize))>) {
    for (command, (outcome, times)) in outcomes {
        outcome.unwrap_or_else(|error| panic!("{command}: {error}"));
        assert_eq!(times, 2, "{command}");
    }
}

#[tokio::test]
async fn a_value_that_is_read_with_a_new_time_to_live_is_read_once() -> Result<()> {
    let later = SystemTime::now() + Duration::from_secs(86_400);
    let outcomes = on_forgetful! { conn:
        conn.getex::<String>("k").ex(1);
        conn.getex::<String>("k").px(1);
        conn.getex::<String>("k").exat(later);
        conn.getex::<String>("k").pxat(later);
        conn.hgetex::<String>("h", ["f"]).ex(1);
        conn.hgetex::<String>("h", ["f"]).px(1);
        conn.hgetex::<String>("h", ["f"]).exat(later);
        conn.hgetex::<String>("h", ["f"]).pxat(later);
    };
    assert_once(outcomes);
    Ok(())
}

#[tokio::test]
async fn a_time_that_is_still_to_come_is_sent_again() -> Result<()> {
    let later = SystemTime::now() + Duration::from_secs(86_400);
    let outcomes = on_forgetful! { conn:
        conn.expire("k", 1);
        conn.pexpire("k", 1).xx();
        conn.expireat("k", later);
        conn.getex::<String>("k");
        conn.getex::<String>("k").remove_ttl();
        conn.set("k", "v").px(1);
        conn.set("k", "v").exat(later);
        conn.msetex([("k", "v")]).exat(later);
        conn.hexpire("h", 1, ["f"]);
        conn.hgetex::<String>("h", ["f"]);
        conn.hgetex::<String>("h", ["f"]).remove_ttl();
        conn.hsetex("h", [("f", "v")]).exat(later);
    };
    assert_twice(outcomes);
    Ok(())
}
