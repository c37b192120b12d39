//! What no real server can be made to say: pushes that mean nothing, at every place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::pubsub::{Event, Invalidation};
use typedis_core::{Connection, ErrorKind, Exclusive, Phase, Protocol, Run, Value, raw};
use typedis_testkit::fake::{Fake, Peer};
use typedis_testkit::resp::Resp;
use typedis_testkit::{array, push};

use crate::support::{eventually, within};

/// Pushes that are unknown, malformed, or concern nobody.
fn odd() -> String {
    let moving = Resp::map(&[(Resp::status("a"), array![Resp::null()])]);
    [
        push![],
        push![Resp::null()],
        push![5],
        push!["message"],
        push!["message", "a"],
        push!["message", "a", 5],
        push!["message", array![], "x"],
        push!["message", "z", "x"],
        push!["pmessage", "a", "x"],
        push!["subscribe"],
        push!["invalidate", 1],
        push!["invalidate", array![array![]]],
        push!["MOVING", 1, 2, moving],
        push![Resp::status("server-cpu-usage"), 42],
    ]
    .map(|push| push.to_string())
    .concat()
}

/// A message to the channel `a`.
pub(crate) fn message() -> Resp {
    push!["message", "a", "hi"]
}

/// Waits for a command of the first client.
pub(crate) async fn has_received(fake: &Fake, name: &str) {
    eventually(true, async || {
        fake.received(0).iter().any(|words| words.name() == name)
    })
    .await;
}

/// Greets a client and gives its first command that is no part of the greeting.
pub(crate) async fn greet(
    peer: &mut Peer,
) -> std::io::Result<Option<typedis_testkit::fake::Words>> {
    while let Some(command) = peer.command().await? {
        match command.name().as_str() {
            "HELLO" => peer.send(Resp::map(&[("proto".into(), 3.into())])).await?,
            "CLIENT" => peer.send("+OK\r\n").await?,
            _ => return Ok(Some(command)),
        }
    }
    Ok(None)
}

