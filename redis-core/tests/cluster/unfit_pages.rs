//! Scans with a page that cannot be given out: what it holds is not lost.

use std::collections::BTreeSet;

use typedis_core::cluster::Cluster;
use typedis_core::{
    CommandInfo, Cursor, ErrorKind, FromRedis, IntoHost, IntoScanStream, Naming, PatternPlace,
    Request, ScanStream, Step, Target, WithPrefix,
};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::scans::{HSCAN, SCAN, bulk};
use crate::support::*;

/// Its replies have names of keys.
static NAMED: CommandInfo = SCAN.naming(
    &Naming::NONE
        .pattern(PatternPlace::After("MATCH"))
        .in_reply(&[&[Step::Nth(1), Step::Each]]),
);

/// A node of a version before 8 with these keys, one a page.
async fn node(keys: &'static [&'static [u8]]) -> (FakeCluster, Cluster) {
    let fake = FakeCluster::start(1, move |asked| {
        let (name, what) = (asked.command.name(), asked.command.text(1));
        match (name.as_str(), what.as_str()) {
            ("CLUSTERSCAN", _) => Answer::error("ERR unknown command"),
            ("SCAN", cursor) => page(keys, cursor),
            ("HSCAN", _) => page(keys, &asked.command.text(2)),
            ("CLUSTER", "NODES") => bulk(&format!(
                "{:040x} 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n",
                asked.node
            )),
            ("INFO", _) => bulk("redis_version:7.2.0\r\nrun_id:one\r\n"),
            _ => Answer::Usual,
        }
    });
    let fake = fake.await.unwrap();
    let cluster = connect(&fake).await;
    (fake, cluster)
}

fn page(keys: &[&[u8]], cursor: &str) -> Answer {
    let at: usize = cursor.parse().unwrap();
    let next = (at + 1) % keys.len();
    let mut page = format!("*2\r\n+{next}\r\n*1\r\n${}\r\n", keys[at].len()).into_bytes();
    page.extend_from_slice(keys[at]);
    page.extend_from_slice(b"\r\n");
    Answer::Reply(page)
}

fn scan<'h, T: Target, R: FromRedis>(
    target: T,
    info: &'static CommandInfo,
    cursor: impl Into<Cursor>,
) -> ScanStream<'h, R>
where
    T::Sink: IntoHost<'h>,
{
    let cursor = cursor.into();
    let request: Request<T::Sink, (u64, Vec<R>)> = Request::new(target, info, |args| {
        if info.name == HSCAN.name {
            args.key("key", "h");
        }
        args.args("cursor", &cursor);
    });
    request.stream()
}

/// Reads up to the error, and gives what came before it and the saved cursor.
async fn up_to_the_error(mut stream: ScanStream<'_, String>) -> (BTreeSet<Vec<u8>>, String) {
    let mut found = BTreeSet::new();
    let error = loop {
        match soon("a scan", stream.try_next()).await {
            Ok(key) => {
                found.insert(key.unwrap().into_bytes());
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert!(soon("the end", stream.next()).await.is_none());
    let cursor = stream.cursor().unwrap();
    (found, cursor.to_string())
}

#[tokio::test]
async fn a_page_that_does_not_fit_is_read_again_with_another_type() {
    let all: &[&[u8]] = &[b"k0", b"\xff", b"k2"];
    // In the middle, and as the last page.
    for keys in [all, &all[..2]] {
        for info in [&SCAN, &HSCAN] {
            let (_fake, cluster) = node(keys).await;
            let (mut found, cursor) = up_to_the_error(scan(&cluster, info, 0)).await;
            let rest = scan::<_, Vec<u8>>(&cluster, info, cursor);
            found.extend(
                soon("the rest", rest.try_collect::<Vec<_>>())
                    .await
                    .unwrap(),
            );
            let expected = keys.iter().map(|key| key.to_vec()).collect();
            assert_eq!(found, expected, "{}", info.name);
        }
    }
}

/// The only page is the last one, too.
#[tokio::test]
async fn a_scan_whose_only_page_does_not_fit_is_not_complete() {
    for info in [&SCAN, &HSCAN] {
        let (_fake, cluster) = node(&[b"\xff"]).await;
        let (found, cursor) = up_to_the_error(scan(&cluster, info, 0)).await;
        assert!(found.is_empty());
        let rest = scan::<_, Vec<u8>>(&cluster, info, cursor);
        let rest: Vec<Vec<u8>> = soon("the rest", rest.try_collect()).await.unwrap();
        assert_eq!(rest, [b"\xff"], "{}", info.name);
    }
}

/// A name without the prefix of the handle ends the scan, too, and says that the name is not what was asked for.
#[tokio::test]
async fn a_page_with_a_name_of_somebody_else_is_not_skipped() {
    let (_fake, cluster) = node(&[b"app:a", b"b", b"app:c"]).await;
    let app = cluster.with_prefix("app:");
    let (mut found, cursor) = up_to_the_error(scan(&app, &NAMED, 0)).await;
    let rest = scan::<_, Vec<u8>>(&cluster, &SCAN, cursor);
    let rest: Vec<Vec<u8>> = soon("the rest", rest.try_collect()).await.unwrap();
    assert!(rest.contains(&b"b".to_vec()), "{rest:?}");
    found.extend(rest);
    let expected = ["a", "b", "app:c"].map(|key| key.as_bytes().to_vec());
    assert_eq!(found, expected.into());
}
