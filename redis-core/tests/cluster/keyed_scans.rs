//! Scans of one key, of which another node has to go on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    CommandInfo, Cursor, IntoHost, IntoScanStream, Request, Run, ScanStream, Target, WithPrefix,
    raw,
};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::scans::{HSCAN, SSCAN, ZSCAN};
use crate::support::*;

/// The key on the server.
const KEY: &str = "app:letters";

/// A page of a scan.
fn page(next: u32, letters: &[&str]) -> Answer {
    let mut text = format!("*2\r\n$1\r\n{next}\r\n*{}\r\n", letters.len());
    for letter in letters {
        text += &format!("$1\r\n{letter}\r\n");
    }
    Answer::Reply(text.into_bytes())
}

/// Two nodes that have the key one after the other: the first gives a page and the cursor 5, and names the second from then on. What
/// this cursor means there is something else.
async fn moving() -> FakeCluster {
    let fake = FakeCluster::start(2, |asked| {
        let (name, key) = (asked.command.name(), asked.command.text(1));
        if !name.ends_with("SCAN") || key != KEY {
            return Answer::Usual;
        }
        match (asked.node, asked.command.text(2).as_str()) {
            (0, "0") => page(5, &["a"]),
            (0, _) => Answer::moved(slot(KEY), asked.addr(1)),
            (_, "0") => page(9, &["b", "a"]),
            (_, "9") => page(0, &["c"]),
            (_, _) => page(0, &[]),
        }
    });
    let fake = fake.await.unwrap();
    fake.assign(0..=16_383, 0);
    fake
}

fn letters<'h, T: Target>(
    target: T,
    info: &'static CommandInfo,
    key: &str,
) -> ScanStream<'h, String>
where
    T::Sink: IntoHost<'h>,
{
    let cursor = Cursor::default();
    let request: Request<T::Sink, (u64, Vec<String>)> = Request::new(target, info, |args| {
        args.key("key", key);
        args.args("cursor", &cursor);
    });
    request.stream()
}

/// The cursors with which a node was asked.
fn cursors(fake: &FakeCluster, node: usize, info: &CommandInfo) -> Vec<String> {
    let fake = fake.node(node);
    let all = (0..fake.connections()).flat_map(|number| fake.received(number));
    let scans = all.filter(|words| words.name() == info.name);
    scans.map(|words| words.text(2)).collect()
}

#[tokio::test]
async fn another_node_is_asked_from_the_beginning_also_with_a_prefix() {
    for info in [&HSCAN, &SSCAN, &ZSCAN] {
        for prefix in ["", "app:"] {
            let fake = moving().await;
            let cluster = connect(&fake).await;
            let app = cluster.with_prefix(prefix);
            let mut stream = match prefix {
                "" => letters(&cluster, info, KEY),
                _ => letters(&app, info, "letters"),
            };
            let first = soon("a page", stream.try_next()).await.unwrap();
            assert_eq!(first.as_deref(), Some("a"));
            fake.assign(0..=16_383, 1);
            let rest: Vec<String> = soon("the rest", stream.try_collect()).await.unwrap();
            let case = format!("{} {prefix}", info.name);
            assert_eq!(rest, ["b", "a", "c"], "{case}");
            assert_eq!(cursors(&fake, 0, info).first().unwrap(), "0", "{case}");
            assert_eq!(cursors(&fake, 1, info), ["5", "0", "9"], "{case}");
        }
    }
}

/// A node that may be restarted: its processes have the letters in different orders, and cursors of one mean something else, or
/// nothing, to the other.
struct Restarted {
    fake: FakeCluster,
    process: Arc<AtomicUsize>,
}