#[tokio::test]
async fn odd_pushes_shift_no_reply_and_end_no_stream() {
    let fake = Fake::start(move |mut peer| {
        let (odd, message) = (odd(), message());
        async move {
            let Some(first) = greet(&mut peer).await? else {
                return Ok(());
            };
            assert_eq!(first, ["SUBSCRIBE", "a"]);
            let confirmation = push!["subscribe", "a", 1];
            peer.send(format!("{odd}{confirmation}{odd}")).await?;
            while let Some(command) = peer.command().await? {
                let echo = Resp::from(command.text(1).as_str());
                peer.send(format!("{odd}{message}{odd}{echo}{odd}")).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let mut channel = within(5, conn.subscribe("a")).await.unwrap();
    for n in 0..200 {
        let (one, two) = tokio::join!(
            conn.run(raw("ECHO").arg(n).reply::<i64>()),
            conn.run(raw("ECHO").arg(n + 1_000).reply::<i64>())
        );
        assert_eq!((one.unwrap(), two.unwrap()), (n, n + 1_000));
    }
    for _ in 0..400 {
        let Some(Ok(Event::Message(message))) = within(5, channel.next()).await else {
            panic!("the stream ended");
        };
        assert_eq!(message.payload(), "hi");
    }
    assert_eq!(channel.buffered(), 0);
    assert_eq!(fake.connections(), 1);
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn pushes_within_replies_reach_their_channel() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        let message = message();
        peer.send(push!["subscribe", "a", 1]).await?;
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                // The number of elements does not count pushes between them.
                "LIST" => peer.send(format!("*2\r\n:1\r\n{message}:2\r\n")).await?,
                "NESTED" => {
                    peer.send(format!("*2\r\n*1\r\n{message}:1\r\n{message}:2\r\n"))
                        .await?
                }
                _ => peer.send(":3\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let mut channel = within(5, conn.subscribe("a")).await.unwrap();
    let replies = conn.pipeline_each(["LIST", "NESTED", "OTHER"], |pipeline, name| {
        pipeline.run(raw(name).reply::<Value>())
    });
    let replies: Vec<Value> = replies.await.unwrap();
    let number = Value::Integer;
    assert_eq!(
        replies,
        [
            Value::Array(vec![number(1), number(2)]),
            Value::Array(vec![Value::Array(vec![number(1)]), number(2)]),
            number(3)
        ]
    );
    for _ in 0..3 {
        let text: Option<String> = within(5, channel.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("hi"));
    }
    assert_eq!(channel.buffered(), 0);
}

/// Seed 3900 of the simulation: a server that loads its data ends subscriptions, but refuses a PING.
#[tokio::test]
async fn a_ping_that_is_refused_after_the_end_of_a_subscription_takes_no_reply_of_others() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["ssubscribe", "a", 1]).await?;
        peer.expect(&["SUNSUBSCRIBE", "a"]).await?;
        peer.expect(&["PING"]).await?;
        peer.send(push!["sunsubscribe", "a", 0]).await?;
        peer.send("-LOADING Redis is loading the dataset in memory\r\n")
            .await?;
        for number in ["1", "2"] {
            peer.expect(&["ECHO", number]).await?;
            peer.send(&format!(":{number}\r\n")).await?;
        }
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    drop(within(5, conn.ssubscribe("a")).await.unwrap());
    has_received(&fake, "PING").await;
    for number in [1, 2] {
        let echo = raw("ECHO").arg(number).reply::<i64>();
        assert_eq!(within(5, conn.run(echo)).await.unwrap(), number);
    }
}

#[tokio::test]
async fn a_subscription_that_the_server_ends_is_made_again() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["ssubscribe", "a", 1]).await?;
        peer.send(push!["sunsubscribe", "a", 0]).await?;
        peer.expect(&["SSUBSCRIBE", "a"]).await?;
        peer.send(push!["ssubscribe", "a", 1]).await?;
        peer.send(push!["smessage", "a", "hi"]).await?;
        // The slot moves while the client leaves: an end that is no answer, and an error that is one.
        peer.expect(&["SUNSUBSCRIBE", "a"]).await?;
        peer.expect(&["PING"]).await?;
        peer.send(push!["sunsubscribe", "a", 0]).await?;
        peer.send("-MOVED 1 127.0.0.1:1\r\n").await?;
        // The command that stands behind both is there before the second answer.
        peer.expect(&["ECHO", "1"]).await?;
        peer.send("+PONG\r\n").await?;
        peer.send(":1\r\n").await?;
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let mut channel = within(5, conn.ssubscribe("a")).await.unwrap();
    assert_eq!(
        within(5, channel.next()).await.unwrap().unwrap(),
        Event::Resubscribed
    );
    let text: Option<String> = within(5, channel.get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("hi"));
    drop(channel);
    has_received(&fake, "PING").await;
    let echo = conn.run(raw("ECHO").arg(1).reply::<i64>());
    assert_eq!(within(5, echo).await.unwrap(), 1);
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn no_confirmation_is_a_timeout() {
    let given_up = Arc::new(Notify::new());
    let told = given_up.clone();
    let fake = Fake::start(move |mut peer| {
        let told = told.clone();
        async move {
            greet(&mut peer).await?;
            // Silence; then the end of what was given up.
            told.notified().await;
            peer.send(push!["subscribe", "a", 1]).await?;
            peer.expect(&["UNSUBSCRIBE", "a"]).await?;
            peer.send(push!["unsubscribe", "a", 0]).await?;
            peer.expect(&["ECHO", "1"]).await?;
            peer.send(":1\r\n").await?;
            peer.command().await?;
            Ok(())
        }
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let subscribe = conn.subscribe("a").deadline(Duration::from_millis(100));
    let error = within(5, subscribe).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    given_up.notify_one();
    has_received(&fake, "UNSUBSCRIBE").await;
    let echo = conn.run(raw("ECHO").arg(1).reply::<i64>());
    assert_eq!(within(5, echo).await.unwrap(), 1);
    fake.finish().await.unwrap();
}

/// A lag without end would look like a node that fails: a cluster would ask for its map again and again.
#[tokio::test]
async fn a_server_that_has_answered_all_subscriptions_owes_nothing() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["subscribe", "a", 1]).await?;
        peer.expect(&["SUBSCRIBE", "b"]).await?;
        peer.send("-NOPERM no permissions to access a channel\r\n")
            .await?;
        peer.expect(&["SSUBSCRIBE", "c"]).await?;
        peer.send(push!["ssubscribe", "c", 1]).await?;
        peer.expect(&["SUNSUBSCRIBE", "c"]).await?;
        peer.expect(&["PING"]).await?;
        peer.send(push!["sunsubscribe", "c", 0]).await?;
        peer.send("+PONG\r\n").await?;
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let _channel = within(5, conn.subscribe("a")).await.unwrap();
    assert_eq!(conn.stats().owed_for, Duration::ZERO);
    within(5, conn.subscribe("b")).await.unwrap_err();
    assert_eq!(conn.stats().owed_for, Duration::ZERO);
    let shard = within(5, conn.ssubscribe("c")).await.unwrap();
    assert_eq!(conn.stats().owed_for, Duration::ZERO);
    drop(shard);
    has_received(&fake, "PING").await;
    eventually(Duration::ZERO, async || conn.stats().owed_for).await;
    fake.finish().await.unwrap();
}

/// Subscribes, closes the connection once the fake has received this command, and gives the phase of the error.
async fn phase_at_the_end(fake: &Fake, last: &str) -> Phase {
    let conn = Connection::lazy(fake.url()).unwrap();
    let subscribe = conn.subscribe("a");
    let (outcome, ()) = tokio::join!(within(5, subscribe), async {
        has_received(fake, last).await;
        conn.abort();
    });
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    error.phase()
}

#[tokio::test]
async fn a_subscription_that_the_server_may_have_made_is_not_called_unsent() {
    let silent = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        // No confirmation.
        peer.command().await?;
        Ok(())
    });
    let silent = silent.await.unwrap();
    let phase = phase_at_the_end(&silent, "SUBSCRIBE").await;
    assert_eq!(phase, Phase::MaybeApplied);
    let unfriendly = Fake::start(|mut peer| async move {
        // No greeting.
        while peer.command().await?.is_some() {}
        Ok(())
    });
    let unfriendly = unfriendly.await.unwrap();
    let phase = phase_at_the_end(&unfriendly, "HELLO").await;
    assert_eq!(phase, Phase::NotSent);
}

