//! The end of a cluster: what is on its way goes on, what is new is refused, and nothing is left open.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use typedis_core::cluster::Cluster;
use typedis_core::{Budget, Closed, Error, ErrorKind, Phase, Result, Run, raw};
use typedis_testkit::fake::{Answer, Asked, FakeCluster};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

/// Slot 12182, which the last of three nodes has.
pub(crate) const KEY: &str = "foo";

/// Slot 5061, which the first has.
pub(crate) const OTHER: &str = "bar";

/// Too short for any reply that does not come.
const SHORT: Duration = Duration::from_millis(50);

pub(crate) fn there() -> Answer {
    Answer::Reply(b"+there\r\n".to_vec())
}

pub(crate) fn is_closed<T: std::fmt::Debug>(outcome: Result<T>, phase: Phase) -> bool {
    let error = outcome.unwrap_err();
    matches!(error.kind(), ErrorKind::Closed) && error.phase() == phase
}

/// Begins to close, and waits until nothing new is accepted.
pub(crate) async fn begin_to_close(cluster: &Cluster) -> JoinHandle<Closed> {
    let closing = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.close().within(LONG).await }
    });
    let refused = async {
        loop {
            // On the node in the middle, which never owes a reply here.
            let call = cluster.run(get("begin")).deadline(LONG);
            match call.await {
                Ok(_) => tokio::task::yield_now().await,
                outcome => break assert!(is_closed(outcome, Phase::NotSent)),
            }
        }
    };
    soon("a refusal", refused).await;
    closing
}

/// Four nodes, of which the map has three. `script` is told whether the cluster is being closed, and asked about GET of the key only.
/// Nothing is the answer to INCR.
pub(crate) async fn fake(
    is_closing: &Arc<AtomicBool>,
    script: impl Fn(&Asked<'_>, bool) -> Answer + Send + Sync + 'static,
) -> FakeCluster {
    let is_closing = is_closing.clone();
    let fake = FakeCluster::start(4, move |asked| {
        match (asked.command.name().as_str(), asked.command.text(1)) {
            ("GET", key) if key == KEY => script(asked, is_closing.load(Ordering::SeqCst)),
            ("INCR", _) => Answer::Silence,
            ("GET", _) => there(),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=5_460, 0);
    fake.assign(5_461..=10_922, 1);
    fake.assign(10_923..=16_383, 2);
    fake
}

async fn all_sockets_are_closed(fake: &FakeCluster) {
    for node in 0..4 {
        until("its sockets are closed", || {
            fake.node(node).open_connections() == 0
        })
        .await;
    }
}

/// A command that a node does not carry out, until closing has begun: then it is on another node.
async fn goes_on(answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, move |asked, is_closing| match asked.node {
        2 if !is_closing => Answer::error("CLUSTERDOWN Hash slot not served"),
        _ => answer(asked),
    })
    .await;
    let cluster = connect(&fake).await;
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("it is refused", || fake.count(2, "GET") > 1).await;
    let closing = begin_to_close(&cluster).await;
    assert!(!cluster.is_closed());
    is_closing.store(true, Ordering::SeqCst);
    let reply = soon("the reply", call).await.unwrap().unwrap();
    assert_eq!(reply.as_deref(), Some("there"));
    let closed = soon("the end", closing).await.unwrap();
    assert!(closed.is_clean() && closed.answered > 0, "{closed:?}");
    assert!(cluster.is_closed());
    assert!(is_closed(cluster.run(get(KEY)).await, Phase::NotSent));
    all_sockets_are_closed(&fake).await;
}

#[tokio::test]
async fn a_command_that_waits_for_its_node_is_carried_out_before_the_end() {
    goes_on(|_| there()).await;
}

/// Also to one that is not in the map, to which there is no socket yet.
#[tokio::test]
async fn a_command_that_is_sent_elsewhere_is_carried_out_before_the_end() {
    for node in [0, 3] {
        goes_on(move |asked| match asked.node {
            2 => Answer::moved(12_182, asked.addr(node)),
            _ => there(),
        })
        .await;
        goes_on(move |asked| match asked.node {
            2 => Answer::ask(12_182, asked.addr(node)),
            _ if asked.asking => there(),
            _ => Answer::moved(12_182, asked.addr(2)),
        })
        .await;
    }
}

/// The map is asked for as long as something waits for it.
#[tokio::test]
async fn a_command_whose_node_is_replaced_is_carried_out_before_the_end() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |asked, _| match asked.node {
        2 => Answer::error("CLUSTERDOWN Hash slot not served"),
        _ => there(),
    })
    .await;
    let cluster = connect(&fake).await;
    let calls = [get(KEY), get(KEY)].map(|get| {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let (reply, number) = cluster.pipeline().run(get).run(get_other()).await?;
            Ok::<_, Error>((reply, number))
        })
    });
    until("it is refused", || fake.count(2, "GET") > 1).await;
    let closing = begin_to_close(&cluster).await;
    fake.assign(12_182..=12_182, 3);
    for call in calls {
        let replies = soon("the replies", call).await.unwrap().unwrap();
        let there = || Some("there".to_owned());
        assert_eq!(replies, (there(), there()));
    }
    assert!(soon("the end", closing).await.unwrap().is_clean());
    all_sockets_are_closed(&fake).await;
}

