//! The faults in which the transport or the protocol makes a difference, over all four: TCP and TLS, RESP2 and RESP3. Each test
//! prints how much it did.

use std::time::Duration;

use tokio::time::timeout;
use typedis_core::{Config, Connection, Error, Event, Phase, Protocol, Run, raw};
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::tls::{Authority, TlsProxy, TlsServer};
use typedis_testkit::{Database, ServerKind, database};

use crate::support::{LONG, at, until, within};

/// How many calls a test makes over each way.
const CALLS: usize = 200;

/// One way to a database, through a proxy that fails. With TLS, faults meet the encrypted bytes.
struct Way {
    name: String,
    db: Database,
    proxy: Proxy,
    config: Config,
    _tls: Option<TlsProxy>,
}

/// Runs a test over all ways, one after another.
async fn for_each_transport(test: impl AsyncFn(Way)) {
    let authority = Authority::new("the tests' authority").unwrap();
    for protocol in [Protocol::Newest, Protocol::Resp2] {
        for secure in [false, true] {
            let db = database(ServerKind::Valkey9);
            let server = TlsServer::new(authority.server(&["127.0.0.1"]).unwrap());
            let tls = match secure {
                true => Some(TlsProxy::start(db.server().addr(), &server).await.unwrap()),
                false => None,
            };
            let upstream = tls.as_ref().map_or(db.server().addr(), TlsProxy::addr);
            let proxy = Proxy::start(upstream).await.unwrap();
            let mut config = at(proxy.addr()).database(db.number()).protocol(protocol);
            if secure {
                let trust = typedis_core::Tls::new().ca_pem(authority.pem());
                config = config.tls(trust.system_roots(false));
            }
            let transport = if secure { "TLS" } else { "TCP" };
            test(Way {
                name: format!("{transport}, {protocol:?}"),
                db,
                proxy,
                config,
                _tls: tls,
            })
            .await;
        }
    }
}

impl Way {
    async fn connect(&self) -> Connection {
        Connection::open(self.config.clone()).await.unwrap()
    }

    /// The value of a counter, read past the proxy.
    fn count(&self, key: &str) -> i64 {
        let mut direct = self.db.server().connect().unwrap();
        direct
            .call(&["SELECT", &self.db.number().to_string()])
            .unwrap();
        let value = direct.call(&["INCRBY", key, "0"]).unwrap();
        value.parse().unwrap()
    }
}

async fn incr(conn: &Connection, key: &str) -> Result<i64, Error> {
    conn.run(raw("INCR").key(key).reply::<i64>()).await
}

async fn echo(conn: &Connection, text: &str) -> Result<String, Error> {
    conn.run(raw("ECHO").arg(text).readonly().reply::<String>())
        .await
}