impl Restarted {
    async fn start() -> Self {
        let process = Arc::new(AtomicUsize::new(0));
        let present = process.clone();
        let fake = FakeCluster::start(1, move |asked| {
            let process = present.load(Ordering::Relaxed);
            let name = asked.command.name();
            match (name.as_str(), process, asked.command.text(2).as_str()) {
                ("INFO", ..) => {
                    let text = format!("# Server\r\nrun_id:process{process}\r\n");
                    Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
                }
                ("TOUCH", ..) => Answer::Close,
                ("HSCAN", 0, "0") => page(5, &["a"]),
                ("HSCAN", 0, "5") => page(7, &["b"]),
                ("HSCAN", 0, "7") => page(0, &["c"]),
                ("HSCAN", _, "0") => page(9, &["c", "b"]),
                ("HSCAN", _, "9") => page(0, &["a"]),
                ("HSCAN", ..) => page(0, &[]),
                _ => Answer::Usual,
            }
        });
        let fake = fake.await.unwrap();
        Self { fake, process }
    }

    fn restart(&self) {
        self.process.store(1, Ordering::Relaxed);
    }

    /// Has the socket closed that the scan goes over.
    async fn lose_socket(&self, cluster: &Cluster) {
        let lost = cluster.run(raw("TOUCH").key(KEY).reply::<i64>());
        soon("a loss", lost).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_process_that_was_started_while_the_socket_was_closed_is_asked_from_the_beginning() {
    let node = Restarted::start().await;
    let config = config(&node.fake.node(0).url()).idle_timeout(Duration::from_millis(20));
    let cluster = Cluster::open(config).await.unwrap();
    let mut stream = letters(&cluster, &HSCAN, KEY);
    let first = soon("a page", stream.try_next()).await.unwrap();
    assert_eq!(first.as_deref(), Some("a"));
    until("the socket is closed", || {
        cluster.stats()[0].1.connected == 0
    })
    .await;
    node.restart();
    let rest: Vec<String> = soon("the rest", stream.try_collect()).await.unwrap();
    assert_eq!(rest, ["c", "b", "a"]);
}

/// The caller waits for something else at first, as `select!` does.
#[tokio::test]
async fn a_page_that_was_read_after_a_restart_is_not_taken_for_one_of_the_new_process() {
    let node = Restarted::start().await;
    let cluster = connect(&node.fake).await;
    let mut stream = letters(&cluster, &HSCAN, KEY);
    let answered = || cluster.stats()[0].1.answered;
    let before = answered();
    {
        let mut next = pin!(stream.try_next());
        let is_pending = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending()));
        assert!(is_pending.await);
        until("the page is here", || answered() > before).await;
    }
    node.restart();
    node.lose_socket(&cluster).await;
    let found: Vec<String> = soon("the letters", stream.try_collect()).await.unwrap();
    assert!(
        found.ends_with(&["c", "b", "a"].map(str::to_owned)),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_same_process_goes_on_over_a_new_socket() {
    let node = Restarted::start().await;
    let cluster = connect(&node.fake).await;
    let mut stream = letters(&cluster, &HSCAN, KEY);
    for letter in ["a", "b", "c"] {
        let found = soon("a page", stream.try_next()).await.unwrap();
        assert_eq!(found.as_deref(), Some(letter));
        node.lose_socket(&cluster).await;
    }
    assert_eq!(soon("the end", stream.try_next()).await.unwrap(), None);
    let asked = cursors(&node.fake, 0, &HSCAN);
    let mut in_order = asked.clone();
    in_order.sort();
    assert_eq!(asked, in_order, "it began again");
}

/// A page that came over ASK is believed once it is known who gave it.
#[tokio::test]
async fn a_key_on_its_way_is_gone_through_at_the_node_that_has_it() {
    let fake = FakeCluster::start(2, |asked| {
        let name = asked.command.name();
        match (name.as_str(), asked.node, asked.command.text(2).as_str()) {
            ("HSCAN", 0, _) => Answer::ask(slot(KEY), asked.addr(1)),
            ("HSCAN", _, "0") => page(5, &["a"]),
            ("HSCAN", _, "5") => page(0, &["b"]),
            _ => Answer::Usual,
        }
    });
    let fake = fake.await.unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect(&fake).await;
    let stream = letters(&cluster, &HSCAN, KEY);
    let found: Vec<String> = soon("the letters", stream.try_collect()).await.unwrap();
    assert_eq!(found, ["a", "b"]);
}
