//! Keyspace events, MONITOR, and the invalidations of client-side caching.

use tokio::io::BufStream;
use tokio::net::TcpStream;
use typedis_core::pubsub::{Event, Invalidation, KeyspaceEvent, Monitor};
use typedis_core::{Config, Connection, ErrorKind, Exclusive, Lag, Run, Value, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::{Server, ServerKind, shared};

use crate::support::{KINDS, PROTOCOLS, asker, config, everywhere, within};

async fn run(conn: &Connection, command: &str, args: &[&str]) {
    conn.run(raw(command).args(args).reply::<Value>())
        .await
        .unwrap();
}

#[tokio::test]
async fn keyspace_events_say_what_happened_to_which_key() {
    for kind in KINDS {
        let server = Server::start(kind).unwrap();
        for protocol in PROTOCOLS {
            let conn = Connection::open(config(&server, protocol)).await.unwrap();
            run(&conn, "CONFIG SET", &["notify-keyspace-events", ""]).await;
            let error = conn.keyspace_events().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
            assert!(
                error
                    .to_string()
                    .contains("CONFIG SET notify-keyspace-events KEA")
            );

            run(&conn, "CONFIG SET", &["notify-keyspace-events", "KEA"]).await;
            let third = Connection::open(config(&server, protocol).database(3))
                .await
                .unwrap();
            let mut all = conn.keyspace_events().await.unwrap();
            let mut deleted = conn
                .keyspace_events()
                .database(3)
                .event("del")
                .await
                .unwrap();
            let mut users = conn
                .keyspace_events()
                .keys("user:*")
                .event("set")
                .await
                .unwrap();
            for conn in [&conn, &third] {
                run(conn, "SET", &["user:1", "x"]).await;
                run(conn, "SET", &["other", "x"]).await;
                run(conn, "DEL", &["user:1", "other"]).await;
            }
            let event = |database, event: &str, key: &'static str| {
                let key = key.as_bytes().into();
                Event::Message(KeyspaceEvent {
                    database,
                    event: event.into(),
                    key,
                    subkeys: Vec::new(),
                })
            };
            for database in [0, 3] {
                for (name, key) in [
                    ("new", "user:1"),
                    ("set", "user:1"),
                    ("new", "other"),
                    ("set", "other"),
                    ("del", "user:1"),
                    ("del", "other"),
                ] {
                    // Only `KEAn` tells of new keys.
                    if name != "new" {
                        assert_eq!(
                            within(20, all.next()).await.unwrap().unwrap(),
                            event(database, name, key)
                        );
                    }
                }
                assert_eq!(
                    within(20, users.next()).await.unwrap().unwrap(),
                    event(database, "set", "user:1")
                );
            }
            for key in ["user:1", "other"] {
                assert_eq!(
                    within(20, deleted.next()).await.unwrap().unwrap(),
                    event(3, "del", key)
                );
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_tells_no_keyspace_events_after_a_gap_is_named_once_and_the_stream_goes_on() {
    let server = Server::start(KINDS[0]).unwrap();
    let asker = asker(&server).await;
    let configure = async |conn: &Connection, flags: &str| {
        run(conn, "CONFIG SET", &["notify-keyspace-events", flags]).await;
    };
    for protocol in PROTOCOLS {
        let conn = Connection::open(config(&server, protocol)).await.unwrap();
        configure(&asker, "KEA").await;
        let mut events = conn.keyspace_events().event("set").await.unwrap();
        for (flags, is_told) in [("", true), ("", false), ("KEA", false), ("", true)] {
            configure(&asker, flags).await;
            run(&asker, "CLIENT KILL", &["TYPE", "pubsub"]).await;
            let gap = within(20, events.next()).await.unwrap().unwrap();
            assert_eq!(gap, Event::Resubscribed);
            if is_told {
                let error = within(20, events.next()).await.unwrap().unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
                let address = server.addr().to_string();
                assert!(error.to_string().contains(&address), "{error}");
            }
            // The stream asks first, over the same socket as what follows: it has the answer when the event comes.
            let written = async {
                configure(&conn, "KEA").await;
                run(&conn, "SET", &["key", "x"]).await;
            };
            let (next, ()) = tokio::join!(within(20, events.next()), written);
            let event = next.unwrap().unwrap().into_message().unwrap();
            assert_eq!(event.key_text(), "key", "{flags:?}");
        }
    }
}

#[tokio::test]
async fn keyspace_events_that_are_not_read_are_bounded_as_messages_are() {
    let server = Server::start(KINDS[0]).unwrap();
    for protocol in PROTOCOLS {
        // What the configuration says holds here too.
        let config = config(&server, protocol).on_lag(Lag::Close);
        let conn = Connection::open(config).await.unwrap();
        run(&conn, "CONFIG SET", &["notify-keyspace-events", "KEA"]).await;
        let set = || conn.keyspace_events().event("set").capacity_messages(2);
        // All have one subscription, so that what has reached one has reached all.
        let (mut closes, mut drops, mut ample) = (
            set().await.unwrap(),
            set().on_lag(Lag::DropOldest).await.unwrap(),
            set().capacity_messages(3).await.unwrap(),
        );
        for key in ["a", "b", "c"] {
            run(&conn, "SET", &[key, "x"]).await;
        }
        let key = |event: Event<KeyspaceEvent>| event.into_message().unwrap().key;
        for expected in ["a", "b", "c"] {
            let event = within(20, ample.next()).await.unwrap().unwrap();
            assert_eq!(key(event), expected);
        }
        for expected in ["a", "b"] {
            let event = within(20, closes.next()).await.unwrap().unwrap();
            assert_eq!(key(event), expected);
        }
        let error = within(20, closes.next()).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TooSlow), "{error}");
        assert!(within(20, closes.next()).await.is_none());

        let first = within(20, drops.next()).await.unwrap().unwrap();
        assert_eq!(first, Event::Lagged(1));
        for expected in ["b", "c"] {
            let event = within(20, drops.next()).await.unwrap().unwrap();
            assert_eq!(key(event), expected);
        }
    }
}

/// What comes with the last reply of the handshake may end anywhere.
#[tokio::test]
async fn monitor_goes_on_behind_half_a_push() {
    let fake = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            let reply = match (command.name().as_str(), command.text(2).as_str()) {
                ("HELLO", _) => "%1\r\n+proto\r\n:3\r\n",
                (_, "LIB-VER") => "+OK\r\n>2\r\n$4\r\nna",
                ("MONITOR", _) => "me\r\n:1\r\n+OK\r\n+1.5 [0 127.0.0.1:1] \"get\" \"k\"\r\n",
                _ => "+OK\r\n",
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let mut monitor = within(20, Monitor::open(fake.url())).await.unwrap();
    let entry = within(20, monitor.next()).await.unwrap().unwrap();
    assert_eq!(entry.words, ["get", "k"]);
}

/// A transport may gather what is written until it is told to send it.
#[tokio::test]
async fn monitor_is_sent_over_a_transport_that_gathers_bytes() {
    let address = shared(ServerKind::Valkey9).addr();
    let config = Config::tcp("x", 1)
        .transport(move |_| async move { Ok(BufStream::new(TcpStream::connect(address).await?)) });
    within(20, Monitor::open(config)).await.unwrap();
}

#[tokio::test]
async fn monitor_shows_every_command() {
    for kind in KINDS {
        let server = Server::start(kind).unwrap();
        for protocol in PROTOCOLS {
            let config = config(&server, protocol);
            let conn = Connection::open(config.clone().database(2)).await.unwrap();
            let mut monitor = Monitor::open(&config).await.unwrap();
            let odd = "a \"b\" \\ \n\r\t\u{7}\u{8}\0 é";
            let long = "x".repeat(200_000);
            run(&conn, "SET", &["k", odd]).await;
            run(&conn, "SET", &["k", &long]).await;
            let mut seen = Vec::new();
            while seen.len() < 2 {
                let entry = within(20, monitor.next()).await.unwrap().unwrap();
                if entry.command() == "SET" {
                    assert_eq!(entry.database, 2);
                    assert!(entry.client.starts_with("127.0.0.1:"), "{}", entry.client);
                    assert!(entry.time.elapsed().unwrap().as_secs() < 60);
                    seen.push(entry.words[2].clone());
                }
            }
            assert_eq!(seen[0], odd.as_bytes());
            assert_eq!(seen[1], long.as_bytes());
        }
        let conn = Connection::open(server.url()).await.unwrap();
        let mut monitor = conn.monitor().await.unwrap();
        server.kill().unwrap();
        assert!(within(20, monitor.next()).await.unwrap().is_err());
        assert!(monitor.next().await.is_none());
    }
}

#[tokio::test]
async fn invalidations_are_pushed() {
    for (server, config, tag) in everywhere() {
        let exclusive = Exclusive::open(&config).await.unwrap();
        if tag != "Newest" {
            let error = exclusive.invalidations().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
            continue;
        }
        let server = Server::start(server.kind()).unwrap();
        let exclusive = Exclusive::open(server.url()).await.unwrap();
        let other = Connection::open(server.url()).await.unwrap();
        let mut invalidations = exclusive.invalidations().unwrap();
        let track = raw("CLIENT TRACKING").arg("ON").reply::<()>();
        exclusive.run(track).await.unwrap();
        exclusive
            .run(raw("GET").key("k").reply::<Option<String>>())
            .await
            .unwrap();
        run(&other, "SET", &["k", "v"]).await;
        let first = within(20, invalidations.next()).await.unwrap().unwrap();
        assert_eq!(first, Invalidation::Keys(vec!["k".into()]));
        run(&other, "FLUSHALL", &[]).await;
        let second = within(20, invalidations.next()).await.unwrap().unwrap();
        assert_eq!(second, Invalidation::All);
        drop(exclusive);
        assert!(within(20, invalidations.next()).await.is_none());
    }
}

/// Redis tells of the fields of hashes since 8.8.
#[tokio::test]
async fn keyspace_events_say_which_fields_they_concern() {
    let server = match Server::start(typedis_testkit::ServerKind::Redis8_10) {
        Err(error) if error.is_unavailable() => return eprintln!("skipped: {error}"),
        server => server.unwrap(),
    };
    for protocol in PROTOCOLS {
        let conn = Connection::open(config(&server, protocol)).await.unwrap();
        run(&conn, "CONFIG SET", &["notify-keyspace-events", "KEA"]).await;
        let error = conn.keyspace_events().subkeys().await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("lacks `T`") && text.contains("KESTIVA"),
            "{text}"
        );
        run(&conn, "CONFIG SET", &["notify-keyspace-events", "AKESTIV"]).await;
        let watch = || conn.keyspace_events();
        let mut all = watch().subkeys().await.unwrap();
        let mut users = watch()
            .keys("user:*")
            .event("hset")
            .subkeys()
            .await
            .unwrap();
        let mut name = watch().subkey("name").event("hdel").await.unwrap();
        run(&conn, "HSET", &["other", "name", "x"]).await;
        run(&conn, "HSET", &["user:1", "name", "Ann", "a,b", "5"]).await;
        run(&conn, "HDEL", &["user:1", "name", "none"]).await;
        run(&conn, "SET", &["plain", "x"]).await;
        run(&conn, "FLUSHALL", &[]).await;
        let event = |event: &str, key: &'static str, subkeys: &[&'static str]| {
            Event::Message(KeyspaceEvent {
                database: 0,
                event: event.into(),
                key: key.as_bytes().into(),
                subkeys: subkeys.iter().map(|subkey| (*subkey).into()).collect(),
            })
        };
        let both = event("hset", "user:1", &["name", "a,b"]);
        let deleted = event("hdel", "user:1", &["name"]);
        for expected in [
            event("hset", "other", &["name"]),
            both.clone(),
            deleted.clone(),
        ] {
            assert_eq!(within(20, all.next()).await.unwrap().unwrap(), expected);
        }
        assert_eq!(within(20, users.next()).await.unwrap().unwrap(), both);
        assert_eq!(within(20, name.next()).await.unwrap().unwrap(), deleted);
    }
}
