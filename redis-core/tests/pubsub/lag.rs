//! Slow readers: what each policy promises, to the message.

use typedis_core::pubsub::{Event, Lag};
use typedis_core::{Channel, Connection, ErrorKind, Run, raw};
use typedis_testkit::Server;

use crate::support::{
    KINDS, PROTOCOLS, asker, config, eventually, everywhere, numsub, publish, within,
};

const SENT: u64 = 5_000;

/// Publishes the numbers from 0 up to `count`.
async fn publish_numbers(conn: &Connection, name: &str, count: u64) {
    let commands = 0..count;
    let sent = conn
        .pipeline_each(commands, |pipeline, n| {
            pipeline.run(raw("PUBLISH").arg(name).arg(n).reply::<i64>())
        })
        .await
        .unwrap();
    assert!(sent.iter().all(|readers| *readers >= 1));
}

/// What a reader who comes late finds: how many were dropped, and the numbers after them.
async fn read_all(channel: &mut Channel) -> (u64, Vec<u64>) {
    let (mut lagged, mut numbers) = (0, Vec::new());
    while lagged + (numbers.len() as u64) < SENT {
        match within(20, channel.next()).await.unwrap().unwrap() {
            Event::Message(message) => numbers.push(message.decode().unwrap()),
            Event::Lagged(count) => {
                assert!(numbers.is_empty(), "the gap is where it was");
                lagged += count;
            }
            Event::Resubscribed => panic!("the connection was not lost"),
            event => panic!("{event:?}"),
        }
    }
    (lagged, numbers)
}

#[tokio::test]
async fn the_oldest_are_dropped_and_counted() {
    for (_, config, tag) in everywhere() {
        let name = format!("{tag}:drop");
        let conn = Connection::open(&config).await.unwrap();
        let mut by_count = conn.subscribe(&name).capacity_messages(100).await.unwrap();
        let mut by_bytes = conn.subscribe(&name).capacity_bytes(50_000).await.unwrap();
        let mut ample = conn.subscribe(&name).await.unwrap();
        publish_numbers(&conn, &name, SENT).await;
        eventually(SENT as usize, async || ample.buffered()).await;

        assert_eq!(by_count.buffered(), 100);
        let (lagged, numbers) = read_all(&mut by_count).await;
        assert_eq!(lagged, SENT - 100);
        assert_eq!(numbers, (SENT - 100..SENT).collect::<Vec<_>>());

        assert!(by_bytes.buffered_bytes() <= 50_000);
        let kept = by_bytes.buffered() as u64;
        assert!(kept > 100, "{kept}");
        let (lagged, numbers) = read_all(&mut by_bytes).await;
        assert_eq!(lagged, SENT - kept);
        assert_eq!(numbers, (SENT - kept..SENT).collect::<Vec<_>>());

        let (lagged, numbers) = read_all(&mut ample).await;
        assert_eq!((lagged, numbers), (0, (0..SENT).collect()));
    }
}

#[tokio::test]
async fn convenient_readers_are_told_too() {
    let (_, config, tag) = everywhere().next().unwrap();
    let name = format!("{tag}:told");
    let conn = Connection::open(&config).await.unwrap();
    let mut channel = conn.subscribe(&name).capacity_messages(2).await.unwrap();
    let ample = conn.subscribe(&name).await.unwrap();
    publish_numbers(&conn, &name, 5).await;
    eventually(5, async || ample.buffered()).await;
    let error = within(20, channel.get::<u64>()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Lagged(3)), "{error}");
    assert_eq!(within(20, channel.get::<u64>()).await.unwrap(), Some(3));
    assert_eq!(within(20, channel.get::<u64>()).await.unwrap(), Some(4));
}

#[tokio::test]
async fn a_message_larger_than_all_is_held_alone() {
    let (_, config, tag) = everywhere().next().unwrap();
    let name = format!("{tag}:alone");
    let conn = Connection::open(&config).await.unwrap();
    let mut channel = conn.subscribe(&name).capacity_bytes(1_000).await.unwrap();
    let ample = conn.subscribe(&name).await.unwrap();
    let large = "x".repeat(10_000);
    for message in ["1", "2", &large] {
        publish(&conn, &name, message).await;
    }
    eventually(3, async || ample.buffered()).await;
    assert_eq!(
        within(20, channel.next()).await.unwrap().unwrap(),
        Event::Lagged(2)
    );
    assert_eq!(
        within(20, channel.get::<String>()).await.unwrap(),
        Some(large)
    );
}

