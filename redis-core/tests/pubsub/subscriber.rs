//! One stream for many subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use typedis_core::pubsub::{Event, Lag, SourceKind};
use typedis_core::{Connection, ErrorKind};
use typedis_testkit::Server;

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
            let seen = within(5, reading).await.unwrap();
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
            let event = within(5, subscriber.next()).await.unwrap().unwrap();
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
        let error = within(5, adding).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        eventually(0, async || numsub(&asker, &name).await).await;
        assert!(subscriptions.sources().is_empty());
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
        within(5, subscriber.next()).await.unwrap().unwrap(),
        Event::Lagged(5)
    );
    for name in &names[5..] {
        let event = within(5, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().channel(), name.as_str());
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_restored_fails_alone() {
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
            match within(10, subscriber.next()).await.unwrap() {
                Ok(Event::Resubscribed) => resubscribed += 1,
                Err(error) => {
                    assert_eq!(error.server().unwrap().code(), "NOPERM");
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((refused, resubscribed), (1, 1));
        let error = within(5, alone.get::<String>()).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "NOPERM");
        assert!(alone.next().await.is_none());
        assert_eq!(subscriber.sources().len(), 1);
        publish(&asker, "a", "on it goes").await;
        let event = within(5, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().payload(), "on it goes");
        rule(&["allchannels"]).await;
        tokio::time::timeout(Duration::from_secs(5), subscriber.subscribe("b"))
            .await
            .unwrap()
            .unwrap();
    }
}
