//! Clusters that are opened without a map: the first command has it asked for.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, ReadFrom};
use typedis_core::{
    CommandInfo, Error, ErrorKind, Obstacle, Phase, Request, RequestPolicy, ResponsePolicy, Result,
    Run, Timeout, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, Asked, FakeCluster};
use typedis_testkit::proxy::Proxy;

use crate::support::*;

static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);
static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();

fn lazy(url: &str) -> Cluster {
    Cluster::lazy(config(url)).unwrap()
}

#[tokio::test]
async fn nothing_is_connected_before_the_first_command() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = lazy(&fake.url());
    let eager = connect(&fake).await;
    soon("a command", eager.run(set("foo", "1"))).await.unwrap();
    // If it connected by itself, it would have by now.
    assert_eq!(fake.node(0).connections(), 1);
    assert!(cluster.topology().nodes().is_empty() && cluster.stats().is_empty());
    assert!(!cluster.is_connected() && !cluster.is_closed());
    let mut events = cluster.events();
    let many: Vec<_> = (0..20)
        .map(|number| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.run(set(&format!("k{number}"), "1")).await })
        })
        .collect();
    for one in many {
        soon("a command", one).await.unwrap().unwrap();
    }
    assert_eq!(cluster.topology().nodes().len(), 3);
    assert!(cluster.is_connected());
    // All of them had the map asked for once, and it tells of no change.
    drop(cluster);
    assert_eq!(soon("the end of events", events.next()).await, None);
    let asked = (0..3).flat_map(|node| {
        let fake = fake.node(node);
        (0..fake.connections()).flat_map(|number| fake.received(number))
    });
    let slots = asked.filter(|words| words.name() == "CLUSTER" && words.text(1) == "SLOTS");
    assert_eq!(slots.count(), 2);
}

/// Each is the first that a handle does.
#[tokio::test]
async fn everything_may_be_the_first_thing() {
    let builder =
        typedis_testkit::Cluster::builder(ServerKind::Valkey9).line("notify-keyspace-events KEA");
    let servers = blocking(move || builder.start().unwrap()).await;
    let url = servers.url();
    let other = open(&servers).await;
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    for key in &keys {
        other.run(set(key, "1")).await.unwrap();
    }
    let all = || vec![Some("1".to_owned()); 30];

    let cluster = lazy(&url);
    let mget = Request::new(&cluster, &MGET, |args| args.keys("key", &keys));
    let read: Vec<Option<String>> = soon("MGET", mget).await.unwrap();
    assert_eq!(read, all());

    let cluster = lazy(&url);
    let size: Request<&Cluster, u64> = Request::new(&cluster, &DBSIZE, |_| {});
    assert_eq!(soon("DBSIZE", size).await.unwrap(), 30);

    let cluster = lazy(&url);
    let sizes = Request::new(cluster.each_primary(), &DBSIZE, |_| {});
    let sizes: Vec<(_, u64)> = soon("each primary", sizes).await.unwrap();
    assert_eq!(sizes.len(), 3);
    assert_eq!(sizes.into_iter().map(|(_, size)| size).sum::<u64>(), 30);

    let cluster = lazy(&url);
    let pipeline = cluster.pipeline_each(&keys, |c, key| c.run(get(key)));
    assert_eq!(soon("a pipeline", pipeline).await.unwrap(), all());

    let cluster = lazy(&url);
    let transaction = cluster.transaction().run(incr("{t}n")).run(incr("{t}n"));
    assert_eq!(soon("a transaction", transaction).await.unwrap(), (1, 2));

    let cluster = lazy(&url);
    let watch = cluster.watch(["{t}n"], |tx| async move {
        tx.run(get("{t}n")).await?;
        Ok(tx.transaction().run(incr("{t}n")))
    });
    assert_eq!(soon("a watch", watch).await.unwrap(), (3,));

    let cluster = lazy(&url);
    let lease = soon("a lease", cluster.exclusive_for("{t}n"))
        .await
        .unwrap();
    assert_eq!(lease.run(incr("{t}n")).await.unwrap(), 4);

    let push = raw("RPUSH").key("jobs").arg("job").reply::<i64>();
    other.run(push).await.unwrap();
    let cluster = lazy(&url);
    let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
    let pop = cluster.run(pop.reply::<(String, String)>());
    assert_eq!(soon("BLPOP", pop).await.unwrap().1, "job");

    let cluster = lazy(&url).read_from(ReadFrom::Any);
    let read: Request<_, Option<String>> =
        Request::new(&cluster, &GET, |args| args.key("key", "k1"));
    assert_eq!(soon("a read", read).await.unwrap().as_deref(), Some("1"));

    let cluster = lazy(&url);
    let scan = crate::scans::scan(&cluster, 0, "k*", 10);
    let found: Vec<String> = soon("a scan", scan.try_collect()).await.unwrap();
    assert_eq!(found.len(), 30);

    let cluster = lazy(&url);
    let mut channel = soon("subscribing", cluster.ssubscribe("orders"))
        .await
        .unwrap();
    let publish = raw("SPUBLISH").key("orders").arg("tea").reply::<i64>();
    other.run(publish).await.unwrap();
    let text: Option<String> = soon("a message", channel.get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("tea"));

    let cluster = lazy(&url);
    let mut events = soon("subscribing", cluster.keyspace_events())
        .await
        .unwrap();
    for key in &keys {
        other.run(set(key, "2")).await.unwrap();
    }
    let mut told = 0;
    while told < keys.len() {
        let event = soon("an event", events.next()).await.unwrap().unwrap();
        told += usize::from(event.into_message().is_some());
    }
}

