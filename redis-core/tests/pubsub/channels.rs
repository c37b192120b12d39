//! Channels, patterns and shard channels: what comes, and what the server knows of it.

use std::time::Duration;

use typedis_core::pubsub::{Event, SourceKind};
use typedis_core::{Budget, Connection, ErrorKind, Phase, Pool, PublishJson, Run, Value, raw};
use typedis_testkit::{Server, ServerKind};

use crate::support::{PROTOCOLS, asker, config, eventually, everywhere, numsub, publish, within};

#[tokio::test]
async fn messages_reach_their_channels_and_replies_their_commands() {
    for (_, config, tag) in everywhere() {
        let conn = Connection::open(&config).await.unwrap();
        let [a, b] = ["a", "b"].map(|name| format!("{tag}:reach:{name}"));
        let [mut first, mut second] = conn.subscribe([&a, &b]).await.unwrap();
        assert_eq!(first.name(), a.as_str());
        assert_eq!(second.name_bytes(), b.as_bytes());
        for n in 0..100 {
            let text = n.to_string();
            let (one, two) = (publish(&conn, &a, &text), publish(&conn, &b, "x"));
            let echo = conn.run(raw("ECHO").arg(n).reply::<i64>());
            let (one, two, echo) = tokio::join!(one, two, echo);
            assert_eq!((one, two, echo.unwrap()), (1, 1, n));
        }
        for n in 0..100 {
            assert_eq!(within(20, first.get::<i64>()).await.unwrap(), Some(n));
            let text = within(20, second.get::<String>()).await.unwrap();
            assert_eq!(text.as_deref(), Some("x"));
        }
        assert_eq!((first.buffered(), second.buffered_bytes()), (0, 0));
    }
}

#[tokio::test]
async fn patterns_give_the_channel_too() {
    for (_, config, tag) in everywhere() {
        let conn = Connection::open(&config).await.unwrap();
        let mut users = conn.psubscribe(format!("{tag}:user:*")).await.unwrap();
        publish(&conn, &format!("{tag}:user:7"), "42").await;
        publish(&conn, &format!("{tag}:other:7"), "no").await;
        publish(&conn, &format!("{tag}:user:8"), "43").await;
        let first: Option<(String, i64)> = within(20, users.get()).await.unwrap();
        assert_eq!(first, Some((format!("{tag}:user:7"), 42)));
        let Some(Ok(Event::Message(second))) = within(20, users.next()).await else {
            panic!("no message");
        };
        assert_eq!(second.channel(), format!("{tag}:user:8"));
        assert_eq!(second.source().kind(), SourceKind::Pattern);
        assert_eq!(second.payload(), "43");
    }
}

#[tokio::test]
async fn shard_channels_are_apart() {
    for (server, config, tag) in everywhere() {
        let conn = Connection::open(&config).await.unwrap();
        let name = format!("{tag}:shard");
        let shard = conn.ssubscribe(&name).await;
        if server.kind() == ServerKind::Redis6 {
            let error = shard.unwrap_err();
            assert_eq!(error.command(), Some("SSUBSCRIBE"));
            assert_eq!(error.phase(), Phase::Refused, "{error}");
            continue;
        }
        let mut shard = shard.unwrap();
        assert_eq!(publish(&conn, &name, "to the channel").await, 0);
        let readers = conn.run(
            raw("SPUBLISH")
                .arg(&name)
                .arg("to the shard")
                .reply::<i64>(),
        );
        assert_eq!(readers.await.unwrap(), 1);
        let text: Option<String> = within(20, shard.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("to the shard"));
    }
}

