//! Scans that fail before anything is sent.

use typedis_core::cluster::Cluster;
use typedis_core::{
    ArgError, ArgWriter, CommandInfo, Cursor, ErrorKind, IntoScanStream, Phase, Request, Run,
    ScanStream, ToArg,
};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::scans::{HSCAN, SCAN, SSCAN, ZSCAN};
use crate::support::*;

/// A pattern that is begun, and then cannot be sent.
struct Begun;

impl ToArg for Begun {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text("x");
        Err(ArgError::new("half of the pattern is missing"))
    }
}

/// Nodes that would answer any scan with a page.
async fn nodes() -> FakeCluster {
    FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "GET" => Answer::Reply(b"$3\r\nbar\r\n".to_vec()),
        name if name.ends_with("SCAN") => Answer::Reply(b"*2\r\n$1\r\n0\r\n*0\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap()
}

fn scan(
    cluster: &Cluster,
    info: &'static CommandInfo,
    cursor: &str,
    pattern: &impl ToArg,
) -> ScanStream<'static, String> {
    let cursor = Cursor::from(cursor);
    let request: Request<&Cluster, (u64, Vec<String>)> = Request::new(cluster, info, |args| {
        if info.name != SCAN.name {
            args.key("key", "h");
        }
        args.args("cursor", &cursor);
        args.word("MATCH");
        args.arg("pattern", pattern);
    });
    request.stream()
}

/// No scan has come to any node, and the replies to other commands are in their places.
async fn nothing_was_sent(fake: &FakeCluster, cluster: &Cluster) {
    for key in ["a", "b", "c"] {
        let value = soon("GET", cluster.run(get(key))).await.unwrap();
        assert_eq!(value.as_deref(), Some("bar"));
    }
    for node in 0..2 {
        for name in ["SCAN", "CLUSTERSCAN", "HSCAN", "SSCAN", "ZSCAN"] {
            assert_eq!(fake.count(node, name), 0, "{name}");
        }
    }
}

#[tokio::test]
async fn a_scan_with_an_argument_that_cannot_be_sent_fails_with_the_reason() {
    let fake = nodes().await;
    let cluster = connect(&fake).await;
    for info in [&SCAN, &HSCAN, &SSCAN, &ZSCAN] {
        let mut stream = scan(&cluster, info, "0", &Begun);
        let error = soon("a scan", stream.try_next()).await.unwrap_err();
        assert!(error.to_string().contains("half of the pattern"), "{error}");
        assert_eq!(error.command(), Some(info.name));
        assert_eq!(error.phase(), Phase::NotSent);
        assert!(stream.try_next().await.unwrap().is_none(), "it has ended");
        assert_eq!(stream.cursor(), Some(Cursor::default()));
    }
    nothing_was_sent(&fake, &cluster).await;
}

#[tokio::test]
async fn a_scan_of_one_key_refuses_a_cursor_that_no_server_has_given() {
    let fake = nodes().await;
    let cluster = connect(&fake).await;
    for info in [&HSCAN, &SSCAN, &ZSCAN] {
        for wrong in ["scan1.0-9", "17x", ""] {
            let mut stream = scan(&cluster, info, wrong, &"*");
            let error = soon("a scan", stream.try_next()).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
            assert!(error.to_string().contains("over a cluster"), "{error}");
            assert_eq!(error.command(), Some(info.name));
            assert!(stream.try_next().await.unwrap().is_none(), "it has ended");
        }
    }
    nothing_was_sent(&fake, &cluster).await;
}

#[tokio::test]
async fn a_scan_that_had_been_sent_before_says_so() {
    let fake = nodes().await;
    let cluster = connect(&fake).await;
    let cursor = Cursor::default();
    let request: Request<&Cluster, (u64, Vec<String>)> = Request::new(&cluster, &HSCAN, |args| {
        args.key("key", "h");
        args.args("cursor", &cursor);
    });
    let mut stream = request.send().stream();
    let error = soon("a scan", stream.try_next()).await.unwrap_err();
    assert!(error.to_string().contains("had been sent"), "{error}");
    assert!(stream.try_next().await.unwrap().is_none(), "it has ended");
}