/// Calls until the first attempt to connect has ended, and looks at what the error says of it.
async fn unreached(address: &str, mut call: impl AsyncFnMut() -> Result<()>) {
    let calls = async {
        loop {
            let error = call().await.unwrap_err();
            assert!(error.is_timeout(), "{error}");
            assert_eq!(error.phase(), Phase::NotSent);
            match error.obstacle() {
                // On a busy machine the deadline may pass during it.
                Some(Obstacle::Connecting(_)) => {}
                Some(Obstacle::NotConnected(_)) => return error,
                _ => panic!("{error}"),
            }
        }
    };
    let error = soon("the attempt", calls).await;
    assert!(error.to_string().contains(address), "{error}");
}

#[tokio::test]
async fn a_cluster_that_is_down_is_waited_for_up_to_the_deadline() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let proxy = Proxy::start(fake.node(0).addr()).await.unwrap();
    proxy.refuse(true);
    let impatient = config(&proxy.url()).command_timeout(Duration::from_millis(50));
    let impatient = &Cluster::lazy(impatient).unwrap();
    let address = proxy.addr().to_string();
    unreached(&address, async || impatient.run(set("foo", "1")).await).await;
    let chain = async || impatient.pipeline().run(set("foo", "1")).await.map(drop);
    unreached(&address, chain).await;
    let chain = async || impatient.transaction().run(set("foo", "1")).await.map(drop);
    unreached(&address, chain).await;
    unreached(&address, async || {
        impatient.exclusive_for("foo").await.map(drop)
    })
    .await;
    unreached(&address, async || {
        impatient.keyspace_events().await.map(drop)
    })
    .await;
    assert_eq!(impatient.in_flight(), 0);
    let cluster = lazy(&proxy.url());
    let waiting = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(set("foo", "1")).await }
    });
    until("it waits", || cluster.in_flight() == 1).await;
    proxy.refuse(false);
    // The node names its own address, which the proxy does not refuse.
    soon("the map", waiting).await.unwrap().unwrap();
    let error = Cluster::lazy("redis://localhost?lanes=0").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
}

/// A fake that tells a map for as long as this says so, and never answers a command.
async fn tells_while(is_told: &Arc<AtomicBool>) -> FakeCluster {
    let is_told = is_told.clone();
    let script = move |asked: &Asked<'_>| match asked.command.name().as_str() {
        "GET" | "DBSIZE" | "BLPOP" => Answer::Silence,
        "CLUSTER" if !is_told.load(Ordering::SeqCst) => match asked.command.text(1).as_str() {
            "SLOTS" => Answer::Close,
            _ => Answer::Silence,
        },
        _ => Answer::Usual,
    };
    FakeCluster::start(1, script).await.unwrap()
}