#[tokio::test]
async fn lists_give_lists() {
    let (_, config, tag) = everywhere().next().unwrap();
    let conn = Connection::open(&config).await.unwrap();
    let names: Vec<String> = (0..20).map(|n| format!("{tag}:list:{n}")).collect();
    let mut channels = conn.subscribe(&names).await.unwrap();
    assert_eq!(channels.len(), 20);
    publish(&conn, &names[19], "last").await;
    let text: Option<String> = within(20, channels[19].get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("last"));
    assert!(
        conn.subscribe(Vec::<String>::new())
            .await
            .unwrap()
            .is_empty()
    );
    let [] = conn.subscribe([""; 0]).await.unwrap();
}

#[tokio::test]
async fn two_subscribers_share_one_subscription() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:shared");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let (one, two) = tokio::join!(conn.subscribe(&name), conn.subscribe(&name));
        let (mut one, mut two) = (one.unwrap(), two.unwrap());
        assert_eq!(numsub(&asker, &name).await, 1);
        assert_eq!(publish(&asker, &name, "both").await, 1);
        for channel in [&mut one, &mut two] {
            let text: Option<String> = within(20, channel.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("both"));
        }
        drop(one);
        // Whatever the drop had sent would be ahead of this.
        drop(conn.subscribe(format!("{name}:fence")).await.unwrap());
        assert_eq!(publish(&asker, &name, "one").await, 1);
        let text: Option<String> = within(20, two.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("one"));
        drop(two);
        eventually(0, async || numsub(&asker, &name).await).await;
    }
}

#[tokio::test]
async fn dropping_a_thousand_channels_leaves_none() {
    for (server, config, tag) in everywhere() {
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let names: Vec<String> = (0..1_000).map(|n| format!("{tag}:many:{n}")).collect();
        let pattern = format!("{tag}:many:*");
        let channels = conn.subscribe(names.clone()).await.unwrap();
        assert_eq!(
            crate::support::channels(&asker, &pattern).await.len(),
            1_000
        );
        drop(channels);
        eventually(0, async || {
            crate::support::channels(&asker, &pattern).await.len()
        })
        .await;
        // And it works again at once.
        let mut again = conn.subscribe(&names[0]).await.unwrap();
        publish(&asker, &names[0], "again").await;
        let text: Option<String> = within(20, again.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("again"));
    }
}

#[tokio::test]
async fn ten_thousand_channels_that_come_and_go_leave_nothing() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:flapping");
        let client = format!("flapping-{tag}");
        let asker = asker(server).await;
        let conn = Connection::open(config.client_name(&client)).await.unwrap();
        let kept = conn.subscribe(format!("{name}:kept")).await.unwrap();
        let before = sockets(&asker, &client).await;
        for n in 0..10_000 {
            let channel = conn.subscribe(&name);
            if n % 2 == 0 {
                drop(channel.await.unwrap());
            } else {
                // Mostly before it is confirmed.
                let mut channel = std::pin::pin!(channel);
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                drop(channel.as_mut().poll(&mut cx));
            }
        }
        eventually(0, async || numsub(&asker, &name).await).await;
        assert_eq!(sockets(&asker, &client).await, before);
        let mut again = conn.subscribe(&name).await.unwrap();
        publish(&asker, &name, "again").await;
        let text: Option<String> = within(20, again.get()).await.unwrap();
        assert_eq!(text.as_deref(), Some("again"));

        // The last handle takes its sockets along.
        drop((conn, kept, again));
        eventually(0, async || sockets(&asker, &client).await).await;
    }
}

/// Names the socket, to find it among the server's clients.
async fn sockets(asker: &Connection, name: &str) -> usize {
    let list: String = asker.run(raw("CLIENT LIST").reply()).await.unwrap();
    list.lines()
        .filter(|line| line.contains(&format!("name={name} ")))
        .count()
}