/// The map is asked for also because of what is in flight at a node that does not answer.
#[tokio::test]
async fn a_command_whose_node_hangs_and_is_replaced_is_carried_out_before_the_end() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |asked, _| match asked.node {
        2 => Answer::Silence,
        _ => there(),
    })
    .await;
    // The answer to a PING would be taken for that to the command.
    let config = config(&fake.node(0).url()).liveness(None);
    let cluster = Cluster::open(config).await.unwrap();
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("it was sent", || fake.count(2, "GET") == 1).await;
    let closing = begin_to_close(&cluster).await;
    fake.assign(10_923..=16_383, 3);
    let reply = soon("the reply", call).await.unwrap().unwrap();
    assert_eq!(reply.as_deref(), Some("there"));
    assert_eq!(fake.count(3, "GET"), 1);
    assert!(soon("the end", closing).await.unwrap().is_clean());
    all_sockets_are_closed(&fake).await;
}

/// A node answers when closing has begun. Until then its budget is used up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_parts_of_what_was_sent_go_on_and_what_was_not_sent_is_refused() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let state = is_closing.clone();
    let fake = fake(&is_closing, move |_, _| {
        tokio::task::block_in_place(|| {
            until_blocking("closing begins", || state.load(Ordering::SeqCst));
        });
        there()
    })
    .await;
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = config(&fake.node(0).url()).budget(budget);
    let cluster = Cluster::open(config).await.unwrap();
    let single = |key: &str| {
        let (cluster, get) = (cluster.clone(), get(key));
        tokio::spawn(async move { cluster.run(get).await })
    };
    let waiting = |count| {
        let stats = cluster.stats();
        stats.iter().map(|(_, stats)| stats.waiting).sum::<usize>() == count
    };
    let sent = single(KEY);
    until("it was sent", || fake.count(2, "GET") == 1).await;
    let pipeline = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.pipeline().run(get(OTHER)).run(get("{foo}2")).await }
    });
    until("a part was sent, the other waits", || {
        fake.count(0, "GET") == 1 && waiting(1)
    })
    .await;
    let unsent = single("{foo}3");
    until("it waits", || waiting(2)).await;
    let closing = begin_to_close(&cluster).await;
    assert!(is_closed(
        soon("an error", unsent).await.unwrap(),
        Phase::NotSent
    ));
    is_closing.store(true, Ordering::SeqCst);
    let reply = Some("there".to_owned());
    assert_eq!(soon("the reply", sent).await.unwrap().unwrap(), reply);
    let replies = soon("the replies", pipeline).await.unwrap().unwrap();
    assert_eq!(replies, (reply.clone(), reply));
    assert!(soon("the end", closing).await.unwrap().is_clean());
    all_sockets_are_closed(&fake).await;
}

fn get_other() -> typedis_core::Raw<Option<String>> {
    get("other")
}