async fn go_forward(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Much longer than this takes: only a clock that is set forward comes there.
#[tokio::test]
async fn the_wait_for_the_map_takes_of_the_time_of_a_command() {
    const TIME: Duration = Duration::from_secs(7_200);
    const LATER: Duration = Duration::from_secs(3_600);
    for command in ["GET", "DBSIZE"] {
        let is_told = Arc::new(AtomicBool::new(false));
        let fake = tells_while(&is_told).await;
        let quiet = config(&fake.url()).command_timeout(TIME).liveness(None);
        let cluster = Cluster::lazy(quiet).unwrap();
        let call = tokio::spawn({
            let cluster = cluster.clone();
            async move {
                if command == "DBSIZE" {
                    let sizes = Request::new(cluster.each_primary(), &DBSIZE, |_| {});
                    let sizes: Result<Vec<(_, u64)>> = sizes.await;
                    return sizes.map(drop);
                }
                let cluster = cluster.read_from(ReadFrom::PreferReplica);
                let read: Request<_, Option<String>> =
                    Request::new(&cluster, &GET, |args| args.key("key", "k1"));
                read.await.map(drop)
            }
        });
        until("it waits", || cluster.in_flight() == 1).await;
        go_forward(LATER).await;
        is_told.store(true, Ordering::SeqCst);
        until("it is sent", || fake.count(0, command) == 1).await;
        is_told.store(false, Ordering::SeqCst);
        go_forward(LATER).await;
        let error = soon("its end", call).await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1)
    .blocking()
    .waits();

/// Otherwise the call would time out, and its outcome be unknown, where nothing came.
#[tokio::test]
async fn the_wait_for_the_map_takes_of_the_time_that_a_command_blocks() {
    const LATER: u64 = 3_600;
    let is_told = Arc::new(AtomicBool::new(false));
    let fake = tells_while(&is_told).await;
    let quiet = config(&fake.url()).liveness(None);
    let cluster = Cluster::lazy(quiet).unwrap();
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move {
            let wait: Request<_, Option<(String, String)>> =
                Request::new(&cluster, &BLPOP, |args| {
                    let timeout = Timeout::from(2 * LATER);
                    args.key("key", "jobs");
                    args.block(&timeout);
                    args.arg("timeout", &timeout);
                });
            wait.await
        }
    });
    until("it waits", || cluster.in_flight() == 1).await;
    go_forward(Duration::from_secs(LATER)).await;
    is_told.store(true, Ordering::SeqCst);
    until("it is sent", || fake.count(0, "BLPOP") == 1).await;
    let sockets = 0..fake.node(0).connections();
    let mut sent = sockets.flat_map(|socket| fake.node(0).received(socket));
    let sent = sent.find(|words| words.name() == "BLPOP").unwrap();
    let left: f64 = sent.text(2).parse().unwrap();
    assert!(left > 0.0 && left <= LATER as f64, "{left}");
    call.abort();
}

/// Nobody polls these.
#[tokio::test]
async fn what_is_only_sent_has_the_map_asked_for() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    for way in 0..4 {
        let before = fake.count(0, "CLUSTER");
        let cluster = lazy(&fake.url());
        let view = cluster.read_from(ReadFrom::PreferReplica);
        let mut sent: [Option<Request<&Cluster, i64>>; 2] = [None, None];
        match way {
            0 => sent[0] = Some(cluster.run(incr("n")).send()),
            1 => sent[0] = Some(Request::new(&cluster, &DBSIZE, |_| {}).send()),
            2 => sent[0] = Some(Request::new(&view, &GET, |args| args.key("key", "k")).send()),
            _ => {
                let wait = raw("BLPOP").key("jobs").arg(1).blocks_for(1).reply();
                sent[1] = Some(cluster.run(wait).send());
            }
        }
        until("the map is asked for", || fake.count(0, "CLUSTER") > before).await;
        drop(sent);
    }
}

/// Polls a call that fails again after its end, twice.
async fn fails_once<T: std::fmt::Debug>(call: impl IntoFuture<Output = Result<T>>) -> Error {
    let mut call = std::pin::pin!(call.into_future());
    let failure = soon("the failure", &mut call).await.unwrap_err();
    for _ in 0..2 {
        let error = soon("the end", &mut call).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
    }
    failure
}

