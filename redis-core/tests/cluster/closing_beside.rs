//! The end of a cluster on other sockets than those that primaries share: of replicas, of leases and of nodes alone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Notify, mpsc};
use typedis_core::cluster::{Cluster, ReadFrom};
use typedis_core::{CommandInfo, ErrorKind, Phase, Protocol, Request, Run, raw};
use typedis_testkit::fake::{Answer, Fake, FakeCluster, Peer};

use crate::closing::{KEY, OTHER, begin_to_close, fake, is_closed, there};
use crate::support::*;

static CACHED_GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();

fn read(view: &Cluster) -> Request<&Cluster, Option<String>> {
    Request::new(view, &CACHED_GET, |args| args.key("key", KEY))
}

/// Neither at a replica nor at the primary in its place, nor is a replica taken for sick.
#[tokio::test]
async fn reads_from_replicas_are_refused_like_others() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "GET" => there(),
        "INCR" => Answer::Silence,
        "INFO" => {
            let text = "role:slave\r\nmaster_link_status:up\r\n";
            Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
        }
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    fake.assign(5_061..=5_061, 2);
    fake.set_replicas(0, &[1]);
    let cluster = connect(&fake).await;
    let views = [ReadFrom::Replica, ReadFrom::PreferReplica, ReadFrom::Any];
    let views = views.map(|view| cluster.read_from(view));
    soon("a read", read(&views[0])).await.unwrap();
    let sent = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(incr(OTHER)).await }
    });
    until("it was sent", || fake.count(2, "INCR") == 1).await;
    let closing = begin_to_close(&cluster).await;
    let before = [0, 1].map(|node| fake.count(node, "GET"));
    let are_refused = async || {
        for view in views.iter().chain(&views) {
            let error = soon("a refusal", read(view)).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Closed), "{error:?}");
            assert_eq!(error.phase(), Phase::NotSent);
            assert!(!error.is_retryable(), "{error}");
        }
    };
    are_refused().await;
    assert!(!closing.is_finished());
    cluster.abort();
    let _ = soon("the end", closing).await.unwrap();
    are_refused().await;
    assert_eq!([0, 1].map(|node| fake.count(node, "GET")), before);
    assert!(soon("an error", sent).await.unwrap().is_err());
}

/// A server that is no cluster, and hands out an element when it is asked to end the wait for it.
async fn hands_out_at_the_end(
    peer: &mut Peer,
    waits: &Notify,
    ends: &Notify,
) -> std::io::Result<()> {
    while let Some(words) = peer.command().await? {
        let answer = match (words.name().as_str(), words.text(1).as_str()) {
            ("CLUSTER", _) => "-ERR This instance has cluster support disabled\r\n",
            ("CLIENT", "ID") => ":7\r\n",
            ("CLIENT", "UNBLOCK") => {
                ends.notify_one();
                ":1\r\n"
            }
            ("BLPOP", _) => {
                waits.notify_one();
                ends.notified().await;
                "*2\r\n$4\r\njobs\r\n$3\r\njob\r\n"
            }
            _ => "+OK\r\n",
        };
        peer.send(answer).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_element_that_nobody_waits_for_is_reported_before_the_end() {
    let (waits, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waiting, ending) = (waits.clone(), ends.clone());
    let fake = Fake::start(move |mut peer| {
        let (waits, ends) = (waiting.clone(), ending.clone());
        async move { hands_out_at_the_end(&mut peer, &waits, &ends).await }
    });
    let fake = fake.await.unwrap();
    let config = config(&fake.url()).protocol(Protocol::Resp2);
    let cluster = Cluster::open(config).await.unwrap();
    let (sender, mut reports) = mpsc::unbounded_channel();
    cluster.on_unclaimed(move |unclaimed| {
        let popped = unclaimed.decode::<(String, String)>().unwrap();
        sender.send(popped.1).unwrap();
    });
    let call = tokio::spawn({
        let cluster = cluster.clone();
        let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
        async move { cluster.run(pop.reply::<(String, String)>()).await }
    });
    soon("BLPOP is sent", waits.notified()).await;
    let closing = begin_to_close(&cluster).await;
    call.abort();
    let reported = soon("the report", reports.recv()).await;
    assert_eq!(reported.as_deref(), Some("job"));
    assert!(soon("the end", closing).await.unwrap().is_clean());
}

/// Who has a handle to it alone may have asked it for something.
#[tokio::test]
async fn a_node_that_has_left_accepts_nothing_either() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |asked, _| match asked.node {
        2 => Answer::moved(12_182, asked.addr(3)),
        _ => there(),
    })
    .await;
    let cluster = connect(&fake).await;
    let (_, alone) = cluster.primaries().pop().unwrap();
    soon("a reply", alone.run(get(OTHER))).await.unwrap();
    fake.assign(10_923..=16_383, 3);
    soon("a reply", cluster.run(get(KEY))).await.unwrap();
    let left = fake.node(2).addr().to_string();
    until("it has left", || {
        let topology = cluster.topology();
        let mut nodes = topology.nodes().iter();
        nodes.all(|node| node.address.to_string() != left)
    })
    .await;
    let sent = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(incr(OTHER)).await }
    });
    until("it was sent", || fake.count(0, "INCR") == 1).await;
    let closing = begin_to_close(&cluster).await;
    let outcome = soon("a refusal", alone.run(get(OTHER))).await;
    assert!(is_closed(outcome, Phase::NotSent));
    cluster.abort();
    let _ = soon("the end", closing).await.unwrap();
    assert!(soon("an error", sent).await.unwrap().is_err());
}