#[tokio::test]
async fn closing_gives_up_at_its_deadline_and_says_what_was_lost() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |_, _| {
        Answer::error("TRYAGAIN Multiple keys request during rehashing of slot")
    })
    .await;
    let cluster = connect(&fake).await;
    let sent = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(incr(OTHER)).await }
    });
    let waits = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("they were sent", || {
        fake.count(0, "INCR") == 1 && fake.count(2, "GET") > 0
    })
    .await;
    assert!(cluster.in_flight() >= 1 && cluster.is_connected());
    let closed = soon("the end", cluster.close().within(SHORT).into_future()).await;
    assert_eq!((closed.failed, closed.leased), (2, 0), "{closed:?}");
    let sent = soon("an error", sent).await.unwrap();
    assert!(is_closed(sent, Phase::MaybeApplied));
    // It was refused: with this refusal, or because it could not go on. Or it was under way once more.
    let error = soon("an error", waits).await.unwrap().unwrap_err();
    let phases: &[Phase] = match error.kind() {
        ErrorKind::Closed => &[Phase::NotSent, Phase::MaybeApplied],
        _ => &[Phase::Refused],
    };
    assert!(phases.contains(&error.phase()), "{error}");
    assert_eq!(cluster.in_flight(), 0);
    assert!(!cluster.is_connected());
    all_sockets_are_closed(&fake).await;
    // Closing what is closed does nothing.
    assert_eq!(cluster.close().await, Closed::default());
    cluster.abort();
}

#[tokio::test]
async fn a_cluster_whose_closing_was_given_up_closes_all_the_same() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |_, is_closing| match is_closing {
        false => Answer::error("CLUSTERDOWN Hash slot not served"),
        true => there(),
    })
    .await;
    let cluster = connect(&fake).await;
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("it is refused", || fake.count(2, "GET") > 1).await;
    let lease = cluster.exclusive_for(OTHER).await.unwrap();
    let closing = begin_to_close(&cluster).await;
    closing.abort();
    assert!(soon("its end", closing).await.unwrap_err().is_cancelled());
    assert!(!cluster.is_closed());
    assert!(is_closed(
        cluster.exclusive_for(OTHER).await,
        Phase::NotSent
    ));
    is_closing.store(true, Ordering::SeqCst);
    soon("the reply", call).await.unwrap().unwrap();
    until("it is closed", || cluster.is_closed()).await;
    drop(lease);
    all_sockets_are_closed(&fake).await;
}

#[tokio::test]
async fn abort_ends_everything_at_once() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |_, _| {
        Answer::error("CLUSTERDOWN Hash slot not served")
    })
    .await;
    let cluster = connect(&fake).await;
    let lease = cluster.exclusive_for(OTHER).await.unwrap();
    let calls = [("INCR", OTHER), ("GET", KEY)].map(|(name, key)| {
        let (cluster, call) = (cluster.clone(), raw(name).key(key).reply::<i64>());
        tokio::spawn(async move { cluster.run(call).await })
    });
    until("they were sent", || {
        fake.count(0, "INCR") == 1 && fake.count(2, "GET") > 0
    })
    .await;
    cluster.abort();
    assert!(cluster.is_closed());
    for call in calls {
        assert!(soon("an error", call).await.unwrap().is_err());
    }
    assert!(is_closed(cluster.run(get(OTHER)).await, Phase::NotSent));
    assert!(is_closed(
        cluster.exclusive_for(OTHER).await,
        Phase::NotSent
    ));
    lease.run(raw("PING").reply::<String>()).await.unwrap();
    drop(lease);
    all_sockets_are_closed(&fake).await;
}

/// A cluster for this test alone, behind proxies that see all sockets of the client.
async fn behind_proxies() -> (Arc<Servers>, Vec<typedis_testkit::proxy::Proxy>) {
    let builder = Servers::builder(ServerKind::Valkey9).line("notify-keyspace-events KEA");
    let servers = Arc::new(blocking(move || builder.start().unwrap()).await);
    let proxies = servers.behind_proxies().await.unwrap();
    (servers, proxies)
}