#[tokio::test]
async fn resp2_has_a_second_socket_while_something_is_subscribed() {
    for (server, config, tag) in everywhere() {
        let resp3 = tag == "Newest";
        let name = format!("sockets-{tag}");
        let asker = asker(server).await;
        let conn = Connection::open(config.client_name(&name)).await.unwrap();
        assert_eq!(sockets(&asker, &name).await, 1);
        for _ in 0..3 {
            let channel = conn.subscribe(&name).await.unwrap();
            let pattern = conn.psubscribe(&name).await.unwrap();
            assert_eq!(sockets(&asker, &name).await, if resp3 { 1 } else { 2 });
            drop(channel);
            drop(pattern);
            eventually(1, async || sockets(&asker, &name).await).await;
            eventually(0, async || numsub(&asker, &name).await).await;
        }
        let channel = conn.subscribe(&name).await.unwrap();
        drop(conn);
        assert_eq!(
            numsub(&asker, &name).await,
            1,
            "a channel keeps its connection open"
        );
        drop(channel);
        eventually(0, async || sockets(&asker, &name).await).await;
    }
}

#[tokio::test]
async fn a_cancelled_subscribe_leaves_nothing_behind() {
    for (server, config, tag) in everywhere() {
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let pattern = format!("{tag}:cancel:*");
        for n in 0..200_u64 {
            let name = format!("{tag}:cancel:{n}");
            let subscribe =
                conn.subscribe([name.as_str(), "b"].map(|name| format!("{tag}:cancel:{name}")));
            let limit = Duration::from_micros(n * 5);
            // Whichever comes first, the channels are dropped.
            let _ = tokio::time::timeout(limit, subscribe).await;
        }
        eventually(0, async || {
            crate::support::channels(&asker, &pattern).await.len()
        })
        .await;
        conn.run(raw("PING").reply::<Value>()).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_surfaces_and_disturbs_nobody() {
    for kind in crate::support::KINDS {
        let server = Server::start(kind).unwrap();
        let asker = asker(&server).await;
        let rule = ["reader", "on", ">pw", "+@all", "resetchannels", "&open:*"];
        let set = asker.run(raw("ACL SETUSER").args(rule).reply::<()>());
        set.await.unwrap();
        for protocol in PROTOCOLS {
            let config = config(&server, protocol).credentials("reader", "pw");
            let conn = Connection::open(config).await.unwrap();
            let mut open = conn.subscribe("open:a").await.unwrap();
            let (refused, echo) = tokio::join!(
                conn.subscribe(["open:b", "closed:c"]),
                conn.run(raw("ECHO").arg("mine").reply::<String>())
            );
            let error = refused.unwrap_err();
            assert_eq!(
                error.server().map(|error| error.code()),
                Some("NOPERM"),
                "{error}"
            );
            assert_eq!(error.command(), Some("SUBSCRIBE"));
            assert_eq!(echo.unwrap(), "mine");
            eventually(0, async || numsub(&asker, "open:b").await).await;
            publish(&asker, "open:a", "still there").await;
            let text: Option<String> = within(20, open.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("still there"));
        }
    }
}

/// The room that SUBSCRIBE and the like took is given to who waits for it, also when nothing else is answered.
#[tokio::test]
async fn a_command_that_waits_for_room_behind_a_subscription_goes_on() {
    async fn ping(conn: &Connection) {
        // The driver queues what the subscriptions need, and leaves no room.
        tokio::task::yield_now().await;
        let ping = conn.run(raw("PING").reply::<Value>());
        within(20, ping).await.unwrap();
    }
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let rule = ["reader", "on", ">pw", "+@all", "resetchannels", "&open:*"];
    let set = raw("ACL SETUSER").args(rule).reply::<()>();
    asker(&server).await.run(set).await.unwrap();
    for protocol in PROTOCOLS {
        let budget = Budget {
            commands: 1,
            ..Budget::default()
        };
        let config = config(&server, protocol).credentials("reader", "pw");
        let conn = Connection::open(config.budget(budget)).await.unwrap();
        for name in ["open:a", "closed:a"] {
            let _ = tokio::join!(conn.subscribe(name), ping(&conn));
            ping(&conn).await;
            let _ = tokio::join!(conn.psubscribe(name), ping(&conn));
            ping(&conn).await;
            let _ = tokio::join!(conn.ssubscribe(name), ping(&conn));
            ping(&conn).await;
        }
    }
}

#[tokio::test]
async fn a_closed_channel_is_read_to_its_end() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:close");
        let asker = asker(server).await;
        let conn = Connection::open(&config).await.unwrap();
        let mut channel = conn.subscribe(&name).await.unwrap();
        for n in 0..3 {
            publish(&asker, &name, &n.to_string()).await;
        }
        eventually(3, async || channel.buffered()).await;
        assert!(channel.is_active());
        channel.close();
        assert!(!channel.is_active());
        eventually(0, async || numsub(&asker, &name).await).await;
        let mut numbers = Vec::new();
        let mut iter = channel.iter::<i64>();
        while let Some(number) = iter.next().await {
            numbers.push(number.unwrap());
        }
        assert_eq!(numbers, [0, 1, 2]);
        assert!(channel.next().await.is_none());
    }
}