#[tokio::test]
async fn what_was_asked_on_a_lost_socket_is_not_called_unsent_either() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number() == 0 {
            // It ends here, with the command.
            greet(&mut peer).await?;
            return Ok(());
        }
        while peer.command().await?.is_some() {}
        Ok(())
    });
    let fake = fake.await.unwrap();
    let conn = Connection::lazy(fake.url()).unwrap();
    let subscribe = conn.subscribe("a");
    let (outcome, ()) = tokio::join!(within(5, subscribe), async {
        eventually(true, async || !fake.received(1).is_empty()).await;
        conn.abort();
    });
    assert_eq!(outcome.unwrap_err().phase(), Phase::MaybeApplied);
}

#[tokio::test]
async fn what_was_asked_is_not_called_unsent_when_the_next_login_is_refused() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number() == 0 {
            greet(&mut peer).await?;
            return Ok(());
        }
        while peer.command().await?.is_some() {
            let text = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
            peer.send(text).await?;
        }
        Ok(())
    });
    let fake = fake.await.unwrap();
    let conn = Connection::lazy(fake.url()).unwrap();
    let error = within(5, conn.subscribe("a")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error}");
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
}

#[tokio::test]
async fn a_reply_in_place_of_a_confirmation_closes_the_socket() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        if peer.number() == 0 {
            peer.send("+OK\r\n").await?;
        } else {
            peer.send(push!["subscribe", "a", 1]).await?;
        }
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    within(5, conn.subscribe("a")).await.unwrap();
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn resp2_tells_messages_from_replies() {
    let fake = Fake::start(|mut peer| async move {
        let mut subscribed = false;
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                "SUBSCRIBE" => {
                    subscribed = true;
                    peer.send(array!["subscribe", "a", 1]).await?;
                    // Malformed, unknown to RESP2, and a good one.
                    peer.send(array!["message", "a"]).await?;
                    peer.send(array!["pmessage"]).await?;
                    peer.send(array!["message", "a", "hi"]).await?;
                }
                "PING" if subscribed => {
                    peer.send(array!["pong", ""]).await?;
                    peer.send(array!["message", "a", "hi"]).await?;
                }
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    let config = config
        .protocol(Protocol::Resp2)
        .liveness(Duration::from_millis(100));
    let conn = Connection::open(config).await.unwrap();
    let mut channel = within(5, conn.subscribe("a")).await.unwrap();
    for _ in 0..5 {
        let text: Option<String> = within(5, channel.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("hi"));
    }
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_socket_that_goes_silent_is_replaced() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["subscribe", "a", 1]).await?;
        if peer.number() == 0 {
            // No answer to PING.
            while peer.command().await?.is_some() {}
        }
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    let conn = Connection::open(config.liveness(Duration::from_millis(200)))
        .await
        .unwrap();
    let mut channel = within(5, conn.subscribe("a")).await.unwrap();
    assert_eq!(
        within(5, channel.next()).await.unwrap().unwrap(),
        Event::Resubscribed
    );
}

#[tokio::test]
async fn lost_invalidations_are_an_error_at_the_end() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["invalidate", array!["a", "b"]]).await?;
        peer.send(push!["invalidate", Resp::null()]).await?;
        peer.send("+OK\r\n").await?;
        peer.reset()
    })
    .await
    .unwrap();
    let exclusive = Exclusive::open(fake.url()).await.unwrap();
    let mut invalidations = exclusive.invalidations().unwrap();
    let _ = exclusive.run(raw("PING").reply::<String>()).await;
    let mut next = async || within(5, invalidations.next()).await;
    let keys = Invalidation::Keys(vec!["a".into(), "b".into()]);
    assert_eq!(next().await.unwrap().unwrap(), keys);
    assert_eq!(next().await.unwrap().unwrap(), Invalidation::All);
    let error = next().await.unwrap().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionLost(_)),
        "{error}"
    );
    assert!(next().await.is_none());
    assert!(exclusive.invalidations().is_err());
}
