//! Commands that block on a cluster, and sockets that are leased from the node of a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    Blocks, Budget, ClusterCause, CommandInfo, KnownCommand, KnownCommands, Phase, Raw, RawInfo,
    Request, Run, Timeout, Value, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

static KNOWN: KnownCommands = KnownCommands::new(&[
    KnownCommand::new("BLPOP").blocks(Blocks::before_last(0, Duration::from_secs(1)))
]);
static LOOKED_UP: RawInfo = RawInfo::new(&KNOWN);

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1)
    .blocking()
    .waits();

type Popped = Option<(String, String)>;

fn blpop(key: &str, seconds: u64) -> Raw<Popped> {
    let blpop = raw("BLPOP").key(key).arg(seconds);
    blpop.blocks_for(seconds).reply()
}

fn popped() -> Answer {
    Answer::Reply(b"*2\r\n$3\r\nfoo\r\n$3\r\njob\r\n".to_vec())
}

/// Also when what goes with the command leaves no room, and when its reply would be reported.
#[tokio::test]
async fn a_wait_goes_on_at_the_node_that_a_redirect_names() {
    for (word, asking, commands) in [("MOVED", 0, 100), ("ASK", 1, 100), ("ASK", 1, 1)] {
        for reports in [false, true] {
            let fake = FakeCluster::start(3, move |asked| {
                match (asked.command.name().as_str(), asked.node) {
                    ("CLIENT", _) if asked.command.text(1) == "ID" => {
                        Answer::Reply(b":7\r\n".to_vec())
                    }
                    ("BLPOP", 0) if asked.asking == (asking == 1) => popped(),
                    ("BLPOP", 0) => Answer::moved(12_182, asked.addr(2)),
                    ("BLPOP", _) => Answer::error(format_args!("{word} 12182 {}", asked.addr(0))),
                    _ => Answer::Usual,
                }
            })
            .await
            .unwrap();
            let budget = Budget {
                commands,
                ..Budget::default()
            };
            let cluster = Cluster::open(config(&fake.node(0).url()).budget(budget))
                .await
                .unwrap();
            if reports {
                cluster.on_unclaimed(|_| {});
            }
            let job = soon("BLPOP", cluster.run(blpop(KEY, 5))).await.unwrap();
            assert_eq!(job.unwrap().1, "job");
            assert_eq!((fake.count(2, "BLPOP"), fake.count(0, "BLPOP")), (1, 1));
            assert_eq!(fake.count(0, "ASKING"), asking);
        }
    }
}

/// How much of its time a wait of 5 s has left after its node was demoted.
async fn left_after_a_demotion(wait: impl AsyncFnOnce(&Cluster) -> Popped) -> f64 {
    let before = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("BLPOP", 2) if before.fetch_add(1, Ordering::Relaxed) == 0 => Answer::error(
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
            ),
            ("BLPOP", 2) => Answer::moved(12_182, asked.addr(1)),
            ("BLPOP", _) => popped(),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    assert!(soon("BLPOP", wait(&cluster)).await.is_some());
    let sockets = 0..fake.node(1).connections();
    let mut sent = sockets.flat_map(|socket| fake.node(1).received(socket));
    let last = sent.find(|words| words.name() == "BLPOP").unwrap();
    last.text(2).parse().unwrap()
}

#[tokio::test]
async fn a_wait_that_a_demotion_ended_goes_on_with_what_is_left_of_its_time() {
    let typed = left_after_a_demotion(async |cluster| {
        let wait: Request<&Cluster, Popped> = Request::new(cluster, &BLPOP, |args| {
            let timeout = Timeout::from(5);
            args.key("key", KEY);
            args.block(&timeout);
            args.arg("timeout", &timeout);
        });
        wait.await.unwrap()
    });
    // One that is built from words, which say where its time stands.
    let from_words = left_after_a_demotion(async |cluster| {
        let wait = Raw::new(&LOOKED_UP, "BLPOP").key(KEY).arg(5);
        cluster.run(wait.reply::<Popped>()).await.unwrap()
    });
    for left in [typed.await, from_words.await] {
        assert!(left > 0.0 && left < 5.0, "{left}");
    }
}

