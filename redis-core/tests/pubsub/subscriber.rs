//! One stream for many subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use typedis_core::pubsub::{Event, Lag, SourceKind};
use typedis_core::{Config, Connection, ErrorKind};
use typedis_testkit::fake::Fake;
use typedis_testkit::{Server, push};

use crate::fake::{greet, has_received};
use crate::support::{
    PROTOCOLS, asker, channels, config, eventually, everywhere, numsub, publish, within,
};

#[tokio::test]
async fn sources_come_and_go_while_it_is_read() {
    for (server, config, tag) in everywhere() {
        let name = |name: &str| format!("{tag}:merged:{name}");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        for lag in [Lag::DropOldest, Lag::Wait] {
            let mut subscriber = conn.subscriber().on_lag(lag).open();
            subscriber.subscribe([name("a"), name("b")]).await.unwrap();
            subscriber.psubscribe(name("p*")).await.unwrap();
            subscriber.subscribe(name("a")).await.unwrap();
            assert_eq!(subscriber.sources().len(), 3);
            let subscriptions = subscriber.subscriptions();
            let reading = tokio::spawn(async move {
                let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
                while let Some(event) = subscriber.next().await {
                    let message = event.unwrap().into_message().unwrap();
                    if message.payload() == "stop" {
                        break;
                    }
                    if message.source().kind() == SourceKind::Pattern {
                        assert!(message.source().name().ends_with("p*"));
                    }
                    let numbers = seen.entry(message.channel().into_owned()).or_default();
                    numbers.push(message.decode().unwrap());
                }
                seen
            });
            for (channel, readers) in [("a", 1), ("b", 1), ("p1", 1), ("c", 0)] {
                assert_eq!(publish(&asker, &name(channel), "1").await, readers);
            }
            subscriptions.subscribe(name("c")).await.unwrap();
            subscriptions.unsubscribe([name("b"), name("unknown")]);
            eventually(0, async || numsub(&asker, &name("b")).await).await;
            for channel in ["a", "b", "p2", "c"] {
                publish(&asker, &name(channel), "2").await;
            }
            publish(&asker, &name("a"), "stop").await;
            let seen = within(20, reading).await.unwrap();
            let expected = [
                ("a", vec![1, 2]),
                ("b", vec![1]),
                ("c", vec![2]),
                ("p1", vec![1]),
                ("p2", vec![2]),
            ];
            let expected = expected.map(|(channel, numbers)| (name(channel), numbers));
            assert_eq!(seen, BTreeMap::from(expected), "{tag} {lag:?}");
            // The reader is gone, and with it everything.
            for channel in ["a", "c"] {
                eventually(0, async || numsub(&asker, &name(channel)).await).await;
            }
            let error = subscriptions.subscribe(name("d")).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn tens_of_thousands_of_sources_are_one_stream() {
    const COUNT: usize = 20_000;
    let server = Server::start(typedis_testkit::ServerKind::Valkey9).unwrap();
    let asker = asker(&server).await;
    for protocol in PROTOCOLS {
        let conn = Connection::open(config(&server, protocol)).await.unwrap();
        let names: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
        let mut subscriber = conn.subscriber().open();
        within(60, subscriber.subscribe(&names)).await.unwrap();
        // Those that are there already are not there twice.
        within(60, subscriber.subscribe(&names)).await.unwrap();
        assert_eq!(subscriber.sources().len(), COUNT);
        for name in [&names[0], &names[COUNT - 1]] {
            assert_eq!(publish(&asker, name, "hi").await, 1);
            let event = within(20, subscriber.next()).await.unwrap().unwrap();
            assert_eq!(event.into_message().unwrap().channel(), name.as_str());
        }
        subscriber.unsubscribe(&names[1..]);
        assert_eq!(subscriber.sources().len(), 1);
        eventually(1, async || channels(&asker, "*").await.len()).await;
        drop(subscriber);
        eventually(0, async || channels(&asker, "*").await.len()).await;
    }
}

#[tokio::test]
async fn what_is_added_while_the_subscriber_goes_is_not_left_behind() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:goes");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let subscriber = conn.subscriber().open();
        let subscriptions = subscriber.subscriptions();
        let mut adding = std::pin::pin!(subscriptions.subscribe(&name));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(adding.as_mut().poll(&mut cx).is_pending());
        drop(subscriber);
        let error = within(20, adding).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        eventually(0, async || numsub(&asker, &name).await).await;
        assert!(subscriptions.sources().is_empty());
    }
}

#[tokio::test]
async fn subscribing_on_a_closed_connection_says_that_it_is_closed() {
    for (_, config, tag) in everywhere() {
        let conn = Connection::open(&config).await.unwrap();
        let subscriber = conn.subscriber().open();
        let name = format!("{tag}:closed");
        within(20, subscriber.subscribe(&name)).await.unwrap();
        let closed = within(20, conn.close().into_future()).await;
        assert!(closed.is_clean(), "{closed:?}");
        let other = format!("{tag}:later");
        let error = within(20, subscriber.subscribe(&other)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    }
}

#[tokio::test]
async fn a_stream_without_sources_ends_with_its_connection() {
    for (_, config, tag) in everywhere() {
        for lag in [Lag::DropOldest, Lag::Wait] {
            for had_sources in [false, true] {
                let conn = Connection::open(&config).await.unwrap();
                let mut subscriber = conn.subscriber().on_lag(lag).open();
                if had_sources {
                    let name = format!("{tag}:without");
                    within(20, subscriber.subscribe(&name)).await.unwrap();
                    subscriber.unsubscribe(&name);
                }
                assert!(subscriber.sources().is_empty());
                let (end, ()) = tokio::join!(within(20, subscriber.next()), async { conn.abort() });
                assert!(end.is_none(), "{tag} {lag:?}: {end:?}");
                let mut later = conn.subscriber().on_lag(lag).open();
                assert!(within(20, later.next()).await.is_none());
            }
            let conn = Connection::open(&config).await.unwrap();
            let mut subscriber = conn.subscriber().on_lag(lag).open();
            let closed = within(20, conn.close().into_future()).await;
            assert!(closed.is_clean(), "{closed:?}");
            assert!(within(20, subscriber.next()).await.is_none());
        }
    }
}

#[tokio::test]
async fn all_sources_share_one_capacity() {
    let (_, config, tag) = everywhere().next().unwrap();
    let names: Vec<String> = (0..10).map(|n| format!("{tag}:capacity:{n}")).collect();
    let conn = Connection::open(&config).await.unwrap();
    let mut subscriber = conn.subscriber().capacity_messages(5).open();
    subscriber.subscribe(&names).await.unwrap();
    // What has come to one has come to the other.
    let last = conn.subscribe(&names[9]).await.unwrap();
    for name in &names {
        publish(&conn, name, "x").await;
    }
    eventually(1, async || last.buffered()).await;
    assert_eq!(subscriber.buffered(), 5);
    assert_eq!(
        within(20, subscriber.next()).await.unwrap().unwrap(),
        Event::Lagged(5)
    );
    for name in &names[5..] {
        let event = within(20, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().channel(), name.as_str());
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_restored_is_asked_for_until_it_can() {
    for protocol in PROTOCOLS {
        let server = Server::start(typedis_testkit::ServerKind::Valkey9).unwrap();
        let asker = asker(&server).await;
        let rule = async |rule: &[&str]| {
            let set = typedis_core::raw("ACL SETUSER").arg("reader").args(rule);
            typedis_core::Run::run(&asker, set.reply::<()>())
                .await
                .unwrap();
        };
        rule(&["on", ">pw", "+@all", "allchannels"]).await;
        let conn = Connection::open(config(&server, protocol).credentials("reader", "pw"))
            .await
            .unwrap();
        let mut subscriber = conn.subscriber().open();
        subscriber.subscribe(["a", "b"]).await.unwrap();
        let mut alone = conn.subscribe("b").await.unwrap();
        // The server cuts off who is subscribed to what it may not be.
        rule(&["resetchannels", "&a"]).await;
        let mut refused = 0;
        let mut resubscribed = 0;
        while refused + resubscribed < 2 {
            match within(20, subscriber.next()).await.unwrap() {
                Ok(Event::Resubscribed) => resubscribed += 1,
                Ok(Event::Interrupted(interruption)) => {
                    assert_eq!(interruption.source().name(), "b");
                    assert_eq!(interruption.refusal().code(), "NOPERM");
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((refused, resubscribed), (1, 1));
        let error = within(20, alone.get::<String>()).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "NOPERM");
        assert_eq!(subscriber.sources().len(), 2, "both are wanted");
        // Who subscribes for the first time is told at once.
        let error = within(20, conn.subscribe("b")).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "NOPERM");
        publish(&asker, "a", "on it goes").await;
        let event = within(20, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().payload(), "on it goes");
        rule(&["allchannels"]).await;
        let event = within(20, alone.next()).await.unwrap().unwrap();
        assert_eq!(event, Event::Resubscribed);
        let event = within(20, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event, Event::Resubscribed);
        publish(&asker, "b", "all is well").await;
        let text: Option<String> = within(20, alone.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("all is well"));
        let event = within(20, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().payload(), "all is well");
    }
}

/// Since Redis 8.10 a server over its maxmemory refuses subscriptions, just when it has the most to do.
#[tokio::test]
async fn subscriptions_are_restored_once_the_server_has_memory_again() {
    use typedis_core::Run as _;
    use typedis_testkit::ServerKind;

    match Server::start(ServerKind::Redis8_10) {
        Err(error) if error.is_unavailable() => eprintln!("skipped: {error}"),
        server => {
            let server = server.unwrap();
            for protocol in PROTOCOLS {
                out_of_memory(&server, protocol).await;
            }
        }
    }

    async fn out_of_memory(server: &Server, protocol: typedis_core::Protocol) {
        let asker = asker(server).await;
        let command = async |words: &[&str]| {
            let command = typedis_core::raw(words[0]).args(&words[1..]);
            asker
                .run(command.reply::<typedis_core::Value>())
                .await
                .unwrap();
        };
        let conn = Connection::open(config(server, protocol)).await.unwrap();
        let mut channel = conn.subscribe("news").await.unwrap();
        let mut patterns = conn.psubscribe("n*").await.unwrap();
        command(&["CONFIG SET", "maxmemory", "1"]).await;
        command(&["CLIENT KILL", "TYPE", "pubsub"]).await;
        let event = within(20, channel.next()).await.unwrap().unwrap();
        let Event::Interrupted(why) = event else {
            panic!("{event:?}");
        };
        assert_eq!(why.refusal().code(), "OOM");
        let error = within(20, patterns.get::<String>()).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "OOM");
        let error = within(20, conn.subscribe("other")).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "OOM");
        command(&["CONFIG SET", "maxmemory", "0"]).await;
        let event = within(20, channel.next()).await.unwrap().unwrap();
        assert_eq!(event, Event::Resubscribed);
        let event = within(20, patterns.next()).await.unwrap().unwrap();
        assert_eq!(event, Event::Resubscribed);
        publish(&asker, "news", "back").await;
        let text: Option<String> = within(20, channel.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("back"));
    }
}

#[tokio::test]
async fn messages_are_read_as_values_with_the_names_of_their_channels() {
    for (server, config, tag) in everywhere() {
        let name = |name: &str| format!("{tag}:values:{name}");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let mut subscriber = conn.subscriber().open();
        subscriber.subscribe(name("a")).await.unwrap();
        subscriber.psubscribe(name("p*")).await.unwrap();
        for (channel, text) in [("a", "1"), ("p1", "2"), ("a", "x"), ("a", "three")] {
            publish(&asker, &name(channel), text).await;
        }
        eventually(4, async || subscriber.buffered()).await;
        assert!(subscriber.buffered_bytes() > 4 && subscriber.is_active());
        let first = subscriber.get::<i64>().await.unwrap();
        assert_eq!(first, Some((name("a"), 1)), "{tag}");
        let mut numbers = subscriber.iter::<i64>();
        let second = numbers.next().await.unwrap();
        assert_eq!(second.unwrap(), (name("p1"), 2), "{tag}");
        let error = numbers.next().await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
        let last = subscriber.get::<String>().await.unwrap();
        assert_eq!(last, Some((name("a"), "three".to_owned())), "{tag}");
        assert!(within(20, async { conn.close().await }).await.is_clean());
        let end = within(20, subscriber.get::<i64>()).await;
        assert_eq!(end.unwrap(), None, "{tag}");
        assert!(!subscriber.is_active());
    }
}

/// A server that never confirms the channel `silent`.
async fn half_silent() -> Fake {
    Fake::start(|mut peer| async move {
        let mut next = greet(&mut peer).await?;
        while let Some(command) = next {
            match (command.name().as_str(), command.text(1).as_str()) {
                (_, "silent") => {}
                ("SUBSCRIBE", name) => peer.send(push!["subscribe", name, 1]).await?,
                _ => peer.send("+PONG\r\n").await?,
            }
            next = peer.command().await?;
        }
        Ok(())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_call_waits_only_for_those_that_add_the_same() {
    let fake = half_silent().await;
    let conn = Connection::open(fake.url()).await.unwrap();
    let subscriber = conn.subscriber().open();
    let silent = tokio::spawn({
        let subscriptions = subscriber.subscriptions();
        async move { subscriptions.subscribe(["silent", "a"]).await }
    });
    has_received(&fake, "SUBSCRIBE").await;
    within(20, subscriber.subscribe("b")).await.unwrap();
    let same = tokio::spawn({
        let subscriptions = subscriber.subscriptions();
        async move { subscriptions.subscribe(["a", "c"]).await }
    });
    within(20, subscriber.subscribe("d")).await.unwrap();
    assert!(!silent.is_finished() && !same.is_finished());
    // Who gives up makes room for the others.
    silent.abort();
    within(20, same).await.unwrap().unwrap();
    let names = subscriber.sources();
    let names: BTreeSet<String> = names
        .iter()
        .map(|source| source.name().into_owned())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d"].map(str::to_owned).into());
}

/// Each within its own time, and not one after another.
#[tokio::test]
async fn calls_that_add_the_same_fail_at_their_deadlines() {
    const MINUTE: Duration = Duration::from_secs(60);
    let fake = half_silent().await;
    let config = Config::from_url(&fake.url()).unwrap().liveness(None);
    let conn = Connection::open(config.command_timeout(MINUTE))
        .await
        .unwrap();
    let subscriber = conn.subscriber().open();
    let calls = [(); 3].map(|()| {
        let subscriptions = subscriber.subscriptions();
        tokio::spawn(async move { subscriptions.subscribe("silent").await })
    });
    has_received(&fake, "SUBSCRIBE").await;
    tokio::time::pause();
    let begin = Instant::now();
    for call in calls {
        let error = within(300, call).await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
    assert!(begin.elapsed() <= MINUTE, "{:?}", begin.elapsed());
}