#[tokio::test]
async fn a_subscription_may_end_instead() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:ends");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let mut channel = conn
            .subscribe(&name)
            .capacity_messages(10)
            .on_lag(Lag::Close)
            .await
            .unwrap();
        for n in 0..11 {
            publish(&asker, &name, &n.to_string()).await;
        }
        eventually(0, async || numsub(&asker, &name).await).await;
        for n in 0..10 {
            assert_eq!(within(20, channel.get::<u64>()).await.unwrap(), Some(n));
        }
        let error = within(20, channel.get::<u64>()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TooSlow), "{error}");
        assert!(within(20, channel.next()).await.is_none());
        assert!(!channel.is_active());
    }
}

#[tokio::test]
async fn waiting_loses_nothing_and_stalls_nobody() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:waits");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let mut waiting = conn
            .subscribe(&name)
            .capacity_messages(10)
            .on_lag(Lag::Wait)
            .await
            .unwrap();
        let mut other = conn.subscribe(&name).await.unwrap();
        assert_eq!(numsub(&asker, &name).await, 2, "one socket each");
        publish_numbers(&asker, &name, SENT).await;
        // Neither commands nor others wait.
        for n in 0..100 {
            let echo = conn.run(raw("ECHO").arg(n).reply::<i64>());
            assert_eq!(within(20, echo).await.unwrap(), n);
        }
        eventually(SENT as usize, async || other.buffered()).await;
        eventually(10, async || waiting.buffered()).await;
        let all: Vec<u64> = (0..SENT).collect();
        assert_eq!(read_all(&mut waiting).await, (0, all.clone()));
        assert_eq!(read_all(&mut other).await, (0, all));
        drop(waiting);
        eventually(1, async || numsub(&asker, &name).await).await;
    }
}

#[tokio::test]
async fn a_reader_may_subscribe_to_more_although_there_is_no_room() {
    for (server, config, tag) in everywhere() {
        let (name, more) = (format!("{tag}:full"), format!("{tag}:more"));
        let asker = asker(server).await;
        let conn = Connection::open(config.command_timeout(None))
            .await
            .unwrap();
        let builder = conn.subscriber().capacity_messages(10);
        let mut subscriber = builder.on_lag(Lag::Wait).open();
        subscriber.subscribe(&name).await.unwrap();
        publish_numbers(&asker, &name, SENT).await;
        eventually(10, async || subscriber.buffered()).await;
        // The confirmation stands behind all of them.
        within(20, subscriber.subscribe(&more)).await.unwrap();
        publish(&asker, &more, "last").await;
        for n in 0..SENT {
            let event = within(20, subscriber.next()).await.unwrap().unwrap();
            let message = event.into_message().unwrap();
            assert_eq!(message.decode::<u64>().unwrap(), n);
        }
        let event = within(20, subscriber.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().payload(), "last");
    }
}

#[tokio::test]
async fn a_server_that_cannot_wait_any_longer_leaves_a_visible_gap() {
    for kind in KINDS {
        for protocol in PROTOCOLS {
            let limit = "client-output-buffer-limit pubsub 256kb 0 0";
            let server = Server::builder(kind).line(limit).start().unwrap();
            let asker = asker(&server).await;
            let conn = Connection::open(config(&server, protocol)).await.unwrap();
            let waiting = conn.subscribe("waits").capacity_messages(1);
            let mut waiting = waiting.on_lag(Lag::Wait).await.unwrap();
            // More than the buffers of all sockets hold: the server closes the connection of who does not read.
            let large = "x".repeat(1_000_000);
            let mut sent = 0;
            while publish(&asker, "waits", &large).await == 1 {
                sent += 1;
                assert!(sent < 1_000, "it is never cut off");
            }
            let mut received = 0;
            loop {
                match within(20, waiting.next()).await.unwrap().unwrap() {
                    Event::Message(_) => received += 1,
                    Event::Resubscribed => break,
                    Event::Lagged(count) => panic!("{count} were dropped here"),
                    event => panic!("{event:?}"),
                }
            }
            assert!(received <= sent + 1, "{received} of {sent}");
            eventually(1, async || numsub(&asker, "waits").await).await;
            publish(&asker, "waits", "after").await;
            let text: Option<String> = within(20, waiting.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("after"));
        }
    }
}