#[tokio::test]
async fn closing_the_connection_ends_all_channels() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:end");
        let conn = Connection::open(&config).await.unwrap();
        let [mut a, mut b] = conn.subscribe([&name, "end"]).await.unwrap();
        let mut waiting = conn
            .subscribe(&name)
            .on_lag(typedis_core::Lag::Wait)
            .await
            .unwrap();
        conn.abort();
        assert!(within(20, a.next()).await.is_none());
        assert_eq!(within(20, b.get::<String>()).await.unwrap(), None);
        assert!(within(20, waiting.next()).await.is_none());
        let error = conn.subscribe(&name).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
        let asker = asker(server).await;
        eventually(0, async || numsub(&asker, &name).await).await;
    }
}

#[tokio::test]
async fn a_payload_of_another_type_stays_in_the_error() {
    let (_, config, tag) = everywhere().next().unwrap();
    let name = format!("{tag}:types");
    let conn = Connection::open(&config).await.unwrap();
    let mut channel = conn.subscribe(&name).await.unwrap();
    publish(&conn, &name, "word").await;
    conn.publish_json(&name, &[1, 2, 3]).await.unwrap();
    publish(&conn, &name, "{").await;
    publish(&conn, &name, "7").await;
    let error = within(20, channel.get::<i64>()).await.unwrap_err();
    assert_eq!(error.into_reply(), Some(Value::Bulk("word".into())));
    let list: Option<Vec<u8>> = within(20, channel.get_json()).await.unwrap();
    assert_eq!(list, Some(vec![1, 2, 3]));
    assert!(within(20, channel.get_json::<Vec<u8>>()).await.is_err());
    assert_eq!(within(20, channel.get::<u8>()).await.unwrap(), Some(7));
}

#[tokio::test]
async fn large_payloads_come_whole() {
    for (_, config, tag) in everywhere() {
        let name = format!("{tag}:large");
        let conn = Connection::open(&config).await.unwrap();
        let mut channel = conn.subscribe(&name).await.unwrap();
        for len in [0, 1, 4_095, 4_096, 16_384, 65_536, 1_000_000] {
            let payload = "x".repeat(len);
            publish(&conn, &name, &payload).await;
            let text: Option<String> = within(20, channel.get()).await.unwrap();
            assert!(text == Some(payload), "{len} bytes");
        }
    }
}

#[tokio::test]
async fn a_pool_subscribes_by_one_lane() {
    for (server, config, tag) in everywhere() {
        let name = format!("{tag}:pool");
        let asker = asker(server).await;
        let pool = Pool::open(config.lanes(4)).await.unwrap();
        let mut channels = Vec::new();
        for _ in 0..8 {
            channels.push(pool.subscribe(&name).await.unwrap());
        }
        assert_eq!(numsub(&asker, &name).await, 1);
        publish(&asker, &name, "all").await;
        for channel in &mut channels {
            let text: Option<String> = within(20, channel.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("all"));
        }
    }
}