#[tokio::test]
async fn nothing_of_a_real_cluster_is_left_open() {
    let (servers, proxies) = behind_proxies().await;
    for protocol in BOTH {
        let config = config(&proxies[0].url()).protocol(protocol);
        let cluster = Cluster::open(config).await.unwrap();
        let clone = cluster.clone();
        let keys: Vec<String> = (0..30).map(|number| format!("key:{number}")).collect();
        for key in &keys {
            cluster.run(set(key, "1")).await.unwrap();
        }
        let mut events = cluster.events();
        let mut news = cluster.subscribe("news").await.unwrap();
        let mut shard = cluster.ssubscribe("orders").await.unwrap();
        let mut told = cluster.keyspace_events().await.unwrap();
        let (address, alone) = cluster.primaries().remove(0);
        alone.run(raw("PING").reply::<String>()).await.unwrap();
        let lease = cluster.exclusive_for("key:1").await.unwrap();
        lease.run(raw("PING").reply::<String>()).await.unwrap();
        let blocked = tokio::spawn({
            let cluster = clone.clone();
            let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
            async move { cluster.run(pop.reply::<(String, String)>()).await }
        });
        until_so_many_are_blocked(&servers, "jobs", 1).await;
        let calls: Vec<_> = keys
            .iter()
            .map(|key| {
                let (cluster, key) = (clone.clone(), key.clone());
                tokio::spawn(async move { cluster.run(get(&key)).await })
            })
            .collect();
        let closed = soon("the end", clone.close().within(SHORT).into_future()).await;
        assert_eq!((closed.failed, closed.leased), (0, 2), "{closed:?}");
        for call in calls {
            match call.await.unwrap() {
                Ok(value) => assert_eq!(value.unwrap(), "1"),
                outcome => assert!(is_closed(outcome, Phase::NotSent)),
            }
        }
        assert_eq!(soon("the end of events", events.next()).await, None);
        assert!(soon("the end", news.next()).await.is_none());
        assert!(soon("the end", shard.next()).await.is_none());
        while soon("the end", told.next()).await.is_some() {}
        for outcome in [
            cluster.subscribe("news").await.map(drop),
            cluster.keyspace_events().await.map(drop),
            cluster.exclusive_for("key:1").await.map(drop),
            cluster
                .pipeline()
                .run(get("a"))
                .run(get("b"))
                .await
                .map(drop),
            cluster.transaction().run(get("a")).await.map(drop),
            cluster.each_primary().run(get("a")).await.map(drop),
            cluster.replicas().run(get("a")).await.map(drop),
            alone.run(get("a")).await.map(drop),
            cluster
                .node(&address.to_string())
                .unwrap()
                .run(get("a"))
                .await
                .map(drop),
            cluster
                .run(raw("BLPOP").key("jobs").arg(0).blocks_for(0))
                .await
                .map(drop),
        ] {
            assert!(is_closed(outcome, Phase::NotSent));
        }
        assert_eq!(cluster.events().next().await, None);
        // They are closed when they come back.
        lease.run(raw("PING").reply::<String>()).await.unwrap();
        drop(lease);
        blocked.abort();
        for proxy in &proxies {
            soon("no socket", proxy.wait_for_open(0, LONG))
                .await
                .unwrap();
        }
        assert_eq!(cluster.in_flight(), 0);
    }
}

#[tokio::test]
async fn closing_waits_for_what_is_leased_and_for_what_is_blocked() {
    let space = keys_of(ServerKind::Valkey9).await;
    let (cluster, other) = (open(space.cluster()).await, open(space.cluster()).await);
    let (key, list) = (space.key("k"), space.key("jobs"));
    let lease = cluster.exclusive_for(&key).await.unwrap();
    let blocked = tokio::spawn({
        let (cluster, list) = (cluster.clone(), list.clone());
        let pop = raw("BLPOP").key(list).arg(0).blocks_for(0);
        async move { cluster.run(pop.reply::<(String, String)>()).await }
    });
    until("a call is blocked", || cluster.in_flight() > 0).await;
    let closing = begin_to_close(&cluster).await;
    let push = raw("RPUSH").key(&list).arg("job").reply::<i64>();
    other.run(push).await.unwrap();
    let (_, job) = soon("the element", blocked).await.unwrap().unwrap();
    assert_eq!(job, "job");
    lease.run(set(&key, "1")).await.unwrap();
    assert!(!closing.is_finished());
    drop(lease);
    assert!(soon("the end", closing).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_cluster_whose_runtime_has_ended_is_closed() {
    let (done, cluster) = std::sync::mpsc::channel();
    let url = keys_of(ServerKind::Valkey9).await.cluster().url();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let cluster = runtime.block_on(Cluster::open(config(&url))).unwrap();
        assert!(!cluster.is_closed());
        let events = cluster.events();
        drop(runtime);
        done.send((cluster, events)).unwrap();
    });
    blocking(move || thread.join().unwrap()).await;
    let (cluster, mut events) = cluster.recv().unwrap();
    assert!(cluster.is_closed());
    assert_eq!(soon("the end of events", events.next()).await, None);
    assert_eq!(
        soon("the end of events", cluster.events().next()).await,
        None
    );
    let error = cluster.run(get("a")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
}