/// Cuts at changing bytes while a counter is incremented, and compares it with what the caller knows.
async fn cut_everywhere(to_client: bool, cut: Cut) {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        let (mut done, mut unsure) = (0, 0);
        for call in 0..CALLS {
            let lane = match to_client {
                true => way.proxy.to_client(),
                false => way.proxy.to_server(),
            };
            // A connection that has carried more is cut before its next byte.
            lane.cut_after(7 * call as u64 % 400, cut);
            match within(incr(&conn, "n")).await {
                Ok(value) => {
                    done += 1;
                    assert!(
                        (done..=done + unsure).contains(&value),
                        "{}: {value}",
                        way.name
                    );
                }
                Err(error) if error.phase() == Phase::NotSent => {}
                Err(error) => {
                    assert_eq!(error.phase(), Phase::MaybeApplied, "{}: {error}", way.name);
                    unsure += 1;
                }
            }
        }
        let there = way.count("n");
        println!(
            "{}: {CALLS} calls, {done} done, {unsure} unsure, {there} there",
            way.name
        );
        assert!(
            (done..=done + unsure).contains(&there),
            "{}: {there}",
            way.name
        );
        assert!(way.proxy.accepted() > 10, "{}: nothing was cut", way.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_cut_short_do_nothing_twice_over_each_transport() {
    cut_everywhere(true, Cut::Reset).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_cut_short_do_nothing_twice_over_each_transport() {
    cut_everywhere(false, Cut::Reset).await;
}

/// The end of the socket without the farewell of TLS (close_notify) is a loss like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_end_without_a_farewell_do_nothing_twice_over_each_transport() {
    cut_everywhere(true, Cut::Close).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_shift_no_reply_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        let longest = Duration::from_millis(3);
        way.proxy.to_client().delay(Duration::ZERO, longest);
        way.proxy.to_client().chunks(5);
        let (mut answered, mut dropped) = (0, 0);
        for call in 0..CALLS {
            let text = format!("text {call}");
            // The first caller is patient, the second one is not.
            let patient = echo(&conn, &text);
            let other = timeout(longest.mul_f64(part_of(call)), echo(&conn, "another"));
            let (reply, other) = within(async { tokio::join!(patient, other) }).await;
            assert_eq!(reply.unwrap(), text, "{}", way.name);
            match other {
                Ok(reply) => assert_eq!(reply.unwrap(), "another", "{}", way.name),
                Err(_) => dropped += 1,
            }
            answered += 1;
        }
        println!(
            "{}: {answered} answered, {dropped} dropped, 0 wrong",
            way.name
        );
        assert!(dropped > 0, "{}", way.name);
        assert_eq!(
            way.proxy.accepted(),
            1,
            "{}: the connection stays",
            way.name
        );
    })
    .await;
}