#[tokio::test]
async fn what_found_no_map_may_be_polled_again() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let proxy = Proxy::start(fake.node(0).addr()).await.unwrap();
    proxy.refuse(true);
    let impatient = config(&proxy.url()).command_timeout(Duration::from_millis(20));
    let cluster = Cluster::lazy(impatient).unwrap();
    let single = fails_once(cluster.run(set("foo", "1"))).await;
    let pipeline = cluster.pipeline().run(set("foo", "1")).run(set("a", "1"));
    let pipeline = fails_once(pipeline).await;
    assert!(single.is_timeout() && pipeline.is_timeout(), "{pipeline}");
    assert_eq!(cluster.in_flight(), 0);
}

#[tokio::test]
async fn a_refused_login_is_told_at_once_and_tried_again() {
    let refuses = Arc::new(AtomicBool::new(true));
    let (state, attempts) = (refuses.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = attempts.clone();
    let fake = FakeCluster::start(1, move |asked| {
        if asked.command.name() == "HELLO" && state.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Answer::error("WRONGPASS invalid username-password pair or user is disabled.");
        }
        Answer::Usual
    })
    .await
    .unwrap();
    let cluster = Cluster::lazy(config(&fake.url()).command_timeout(None)).unwrap();
    for _ in 0..2 {
        let error = soon("the refusal", cluster.run(set("foo", "1")))
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    }
    until("it is tried again", || attempts.load(Ordering::SeqCst) > 2).await;
    refuses.store(false, Ordering::SeqCst);
    let accepted = async {
        while cluster.run(set("foo", "1")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon("the login", accepted).await;
}

#[tokio::test]
async fn a_cluster_is_closed_before_its_first_map() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let cluster = lazy(&fake.url());
    assert!(soon("the end", cluster.close()).await.is_clean());
    let error = cluster.run(set("foo", "1")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert_eq!(
        (error.phase(), error.command()),
        (Phase::NotSent, Some("SET"))
    );
    let error = cluster.subscribe("news").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert_eq!(fake.node(0).connections(), 0);

    // What waits for the map is on its way.
    let proxy = Proxy::start(fake.node(0).addr()).await.unwrap();
    proxy.refuse(true);
    let cluster = lazy(&proxy.url());
    let call = |cluster: &Cluster| {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.run(set("foo", "1")).await })
    };
    let waiting = call(&cluster);
    let together = tokio::spawn({
        let cluster = cluster.clone();
        async move {
            let pipeline = cluster.pipeline().run(set("a", "1")).run(set("b", "1"));
            let transaction = cluster.transaction().run(set("a", "1"));
            tokio::try_join!(pipeline.into_future(), transaction.into_future())
        }
    });
    until("they wait", || cluster.in_flight() == 3).await;
    let closing = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.close().within(LONG).await }
    });
    let refused = async {
        while cluster
            .run(set("bar", "1"))
            .deadline(Duration::ZERO)
            .await
            .unwrap_err()
            .is_timeout()
        {
            tokio::task::yield_now().await;
        }
    };
    soon("a refusal", refused).await;
    proxy.refuse(false);
    soon("the map", waiting).await.unwrap().unwrap();
    // The fake answers a transaction in a way of its own, which shows that it was sent.
    let error = soon("the map", together).await.unwrap().unwrap_err();
    assert_ne!(error.phase(), Phase::NotSent, "{error}");
    assert!(soon("the end", closing).await.unwrap().is_clean());

    // It fails when there is no time left.
    proxy.refuse(true);
    let cluster = lazy(&proxy.url());
    let waiting = call(&cluster);
    until("it waits", || cluster.in_flight() == 1).await;
    let closed = soon("the end", cluster.close().within(Duration::from_millis(20))).await;
    assert_eq!(closed.failed, 1, "{closed:?}");
    let error = soon("an error", waiting).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
}

#[test]
fn without_a_runtime_it_is_an_error() {
    let error = Cluster::lazy("redis://localhost").unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}