#[tokio::test]
async fn a_wait_that_someone_ended_with_client_unblock_is_over() {
    let fake = FakeCluster::start(1, |asked| match asked.command.name().as_str() {
        "BLPOP" => Answer::error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = cluster.run(blpop(KEY, 5)).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "UNBLOCKED");
    assert_eq!(error.command(), Some("BLPOP"));
    assert_eq!(fake.count(0, "BLPOP"), 1);
}

#[tokio::test]
async fn a_pop_that_was_lost_may_have_happened_and_is_not_repeated_but_a_read_is() {
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "BLPOP" => Answer::Close,
        "XREAD" if lost.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "XREAD" => Answer::Reply(b"+read\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = soon("BLPOP", cluster.run(blpop(KEY, 5))).await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert_eq!(fake.count(0, "BLPOP"), 1);
    let read = raw("XREAD")
        .arg("BLOCK")
        .arg(5)
        .arg("STREAMS")
        .key(KEY)
        .arg("0");
    let read = read.readonly().blocks_for(5).reply::<String>();
    assert_eq!(soon("XREAD", cluster.run(read)).await.unwrap(), "read");
    assert_eq!(fake.count(0, "XREAD"), 2);
}

/// Sent again, it would not see what came while it was on its way. The map is right after that.
#[tokio::test]
async fn a_wait_for_what_comes_from_now_on_ends_where_something_may_be_missed() {
    for end in [
        "",
        "UNBLOCKED force unblock from blocking operation",
        "MOVED",
    ] {
        let fake = FakeCluster::start(3, move |asked| {
            match (asked.command.name().as_str(), asked.node, end) {
                ("XREAD", 2, "") => Answer::Close,
                ("XREAD", 2, "MOVED") => {
                    // It has waited there for a while.
                    std::thread::sleep(Duration::from_millis(200));
                    Answer::moved(12_182, asked.addr(0))
                }
                ("XREAD", 2, refusal) => Answer::error(refusal),
                ("XREAD", ..) => Answer::Reply(b"+read\r\n".to_vec()),
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        let cluster = connect(&fake).await;
        let read = raw("XREAD").arg("BLOCK").arg(5).arg("STREAMS").key(KEY);
        let read = read.arg("$").readonly().blocks_for(5).reply::<String>();
        let error = soon("XREAD", cluster.run(read)).await.unwrap_err();
        match end {
            "" => assert_eq!(error.phase(), Phase::MaybeApplied, "{error}"),
            _ => {
                assert_eq!(cause(&error), ClusterCause::WaitEnded, "{error}");
                assert!(error.to_string().contains(end), "{error}");
            }
        }
        assert_eq!(error.command(), Some("XREAD"));
        assert_eq!((fake.count(2, "XREAD"), fake.count(0, "XREAD")), (1, 0));
    }
}

/// Seed 53 of the simulation: the wait for a socket, which takes 30 seconds here, takes of the time of the command.
#[tokio::test]
async fn the_deadline_of_a_blocking_command_holds_for_the_wait_for_its_socket_too() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let config = config(&fake.node(0).url()).leases(1);
    let cluster = Cluster::open(config).await.unwrap();
    let _lease = cluster.exclusive_for(KEY).await.unwrap();
    let pop = cluster
        .run(blpop(KEY, 5))
        .deadline(Duration::from_millis(50));
    let outcome = tokio::time::timeout(Duration::from_secs(20), pop).await;
    let error = outcome
        .expect("it waits longer than its deadline")
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.phase(), Phase::NotSent);
}

/// Otherwise the node could hand out an element that nobody gets.
#[tokio::test]
async fn a_wait_whose_reply_would_be_reported_is_ended_at_its_deadline() {
    const DEADLINE: Duration = Duration::from_secs(3_600);
    let (waits, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waiting, ending) = (waits.clone(), ends.clone());
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("BLPOP", 2) => {
                waiting.notify_one();
                Answer::Silence
            }
            ("CLIENT", 2) if asked.command.text(1) == "ID" => Answer::Reply(b":7\r\n".to_vec()),
            ("CLIENT", 2) if asked.command.text(1) == "UNBLOCK" => {
                assert_eq!(asked.command.text(2), "7");
                ending.notify_one();
                Answer::Reply(b":0\r\n".to_vec())
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let config = config(&fake.node(0).url()).liveness(None);
    let cluster = Cluster::open(config.command_timeout(None)).await.unwrap();
    cluster.on_unclaimed(|_| {});
    let mut call = cluster.run(blpop(KEY, 0)).deadline(DEADLINE);
    tokio::select! {
        popped = &mut call => panic!("nothing is there to pop: {popped:?}"),
        () = soon("BLPOP is sent", waits.notified()) => {}
    }
    tokio::time::pause();
    tokio::time::advance(DEADLINE).await;
    tokio::time::resume();
    let error = soon("the call", call).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.phase(), Phase::MaybeApplied);
    soon("CLIENT UNBLOCK", ends.notified()).await;
}

#[tokio::test]
async fn keys_of_two_slots_are_refused_before_anything_is_sent() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let wait = raw("BLPOP").key("foo").key("bar").arg(1).blocks_for(1);
    let error = cluster.run(wait.reply::<Popped>()).await.unwrap_err();
    assert_is_wrong_call(&error);
    assert!(error.to_string().contains("`bar` has slot 5061"), "{error}");
    assert!((0..3).all(|node| fake.count(node, "BLPOP") == 0));
}

#[tokio::test]
async fn many_waits_do_not_hold_up_the_commands_of_others() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    let keys: Vec<String> = (0..20).map(|number| space.key(number)).collect();
    let waits: Vec<_> = keys
        .iter()
        .map(|key| {
            let (cluster, wait) = (cluster.clone(), blpop(key, 0));
            tokio::spawn(async move { cluster.run(wait).await.unwrap().unwrap() })
        })
        .collect();
    for key in &keys {
        let push = raw("LPUSH").key(key).arg(key).reply::<i64>();
        soon("LPUSH", cluster.run(push)).await.unwrap();
    }
    for (key, wait) in keys.iter().zip(waits) {
        let (list, element) = soon("BLPOP", wait).await.unwrap();
        assert_eq!((&list, &element), (key, key));
    }
    let nothing = soon("BLPOP", cluster.run(blpop(&keys[0], 1))).await;
    assert_eq!(nothing.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_go_on_while_slots_move_and_replicas_take_over() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        for protocol in BOTH {
            let cluster = Cluster::open(config(&servers.url()).protocol(protocol))
                .await
                .unwrap();
            for fails_over in [false, true, false] {
                let (here, wait) = (cluster.clone(), blpop("{t}jobs", 0));
                let wait = tokio::spawn(async move { here.run(wait).await });
                until_blocked(&servers, "t").await;
                change(&servers, move |changing| {
                    let owner = changing.owner_of(slot("t")).unwrap();
                    if fails_over {
                        let heir = changing.replicas_of(&owner).unwrap().pop().unwrap();
                        heir.take_over().unwrap();
                    } else {
                        let others = changing.primaries().unwrap();
                        let to = others.iter().find(|node| node.id() != owner.id()).unwrap();
                        changing.move_slot(slot("t"), to).unwrap();
                    }
                    changing.wait_until_agreed().unwrap();
                })
                .await;
                until_blocked(&servers, "t").await;
                let push = raw("LPUSH").key("{t}jobs").arg("job").reply::<i64>();
                cluster.run(push).await.unwrap();
                let job = soon("BLPOP", wait).await.unwrap().unwrap();
                assert_eq!(
                    job.unwrap().1,
                    "job",
                    "{kind:?}, {protocol:?}, {fails_over}"
                );
            }
        }
    }
}

/// Valkey 9 never answers a WAIT without a limit whose node became a replica; the others end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_replicas_without_a_limit_ends_when_its_node_becomes_a_replica() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        let lease = cluster.exclusive_for("{t}").await.unwrap();
        lease.run(set("{t}", "1")).await.unwrap();
        let wait = tokio::spawn(async move {
            // More replicas than there are.
            let wait = raw("WAIT").arg(2).arg(0).blocks_for(0);
            lease.run(wait.reply::<u64>()).await
        });
        until_blocked(&servers, "{t}").await;
        change(&servers, |servers| servers.fail_over(slot("t")).unwrap()).await;
        let error = soon("WAIT", wait).await.unwrap().unwrap_err();
        // The client may leave a node that stands still for a moment before that answers.
        let is_left = error.is_connection() && error.phase() == Phase::MaybeApplied;
        let is_unblocked = error
            .server()
            .is_some_and(|error| error.code() == "UNBLOCKED");
        let may_answer = kind == ServerKind::Redis8;
        assert!(is_left || (may_answer && is_unblocked), "{kind}: {error}");
        cluster.run(set("{t}", "2")).await.unwrap();
        let lease = cluster.exclusive_for("{t}").await.unwrap();
        lease.run(set("{t}", "3")).await.unwrap();
        let wait = raw("WAIT").arg(1).arg(0).blocks_for(0).reply::<u64>();
        assert_eq!(soon("WAIT", lease.run(wait)).await.unwrap(), 1, "{kind}");
    }
}