/// A part between 0 and 1 that differs from call to call.
fn part_of(call: usize) -> f64 {
    (call * 37 % 100) as f64 / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_went_dead_is_replaced_over_each_transport() {
    for_each_transport(async |way: Way| {
        // A busy machine may let a line that lives be silent for longer than the first of these; a mistake shows with each.
        for seconds in [1, 4, 16] {
            if let Some(there) = replaces_dead_lines(&way, seconds).await {
                println!("{}: 3 calls, 1 done, 2 unsure, {there} there", way.name);
                assert!((1..=3).contains(&there), "{}: {there}", way.name);
                return;
            }
        }
        panic!("{}: a line that went dead was not replaced", way.name);
    })
    .await;
}

/// Makes a call, and one more into each half of a line that went dead. Gives the value of their counter then, or nothing if a call did not
/// end as it must when no other line is given up.
async fn replaces_dead_lines(way: &Way, seconds: u64) -> Option<i64> {
    let key = format!("n{seconds}");
    let config = way.config.clone().liveness(Duration::from_secs(seconds));
    let conn = Connection::open(config.command_timeout(LONG / 2)).await;
    let conn = conn.unwrap();
    if incr(&conn, &key).await.ok() != Some(1) {
        return None;
    }
    for to_client in [false, true] {
        let before = way.proxy.accepted();
        let lane = match to_client {
            true => way.proxy.to_client(),
            false => way.proxy.to_server(),
        };
        lane.black_hole();
        let error = within(incr(&conn, &key)).await.unwrap_err();
        // What was swallowed never comes: only new connections go through again.
        way.proxy.refuse(true);
        way.proxy.cut_all(Cut::Reset);
        way.proxy.wait_for_open(0, LONG).await.unwrap();
        way.proxy.heal();
        way.proxy.refuse(false);
        if error.phase() != Phase::MaybeApplied {
            println!("{}: {error}", way.name);
            return None;
        }
        within(echo(&conn, "again")).await.unwrap();
        assert!(way.proxy.accepted() > before, "{}", way.name);
    }
    Some(way.count(&key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_come_back_and_tell_of_the_gap_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        let name = format!("news:{}", way.name);
        let mut channel = conn.subscribe(name.as_str()).await.unwrap();
        let publish =
            |text: &'static str| raw("PUBLISH").arg(name.as_str()).arg(text).reply::<i64>();
        for cut in [Cut::Reset, Cut::Close] {
            way.proxy.cut_all(cut);
            let event = within(channel.next()).await.unwrap().unwrap();
            assert!(
                matches!(event, Event::Resubscribed),
                "{}: {event:?}",
                way.name
            );
            // With RESP2 commands have a socket of their own, which was cut as well.
            within(echo(&conn, "there")).await.unwrap();
            assert_eq!(
                within(conn.run(publish("text"))).await.unwrap(),
                1,
                "{}",
                way.name
            );
            let text: Option<String> = within(channel.get()).await.unwrap();
            assert_eq!(text.as_deref(), Some("text"), "{}", way.name);
        }
        println!("{}: 2 losses, 2 gaps told, 2 messages", way.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_value_both_ways_at_once_does_not_deadlock_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        let large = "x".repeat(4 << 20);
        let call = || echo(&conn, &large);
        let (one, two, three) = within(async { tokio::join!(call(), call(), call()) }).await;
        for reply in [one, two, three] {
            assert!(reply.unwrap() == large, "{}", way.name);
        }
        println!("{}: 3 calls of 4 MiB each way", way.name);
        until(|| conn.in_flight() == 0).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_one_by_one_are_the_same_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        way.proxy.to_client().chunks(1);
        way.proxy.to_server().chunks(1);
        let name = format!("pieces:{}", way.name);
        let mut channel = conn.subscribe(name.as_str()).await.unwrap();
        for call in 0..CALLS / 10 {
            let text = format!("text {call}");
            let publish = raw("PUBLISH").arg(&name).arg(&text).reply::<i64>();
            let pair = async { tokio::join!(echo(&conn, &text), conn.run(publish)) };
            let (reply, receivers) = within(pair).await;
            assert_eq!(reply.unwrap(), text, "{}", way.name);
            assert_eq!(receivers.unwrap(), 1, "{}", way.name);
            let message: Option<String> = within(channel.get()).await.unwrap();
            assert_eq!(message, Some(text), "{}", way.name);
        }
        println!(
            "{}: {} replies and messages, byte by byte",
            way.name,
            CALLS / 10
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_end_while_idle_are_not_noticed_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        assert_eq!(incr(&conn, "n").await.unwrap(), 1);
        for (value, cut) in (2..).zip([Cut::Close, Cut::Reset, Cut::Close]) {
            let before = way.proxy.accepted();
            way.proxy.cut_all(cut);
            until(|| way.proxy.accepted() > before).await;
            // INCR is never sent twice, so a loss that it saw would be an error.
            let reply = within(incr(&conn, "n")).await;
            assert_eq!(reply.unwrap(), value, "{}: {cut:?}", way.name);
        }
        println!("{}: 3 ends, 4 calls, 0 errors", way.name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_what_was_sent_over_each_transport() {
    for_each_transport(async |way: Way| {
        let conn = way.connect().await;
        let longest = Duration::from_millis(3);
        way.proxy.to_client().delay(longest, longest);
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let conn = conn.clone();
                tokio::spawn(async move { incr(&conn, "n").await })
            })
            .collect();
        until(|| conn.in_flight() > 0).await;
        let closed = within(async { conn.close().await }).await;
        assert!(closed.is_clean(), "{}: {closed:?}", way.name);
        let mut done = 0;
        for call in calls {
            match within(call).await.unwrap() {
                Ok(_) => done += 1,
                Err(error) => assert_eq!(error.phase(), Phase::NotSent, "{}: {error}", way.name),
            }
        }
        println!("{}: {done} of {CALLS} calls done, {closed:?}", way.name);
        assert!(done > 0, "{}", way.name);
        assert_eq!(way.count("n"), done, "{}", way.name);
    })
    .await;
}
