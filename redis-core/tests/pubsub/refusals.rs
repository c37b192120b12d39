//! What a server refuses for now, or refuses to restore: it is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use typedis_core::pubsub::Event;
use typedis_core::{Config, Connection, Error, Obstacle, Result, Run, raw};
use typedis_testkit::fake::{Fake, Words};
use typedis_testkit::push;

use crate::fake::{greet, message};
use crate::support::{eventually, within};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_refusal_that_passes_is_tried_again() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        for _ in 0..2 {
            peer.send("-BUSY running a script\r\n").await?;
            peer.expect(&["SUBSCRIBE", "a"]).await?;
        }
        peer.send(push!["subscribe", "a", 1]).await?;
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    within(5, conn.subscribe("a")).await.unwrap();
    fake.finish().await.unwrap();
}

#[tokio::test]
async fn an_end_that_is_refused_for_now_is_asked_for_again() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        peer.send(push!["subscribe", "a", 1]).await?;
        peer.expect(&["SSUBSCRIBE", "a"]).await?;
        peer.send(push!["ssubscribe", "a", 1]).await?;
        peer.expect(&["UNSUBSCRIBE", "a"]).await?;
        peer.send("-BUSY running a script\r\n").await?;
        peer.expect(&["UNSUBSCRIBE", "a"]).await?;
        peer.send(push!["unsubscribe", "a", 1]).await?;
        peer.expect(&["SUNSUBSCRIBE", "a"]).await?;
        peer.expect(&["PING"]).await?;
        peer.send("-BUSY running a script\r\n").await?;
        peer.send("-BUSY running a script\r\n").await?;
        peer.expect(&["SUNSUBSCRIBE", "a"]).await?;
        peer.expect(&["PING"]).await?;
        peer.send(push!["sunsubscribe", "a", 0]).await?;
        peer.send("+PONG\r\n").await?;
        peer.expect(&["ECHO", "1"]).await?;
        peer.send(":1\r\n").await?;
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let plain = within(5, conn.subscribe("a")).await.unwrap();
    let shard = within(5, conn.ssubscribe("a")).await.unwrap();
    let ended = |name: &'static str| {
        fake.received(0)
            .iter()
            .filter(|words| words.name() == name)
            .count()
    };
    drop(plain);
    eventually(2, async || ended("UNSUBSCRIBE")).await;
    drop(shard);
    eventually(2, async || ended("SUNSUBSCRIBE")).await;
    let echo = conn.run(raw("ECHO").arg(1).reply::<i64>());
    assert_eq!(within(5, echo).await.unwrap(), 1);
    fake.finish().await.unwrap();
}

/// A server that confirms the first subscription, closes the socket, refuses the next two, and confirms the fourth.
async fn refusing_to_restore(refusal: &'static str) -> Fake {
    let asked = Arc::new(AtomicUsize::new(0));
    Fake::start(move |mut peer| {
        let asked = asked.clone();
        async move {
            let mut next = greet(&mut peer).await?;
            while let Some(command) = next {
                assert_eq!(command, ["SUBSCRIBE", "a"]);
                match asked.fetch_add(1, Ordering::Relaxed) {
                    0 => {
                        peer.send(push!["subscribe", "a", 1]).await?;
                        return Ok(());
                    }
                    1 | 2 => peer.send(format!("-{refusal}\r\n")).await?,
                    _ => {
                        peer.send(push!["subscribe", "a", 1]).await?;
                        peer.send(message()).await?;
                    }
                }
                next = peer.command().await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

/// Whatever the reason: it stays wanted, and its reader is told once.
#[tokio::test]
async fn a_subscription_that_is_not_restored_is_asked_for_until_it_is() {
    for refusal in [
        "LOADING Redis is loading the dataset in memory",
        "NOPERM No permissions to access a channel",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "ERR something else",
    ] {
        let fake = refusing_to_restore(refusal).await;
        let conn = Connection::open(fake.url()).await.unwrap();
        let mut channel = within(5, conn.subscribe("a")).await.unwrap();
        let event = within(5, channel.next()).await.unwrap().unwrap();
        let Event::Interrupted(why) = event else {
            panic!("{refusal}: {event:?}")
        };
        assert_eq!(why.refusal().to_string(), refusal);
        let event = within(20, channel.next()).await.unwrap().unwrap();
        assert_eq!(event, Event::Resubscribed, "{refusal}");
        let text: Option<String> = within(5, channel.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("hi"));
        let subscribed = |words: &Words| words.name() == "SUBSCRIBE";
        let received = fake.received(1);
        assert_eq!(received.into_iter().filter(subscribed).count(), 3);
        fake.finish().await.unwrap();
    }
}

/// A server that has a reason to refuse every subscription, and goes on having it.
async fn busy() -> Fake {
    Fake::start(|mut peer| async move {
        let mut next = greet(&mut peer).await?;
        while next.is_some() {
            peer.send("-BUSY running a script\r\n").await?;
            next = peer.command().await?;
        }
        Ok(())
    })
    .await
    .unwrap()
}

/// Waits until a server has been asked again, lets a minute pass, and gives the error of the call.
async fn error_after_a_minute(fake: &Fake, call: JoinHandle<Result<()>>) -> Error {
    eventually(true, async || {
        fake.received(0).iter().filter(is_join).count() > 1
    })
    .await;
    tokio::time::pause();
    tokio::time::advance(2 * MINUTE).await;
    within(300, call).await.unwrap().unwrap_err()
}

fn is_join(words: &&Words) -> bool {
    words.name() == "SUBSCRIBE"
}

#[tokio::test]
async fn the_end_of_the_deadline_names_a_refusal_that_has_not_passed() {
    for way in 0..2 {
        let fake = busy().await;
        let config = Config::from_url(&fake.url()).unwrap().liveness(None);
        let conn = Connection::open(config.command_timeout(MINUTE))
            .await
            .unwrap();
        let subscriber = conn.subscriber().open();
        let subscriptions = subscriber.subscriptions();
        let call = tokio::spawn(async move {
            match way {
                0 => conn.subscribe("a").await.map(drop),
                _ => subscriptions.subscribe("a").await,
            }
        });
        let error = error_after_a_minute(&fake, call).await;
        assert!(error.is_timeout(), "{error}");
        assert!(
            error.to_string().contains("BUSY running a script"),
            "{error}"
        );
        let Some(Obstacle::Refused(refusal)) = error.obstacle() else {
            panic!("{error:?}")
        };
        assert_eq!(refusal.code(), "BUSY");
        tokio::time::resume();
    }
}
