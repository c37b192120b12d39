//! A flood through eight channels whose readers are fast, slow, or never look: every message is accounted for, and
//! commands on the same socket keep their replies.
//!
//! `TYPEDIS_MESSAGES` sets how many messages are published. The test prints how long commands take without the flood, with it on
//! the same socket, and with it on another socket of the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// What the readers may hold together: twice the default, and four small ones.
const CAPACITY: u64 = 2 * (16 << 20) + 4 * 64_000;
/// What the publisher, and buffers of sockets, may hold besides.
const SLACK: u64 = 16 << 20;
/// How far the flood may be ahead of readers that keep up.
const AHEAD: u64 = 20_000;

/// How far the readers have come that the flood waits for.
#[derive(Default)]
struct Progress([AtomicU64; 2]);

impl Progress {
    fn least(&self) -> u64 {
        let all = self
            .0
            .iter()
            .map(|progress| progress.load(Ordering::Relaxed));
        all.min().unwrap_or(0)
    }
}

/// How a reader reads.
enum Pace {
    Fast,
    Slow,
    /// Fast enough, since the flood waits for it.
    Followed(Arc<Progress>, usize),
}

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

        let ample = conn.subscribe(NAMES[0]).await.unwrap();
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
        let closes_ample = conn.subscribe(NAMES[7]).on_lag(Lag::Close).await.unwrap();

        let memory = resident();
        let over = Arc::new(AtomicBool::new(false));
        let apart = Connection::open(config(&server, protocol)).await.unwrap();
        let commands = [conn.clone(), apart].map(|conn| {
            let over = over.clone();
            tokio::spawn(async move { latency(&conn, over).await })
        });
        let fast = Arc::new(Progress::default());
        let readers = [
            (ample, Pace::Followed(fast.clone(), 0)),
            (slow, Pace::Slow),
            (waits, Pace::Fast),
            (waits_slow, Pace::Slow),
            (closes_ample, Pace::Followed(fast.clone(), 1)),
        ]
        .map(|(channel, pace)| tokio::spawn(read(channel, each, pace)));
        within(300, flood(&server, each, &fast)).await;

        for (reader, may_lag) in readers.into_iter().zip([false, true, false, false, false]) {
            let (received, lagged) = within(300, reader).await.unwrap();
            assert_eq!(received + lagged, each);
            assert!(may_lag || lagged == 0);
        }
        over.store(true, Ordering::Relaxed);
        let [flooded, apart] = commands;
        let (flooded, apart) = (flooded.await.unwrap(), apart.await.unwrap());
        let grown = resident().saturating_sub(memory);
        eprintln!(
            "{protocol:?}: {each} messages to each of 8 channels; p99 of ECHO {quiet:?} without, {flooded:?} with them, \
             {apart:?} beside them; {grown} KiB more resident, of {memory} KiB",
        );
        // Other tests share the process, unless this one was asked for by itself.
        if std::env::var_os("TYPEDIS_MESSAGES").is_some() {
            assert!(grown * 1_024 < CAPACITY + SLACK, "{grown} KiB more");
        }

        check_unread(&mut unread_bytes, each).await;
        eventually(100.min(each as usize), async || unread_count.buffered()).await;
        check_unread(&mut unread_count, each).await;
        for expected in 0..each.min(1_000) {
            assert_eq!(
                within(20, closes.get::<u64>()).await.unwrap(),
                Some(expected)
            );
        }
        if each > 1_000 {
            let error = within(20, closes.next()).await.unwrap().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::TooSlow));
        }
    }
}

/// Publishes the numbers from 0 up to `each` to every channel.
async fn flood(server: &Server, each: u64, fast: &Progress) {
    let publisher = asker(server).await;
    let mut next = 0;
    while next < each {
        while next > fast.least() + AHEAD {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
async fn read(mut channel: Channel, each: u64, pace: Pace) -> (u64, u64) {
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
            event => panic!("{event:?}"),
        }
        match &pace {
            Pace::Fast => {}
            Pace::Slow if received % 200 == 0 => tokio::time::sleep(Duration::from_millis(1)).await,
            Pace::Slow => {}
            Pace::Followed(progress, reader) => {
                progress.0[*reader].store(received, Ordering::Relaxed)
            }
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
        let gap = within(20, channel.next()).await.unwrap().unwrap();
        assert_eq!(gap, Event::Lagged(each - kept));
    }
    for n in each - kept..each {
        assert_eq!(within(20, channel.get::<u64>()).await.unwrap(), Some(n));
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
    percentile(times)
}

/// The 99th.
fn percentile(mut times: Vec<Duration>) -> Duration {
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

/// Who handles a message for a long time holds up no command on the same socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_sleeps_holds_up_no_command() {
    const CAPACITY: u64 = 100;
    for protocol in PROTOCOLS {
        let server = Server::start(crate::support::KINDS[0]).unwrap();
        let publisher = asker(&server).await;
        let conn = Connection::open(config(&server, protocol)).await.unwrap();
        let subscribing = conn.subscribe("slow").capacity_messages(CAPACITY as usize);
        let mut channel = subscribing.await.unwrap();
        let (has_one, begun) = tokio::sync::oneshot::channel();
        let (woken, wakes) = tokio::sync::oneshot::channel();
        let sleeper = tokio::spawn(async move {
            let first = channel.next().await;
            assert!(matches!(first, Some(Ok(Event::Message(_)))), "{first:?}");
            has_one.send(()).unwrap();
            // As if to handle it took that long.
            wakes.await.unwrap();
            channel
        });
        const MESSAGES: u64 = 20 * CAPACITY;
        let mut begun = Some(begun);
        for n in 0..MESSAGES {
            crate::support::publish(&publisher, "slow", "message").await;
            if let Some(begun) = begun.take() {
                within(20, begun).await.unwrap();
            }
            let echo = conn.run(raw("ECHO").arg(n).reply::<u64>());
            assert_eq!(within(20, echo).await.unwrap(), n);
        }
        // By its own messages, the reader was far behind.
        woken.send(()).unwrap();
        let mut channel = within(20, sleeper).await.unwrap();
        let gap = within(20, channel.next()).await.unwrap().unwrap();
        assert_eq!(gap, Event::Lagged(MESSAGES - 1 - CAPACITY), "{protocol:?}");
    }
}