/// A node that stands still neither ends what is blocked on it nor loses its sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_without_a_limit_on_a_node_that_hangs_end_when_a_replica_takes_over() {
    let servers = start(ServerKind::Valkey9, 1).await;
    let cluster = open(&servers).await;
    let popping = cluster.clone();
    let pop = tokio::spawn(async move { popping.run(blpop("{t}jobs", 0)).await });
    until_blocked(&servers, "{t}").await;
    let read_after = |id: &'static str| {
        let reading = cluster.clone();
        tokio::spawn(async move {
            let read = raw("XREAD").arg("BLOCK").arg(0).arg("STREAMS");
            let read = read.key("{t}log").arg(id).readonly().blocks_for(0);
            reading.run(read.reply::<Value>()).await
        })
    };
    let (read, read_from_now_on) = (read_after("0"), read_after("$"));
    until_so_many_are_blocked(&servers, "{t}", 3).await;
    let owner = change(&servers, |servers| {
        let owner = servers.owner_of(slot("t")).unwrap();
        let heir = servers.replicas_of(&owner).unwrap().pop().unwrap();
        owner.server().pause().unwrap();
        heir.wait_until_primary().unwrap();
        owner
    })
    .await;
    // Nobody knows whether an element was popped.
    let error = soon("BLPOP", pop).await.unwrap().unwrap_err();
    assert!(error.is_connection(), "{error}");
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    // What has come meanwhile would be missed.
    let error = soon("XREAD", read_from_now_on).await.unwrap().unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    // Another read goes on at the new primary.
    let entry = || raw("XADD").key("{t}log").arg("*").arg("a").arg("b");
    let write = async {
        loop {
            cluster.run(entry().reply::<String>()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let read = soon("XREAD", async {
        tokio::select! {
            read = read => read.unwrap(),
            () = write => unreachable!("it has no end"),
        }
    });
    assert!(format!("{:?}", read.await.unwrap()).contains("{t}log"));
    blocking(move || owner.server().resume().unwrap()).await;
}

/// Without that, leases would lead to the old node until the map is asked for in its turn, half a minute later.
#[tokio::test]
async fn a_redirect_on_a_lease_has_the_map_asked_for() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 2) => Answer::moved(12_182, asked.addr(0)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    fake.assign(12_182..=12_182, 0);
    let lease = cluster.exclusive_for(KEY).await.unwrap();
    let refused = lease.run(get(KEY)).await.unwrap_err();
    assert!(refused.to_string().contains("MOVED"), "{refused}");
    let found = async {
        loop {
            let lease = cluster.exclusive_for(KEY).await.unwrap();
            if lease.run(get(KEY)).await.is_ok() {
                return;
            }
        }
    };
    // Its turn would come after 30 s.
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    found.expect("the map was not asked for");
}

#[tokio::test]
async fn a_lease_leads_to_the_node_of_its_key() {
    let space = keys_of(ServerKind::Redis8).await;
    let cluster = open(space.cluster()).await;
    for number in 0..10 {
        let key = space.key(number);
        let lease = cluster.exclusive_for(&key).await.unwrap();
        let open = lease.begin().await.unwrap();
        let queued = open.run(incr(&key)).await.unwrap();
        assert_eq!(open.exec().await.unwrap().take(queued).unwrap(), 1);
        drop(lease);
        let again = cluster.exclusive_for(&key).await.unwrap();
        assert_eq!(again.run(get(&key)).await.unwrap().unwrap(), "1");
    }
}
