//! Lost sockets: whatever is subscribed and unsubscribed meanwhile, the server ends up with exactly the wanted set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use typedis_core::pubsub::{Event, Lag};
use typedis_core::{Backoff, Channel, Config, Connection, Protocol, Run, Value, raw};
use typedis_testkit::Server;
use typedis_testkit::array;
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::{KINDS, PROTOCOLS, asker, channels, eventually, numpat, publish, within};

/// How many subscribed sockets are lost.
const KILLS: usize = 100;

/// One that is back at once, however often it is lost.
fn quick(proxy: &Proxy, protocol: Protocol) -> Config {
    Config::from_url(&proxy.url())
        .unwrap()
        .protocol(protocol)
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(10),
        })
}

/// Cuts what is subscribed, now this way, now that.
async fn kill(asker: &Connection, proxy: &Proxy, round: usize) {
    match round % 3 {
        0 => proxy.cut_all(Cut::Reset),
        1 => {
            let kill = raw("CLIENT KILL").arg("TYPE").arg("pubsub");
            asker.run(kill.reply::<Value>()).await.unwrap();
        }
        _ => {
            let byte = fastrand::u64(1..400);
            proxy.to_client().cut_after(byte, Cut::Reset);
        }
    }
}

/// Reads until the channel has nothing more to say, and says how often it was restored.
async fn drain(channel: &mut Channel) -> usize {
    let mut restored = 0;
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(20), channel.next()).await {
        restored += usize::from(event.unwrap().unwrap() == Event::Resubscribed);
    }
    restored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_with_lost_sockets_end_with_the_wanted_set() {
    for kind in KINDS {
        for protocol in PROTOCOLS {
            let server = Server::start(kind).unwrap();
            let asker = asker(&server).await;
            let proxy = Proxy::start(server.addr()).await.unwrap();
            let conn = Connection::open(quick(&proxy, protocol)).await.unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let racers: Vec<_> = (0..4)
                .map(|racer| tokio::spawn(race(conn.clone(), racer, over.clone())))
                .collect();
            // In RESP2 a reset takes two sockets, of which one is subscribed.
            let sockets = if protocol == Protocol::Resp2 { 2 } else { 1 };
            let mut round = 0;
            within(120, async {
                while proxy.accepted() < sockets * KILLS {
                    kill(&asker, &proxy, round).await;
                    round += 1;
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..15))).await;
                }
            })
            .await;
            // The last cut may be one that no socket has reached yet.
            proxy.to_client().cut_after(u64::MAX, Cut::Reset);
            proxy.to_client().resume();
            over.store(true, Ordering::Relaxed);
            let mut wanted = BTreeMap::new();
            for racer in racers {
                wanted.extend(within(60, racer).await.unwrap());
            }
            let names: BTreeSet<String> = wanted.keys().cloned().collect();
            eventually(names, async || channels(&asker, "*").await).await;
            eventually(0, async || numpat(&asker).await).await;
            for (name, channel) in &mut wanted {
                drain(channel).await;
                assert_eq!(publish(&asker, name, "now").await, 1, "{name}");
                let text: Option<String> = within(20, channel.get()).await.unwrap();
                assert_eq!(text.as_deref(), Some("now"));
            }
            drop(wanted);
            eventually(BTreeSet::new(), async || channels(&asker, "*").await).await;
        }
    }
}

/// Subscribes and drops at random until it is over; gives what it holds then.
async fn race(conn: Connection, racer: usize, over: Arc<AtomicBool>) -> BTreeMap<String, Channel> {
    let mut held = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        let name = format!("{racer}:{}", fastrand::u32(..20));
        match fastrand::u32(..8) {
            0..3 => {
                let channel = conn
                    .subscribe(name.clone())
                    .deadline(Duration::from_secs(30));
                held.insert(name, channel.await.unwrap());
            }
            3 | 4 => drop(held.remove(&name)),
            5 => {
                let pattern = conn.psubscribe(&name).deadline(Duration::from_micros(300));
                drop(pattern.await);
            }
            6 => {
                let limit = Duration::from_micros(fastrand::u64(..500));
                let _ = tokio::time::timeout(limit, conn.subscribe(&name)).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(fastrand::u64(..6))).await,
        }
    }
    held
}

