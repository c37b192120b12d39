//! Scans of one key, of which another node has to go on.

use typedis_core::cluster::slot;
use typedis_core::{
    CommandInfo, Cursor, IntoHost, IntoScanStream, Request, ScanStream, Target, WithPrefix,
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
