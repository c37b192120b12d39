//! A flood through eight channels whose readers are fast, slow, or never look: every message is accounted for, and
//! commands on the same socket keep their replies.
//!
//! `TYPEDIS_MESSAGES` sets how many messages are published; the test prints the latency of commands with and without
//! the flood.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use typedis_core::pubsub::{Event, Lag};
use typedis_core::{Channel, Connection, ErrorKind, Run, raw};
use typedis_testkit::Server;

use crate::support::{PROTOCOLS, asker, config, eventually, within};

fn messages() -> u64 {
    let given = std::env::var("TYPEDIS_MESSAGES").ok();
    given.map_or(40_000, |text| text.parse().expect("a number"))
}

const NAMES: [&str; 8] = [
    "ample",
    "slow",
    "unread-bytes",
    "unread-count",
    "waits",
    "waits-slow",
    "closes",
    "closes-ample",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_accounted_for() {
    for protocol in PROTOCOLS {
        let server = Server::builder(crate::support::KINDS[0])
            .line("client-output-buffer-limit pubsub 0 0 0")
            .start()
            .unwrap();
        let each = messages() / NAMES.len() as u64;
        let conn = Connection::open(config(&server, protocol)).await.unwrap();
        let quiet = latency(&conn, Arc::new(AtomicBool::new(true))).await;

        let ample = conn
            .subscribe(NAMES[0])
            .capacity_bytes(1 << 30)
            .await
            .unwrap();
        let slow = conn
            .subscribe(NAMES[1])
            .capacity_bytes(64_000)
            .await
            .unwrap();
        let mut unread_bytes = conn
            .subscribe(NAMES[2])
            .capacity_bytes(64_000)
            .await
            .unwrap();
        let mut unread_count = conn
            .subscribe(NAMES[3])
            .capacity_messages(100)
            .await
            .unwrap();
        let waits = conn
            .subscribe(NAMES[4])
            .capacity_bytes(64_000)
            .on_lag(Lag::Wait)
            .await
            .unwrap();
        let waits_slow = conn
            .subscribe(NAMES[5])
            .capacity_messages(50)
            .on_lag(Lag::Wait)
            .await
            .unwrap();
        let mut closes = conn
            .subscribe(NAMES[6])
            .capacity_messages(1_000)
            .on_lag(Lag::Close)
            .await
            .unwrap();
        let closes_ample = conn
            .subscribe(NAMES[7])
            .capacity_bytes(1 << 30)
            .on_lag(Lag::Close)
            .await
            .unwrap();

        let memory = resident();
        let over = Arc::new(AtomicBool::new(false));
        let commands = tokio::spawn({
            let (conn, over) = (conn.clone(), over.clone());
            async move { latency(&conn, over).await }
        });
        let readers = [
            (ample, false),
            (slow, true),
            (waits, false),
            (waits_slow, true),
            (closes_ample, false),
        ]
        .map(|(channel, is_slow)| tokio::spawn(read(channel, each, is_slow)));
        flood(&server, each).await;

        for (reader, may_lag) in readers.into_iter().zip([false, true, false, false, false]) {
            let (received, lagged) = within(300, reader).await.unwrap();
            assert_eq!(received + lagged, each);
            assert!(may_lag || lagged == 0);
        }
        over.store(true, Ordering::Relaxed);
        let flooded = commands.await.unwrap();
        eprintln!(
            "{protocol:?}: {each} messages to each of 8 channels; p99 of ECHO {quiet:?} without, {flooded:?} with them; \
             {} KiB resident before, {} KiB after",
            memory,
            resident(),
        );

        check_unread(&mut unread_bytes, each).await;
        eventually(100.min(each as usize), async || unread_count.buffered()).await;
        check_unread(&mut unread_count, each).await;
        for expected in 0..each.min(1_000) {
            assert_eq!(
                within(5, closes.get::<u64>()).await.unwrap(),
                Some(expected)
            );
        }
        if each > 1_000 {
            let error = within(5, closes.next()).await.unwrap().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::TooSlow));
        }
    }
}

/// Publishes the numbers from 0 up to `each` to every channel.
async fn flood(server: &Server, each: u64) {
    let publisher = asker(server).await;
    let mut next = 0;
    while next < each {
        let end = each.min(next + 250);
        let all = (next..end).flat_map(|n| NAMES.map(|name| (name, n)));
        let sent = publisher.pipeline_each(all, |pipeline, (name, n)| {
            pipeline.run(raw("PUBLISH").arg(name).arg(n).reply::<i64>())
        });
        sent.await.unwrap();
        next = end;
    }
}

/// Reads until every message is accounted for; gives how many came and how many were dropped.
async fn read(mut channel: Channel, each: u64, is_slow: bool) -> (u64, u64) {
    let (mut received, mut lagged) = (0, 0);
    while received + lagged < each {
        match channel.next().await.unwrap().unwrap() {
            Event::Message(message) => {
                // In order, and every gap is exactly as wide as it was said to be.
                assert_eq!(message.decode::<u64>().unwrap(), received + lagged);
                received += 1;
            }
            Event::Lagged(count) => lagged += count,
            Event::Resubscribed => panic!("the connection was lost"),
        }
        if is_slow && received % 200 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(channel.buffered(), 0);
    (received, lagged)
}

/// A channel that nobody read: what it holds is within its capacity, and is the newest.
async fn check_unread(channel: &mut Channel, each: u64) {
    assert!(channel.buffered_bytes() <= 64_000);
    let kept = channel.buffered() as u64;
    assert!(kept >= 100.min(each), "{kept}");
    if kept < each {
        let gap = within(5, channel.next()).await.unwrap().unwrap();
        assert_eq!(gap, Event::Lagged(each - kept));
    }
    for n in each - kept..each {
        assert_eq!(within(5, channel.get::<u64>()).await.unwrap(), Some(n));
    }
}

/// Asks for echoes, 500 at least, until it is over; gives the 99th percentile of how long one takes.
async fn latency(conn: &Connection, over: Arc<AtomicBool>) -> Duration {
    let mut times = Vec::new();
    while times.len() < 500 || !over.load(Ordering::Relaxed) {
        let n = times.len();
        let start = Instant::now();
        let echo: usize = conn.run(raw("ECHO").arg(n).reply()).await.unwrap();
        times.push(start.elapsed());
        assert_eq!(echo, n);
    }
    times.sort();
    times[times.len() * 99 / 100]
}

/// KiB of memory in use, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