#[tokio::test]
async fn each_subscriber_is_told_in_its_stream() {
    for kind in KINDS {
        for protocol in PROTOCOLS {
            for lag in [Lag::DropOldest, Lag::Wait] {
                let server = Server::start(kind).unwrap();
                let asker = asker(&server).await;
                let proxy = Proxy::start(server.addr()).await.unwrap();
                let conn = Connection::open(quick(&proxy, protocol)).await.unwrap();
                let [mut one, mut two] = conn.subscribe(["a", "b"]).on_lag(lag).await.unwrap();
                let mut patterns = conn.psubscribe("*").on_lag(lag).await.unwrap();
                publish(&asker, "a", "before").await;
                publish(&asker, "b", "before").await;
                eventually((1, 1, 2), async || {
                    (one.buffered(), two.buffered(), patterns.buffered())
                })
                .await;
                for _ in 0..2 {
                    proxy.refuse(true);
                    proxy.cut_all(Cut::Reset);
                    eventually(0, async || channels(&asker, "*").await.len()).await;
                    proxy.refuse(false);
                    eventually((2, 1), async || {
                        (channels(&asker, "*").await.len(), numpat(&asker).await)
                    })
                    .await;
                }
                publish(&asker, "a", "after").await;
                publish(&asker, "b", "after").await;
                for channel in [&mut one, &mut two] {
                    let mut seen = Vec::new();
                    while seen.last().map(String::as_str) != Some("after") {
                        seen.push(match within(20, channel.next()).await.unwrap().unwrap() {
                            Event::Message(message) => message.decode().unwrap(),
                            event => format!("{event:?}"),
                        });
                    }
                    // Two losses with nothing in between are one gap.
                    assert_eq!(seen, ["before", "Resubscribed", "after"]);
                }
                for expected in ["before", "before", "after", "after"] {
                    let (_, text): (String, String) =
                        within(20, patterns.get()).await.unwrap().unwrap();
                    assert_eq!(text, expected);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_restarted_server_gets_its_subscriptions_back() {
    for protocol in PROTOCOLS {
        let server = Server::start(KINDS[0]).unwrap();
        let proxy = Proxy::start(server.addr()).await.unwrap();
        let conn = Connection::open(quick(&proxy, protocol)).await.unwrap();
        let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        let mut all = conn.subscribe(&names).await.unwrap();
        server.restart().unwrap();
        let asker = asker(&server).await;
        eventually(1_000, async || channels(&asker, "*").await.len()).await;
        for channel in &mut all {
            assert_eq!(
                within(20, channel.next()).await.unwrap().unwrap(),
                Event::Resubscribed
            );
        }
    }
}

/// A socket that is lost while the subscriptions of the one before are restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_loss_amid_the_restoration_leaves_nothing_out() {
    for kind in KINDS {
        for protocol in PROTOCOLS {
            let server = Server::start(kind).unwrap();
            let asker = asker(&server).await;
            let proxy = Proxy::start(server.addr()).await.unwrap();
            let conn = Connection::open(quick(&proxy, protocol)).await.unwrap();
            let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
            let mut all = conn.subscribe(&names).await.unwrap();
            let mut patterns = conn.psubscribe(&names).await.unwrap();
            // In RESP2 the socket for commands is lost along with the first.
            let sockets = if protocol == Protocol::Resp2 { 3 } else { 2 };
            for _ in 0..2 {
                let before = proxy.accepted();
                // The next connection that asks for them is lost when it has asked for some, but not all.
                proxy.to_server().cut_after(10_000, Cut::Reset);
                proxy.cut_all(Cut::Reset);
                let limit = Duration::from_secs(10);
                proxy
                    .wait_for_accepted(before + sockets, limit)
                    .await
                    .unwrap();
                eventually((500, 500), async || {
                    (channels(&asker, "*").await.len(), numpat(&asker).await)
                })
                .await;
            }
            for (name, channel) in names.iter().zip(&mut all) {
                assert_eq!(drain_to(channel, &asker, name).await, "now");
            }
            for (name, channel) in names.iter().zip(&mut patterns) {
                let found: Option<(String, String)> = within(20, channel.get()).await.unwrap();
                assert_eq!(found, Some((name.clone(), "now".to_owned())));
            }
        }
    }
}

/// Publishes to a channel that was lost, and reads what comes after the gap.
async fn drain_to(channel: &mut Channel, asker: &Connection, name: &str) -> String {
    assert_eq!(
        within(20, channel.next()).await.unwrap().unwrap(),
        Event::Resubscribed
    );
    publish(asker, name, "now").await;
    within(20, channel.get()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_server_that_forgets_resp3_gets_a_second_socket() {
    let server = Server::start(KINDS[0]).unwrap();
    let fake = typedis_testkit::fake::Fake::start(|mut peer| async move {
        // The protocol of before 6.0, of which some proxies know no more.
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                "HELLO" => peer.send("-ERR unknown command 'HELLO'\r\n").await?,
                "SUBSCRIBE" => {
                    peer.send(array!["subscribe", "a", 1]).await?;
                    peer.send(array!["message", "a", "old"]).await?;
                }
                "PING" => peer.send(array!["pong", ""]).await?,
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let conn = Connection::open(quick(&proxy, Protocol::Newest))
        .await
        .unwrap();
    let mut channel = conn.subscribe("a").await.unwrap();
    assert_eq!(proxy.accepted(), 1);
    proxy.set_upstream(fake.addr());
    proxy.cut_all(Cut::Reset);
    assert_eq!(
        within(20, channel.next()).await.unwrap().unwrap(),
        Event::Resubscribed
    );
    let text: Option<String> = within(20, channel.get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("old"));
    proxy
        .wait_for_open(2, Duration::from_secs(20))
        .await
        .unwrap();
}
