//! Shard channels in a cluster: a node that does not have the slot says so, at first and later.

use typedis_core::pubsub::Event;
use typedis_core::{Config, Connection, Error, Run, Value, raw};
use typedis_testkit::{Server, ServerKind};

use crate::support::{PROTOCOLS, asker, config, eventually, publish, within};

/// Its slot is 3,300, in the first half.
const LOW: &str = "a{b}";
/// Its slot is 7,365, in the first half too.
const ALSO_LOW: &str = "c";
/// Its slot is 15,495, in the second half.
const HIGH: &str = "a";

/// A cluster of two nodes, which have half of the slots each.
struct Pair {
    low: Server,
    high: Server,
}

async fn ask<T: typedis_core::FromRedis>(server: &Server, words: &[&str]) -> T {
    let (name, args) = words.split_first().unwrap();
    let asker = asker(server).await;
    asker.run(raw(name).args(args).reply()).await.unwrap()
}

async fn pair(kind: ServerKind) -> Pair {
    let node = || Server::builder(kind).cluster().start().unwrap();
    let (low, high) = (node(), node());
    for (server, first, last) in [(&low, "0", "8191"), (&high, "8192", "16383")] {
        ask::<()>(server, &["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
    }
    let port = high.port().to_string();
    let nodes: String = ask(&high, &["CLUSTER", "NODES"]).await;
    let bus_port = nodes.split(['@', ',', ' ']).nth(2).unwrap();
    ask::<()>(&low, &["CLUSTER", "MEET", "127.0.0.1", &port, bus_port]).await;
    for server in [&low, &high] {
        eventually(true, async || {
            let info: String = ask(server, &["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_size:2")
        })
        .await;
    }
    Pair { low, high }
}

fn is_moved(error: &Error, to: &Server) {
    let (_, address) = error
        .server()
        .and_then(|error| error.moved_to())
        .expect("MOVED");
    assert_eq!(address, format!("127.0.0.1:{}", to.port()), "{error}");
    assert!(
        error
            .to_string()
            .contains("connect to the one that is named"),
        "{error}"
    );
}

#[tokio::test]
async fn the_wrong_node_names_the_right_one() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let pair = pair(kind).await;
        for protocol in PROTOCOLS {
            let conn = Connection::open(config(&pair.low, protocol)).await.unwrap();
            let mut here = conn.ssubscribe(LOW).await.unwrap();
            // Refused in the midst of others, which keep their replies.
            let (echo, refused, also) = tokio::join!(
                conn.run(raw("ECHO").arg("mine").reply::<String>()),
                within(20, conn.ssubscribe([ALSO_LOW, HIGH])),
                conn.ssubscribe(ALSO_LOW),
            );
            let error = refused.unwrap_err();
            is_moved(&error, &pair.high);
            assert_eq!(error.command(), Some("SSUBSCRIBE"));
            assert_eq!(echo.unwrap(), "mine");

            // Neither is disturbed by it, and the address that was named is the right one.
            let mut also = also.unwrap();
            let (_, address) = error.server().unwrap().moved_to().unwrap();
            let right = Config::from_url(&format!("redis://{address}")).unwrap();
            let right = Connection::open(right.protocol(protocol)).await.unwrap();
            let mut there = right.ssubscribe(HIGH).await.unwrap();
            for (conn, name) in [(&conn, LOW), (&conn, ALSO_LOW), (&right, HIGH)] {
                let told = conn.run(raw("SPUBLISH").arg(name).arg("hi").reply::<i64>());
                assert_eq!(told.await.unwrap(), 1, "{name}");
            }
            for channel in [&mut here, &mut also, &mut there] {
                let text: Option<String> = within(20, channel.get()).await.unwrap();
                assert_eq!(text.as_deref(), Some("hi"));
            }
        }
    }
}

/// Gives a slot to another node.
async fn move_slot(slot: &str, pair: &Pair) {
    let id: String = ask(&pair.high, &["CLUSTER", "MYID"]).await;
    for server in [&pair.high, &pair.low] {
        ask::<()>(server, &["CLUSTER", "SETSLOT", slot, "NODE", &id]).await;
    }
}

#[tokio::test]
async fn a_slot_that_moves_away_ends_its_channels_and_no_others() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        for protocol in PROTOCOLS {
            let pair = pair(kind).await;
            let slot: i64 = ask(&pair.low, &["CLUSTER", "KEYSLOT", LOW]).await;
            let conn = Connection::open(config(&pair.low, protocol)).await.unwrap();
            let mut moved = conn.ssubscribe(LOW).await.unwrap();
            let mut stays = conn.ssubscribe(ALSO_LOW).await.unwrap();
            let mut plain = conn.subscribe(LOW).await.unwrap();
            let mut all = conn.subscriber().open();
            all.ssubscribe(LOW).await.unwrap();
            all.subscribe("plain").await.unwrap();

            move_slot(&slot.to_string(), &pair).await;
            is_moved(
                &within(20, moved.next()).await.unwrap().unwrap_err(),
                &pair.high,
            );
            assert!(within(20, moved.next()).await.is_none());
            is_moved(
                &within(20, all.next()).await.unwrap().unwrap_err(),
                &pair.high,
            );
            assert_eq!(all.sources().len(), 1);

            conn.run(raw("SPUBLISH").arg(ALSO_LOW).arg("on").reply::<Value>())
                .await
                .unwrap();
            let text: Option<String> = within(20, stays.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("on"));
            for name in [LOW, "plain"] {
                publish(&conn, name, "on").await;
            }
            let text: Option<String> = within(20, plain.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("on"));
            let Event::Message(message) = within(20, all.next()).await.unwrap().unwrap() else {
                panic!("no message");
            };
            assert_eq!(message.payload(), "on");
        }
    }
}
