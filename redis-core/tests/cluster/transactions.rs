//! Transactions on a cluster: one slot, and as a whole at the node that has it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    ClusterCause, CommandInfo, ErrorKind, Phase, Request, RequestPolicy, ResponsePolicy, Run,
    Script, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, Asked, FakeCluster};

use crate::load::{Load, Progress, Tally};
use crate::support::*;

static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

/// What a node does with a transaction, once it has all of it.
#[derive(Clone, Copy)]
enum Says {
    /// It executes it.
    Executes,
    /// It queues all, and EXEC is answered with this error in place of the array.
    AtExec(&'static str),
    /// It refuses each command with this error, and EXEC with EXECABORT.
    AtQueueing(&'static str),
    /// The socket is lost when EXEC comes.
    Lost,
}

/// What came between MULTI and EXEC on each connection of a node, and whether ASKING came before MULTI.
type Open = Mutex<HashMap<(usize, usize), (bool, Vec<String>)>>;

/// A node of a cluster that has transactions. `decide` says what becomes of one, by the node and by whether ASKING came
/// before it; in an error, `@n` stands for the address of node n.
fn node(open: &Open, asked: &Asked<'_>, decide: impl Fn(usize, bool) -> Says) -> Answer {
    let mut open = open.lock().unwrap();
    let place = (asked.node, asked.connection);
    let error = |text: &str| {
        let named = (0..3).fold(text.to_owned(), |text, node| {
            text.replace(&format!("@{node}"), &asked.addr(node).to_string())
        });
        Answer::error(named)
    };
    match asked.command.name().as_str() {
        "MULTI" => {
            open.insert(place, (asked.asking, Vec::new()));
            Answer::Usual
        }
        "EXEC" => {
            let Some((asking, commands)) = open.remove(&place) else {
                return Answer::error("ERR EXEC without MULTI");
            };
            match decide(asked.node, asking) {
                Says::Executes => {
                    let replies: String =
                        (1..=commands.len()).map(|n| format!(":{n}\r\n")).collect();
                    Answer::Reply(format!("*{}\r\n{replies}", commands.len()).into_bytes())
                }
                Says::AtExec(text) => error(text),
                Says::AtQueueing(_) => {
                    Answer::error("EXECABORT Transaction discarded because of previous errors.")
                }
                Says::Lost => Answer::Close,
            }
        }
        name => {
            let Some((asking, commands)) = open.get_mut(&place) else {
                return Answer::Usual;
            };
            commands.push(name.to_owned());
            match decide(asked.node, *asking) {
                Says::AtQueueing(text) => error(text),
                _ => Answer::Reply(b"+QUEUED\r\n".to_vec()),
            }
        }
    }
}

async fn scripted(decide: impl Fn(usize, bool) -> Says + Send + Sync + 'static) -> FakeCluster {
    let open = Open::default();
    FakeCluster::start(3, move |asked| node(&open, asked, &decide))
        .await
        .unwrap()
}

/// Two commands on keys of slot 12182.
async fn run(cluster: &Cluster) -> typedis_core::Result<(i64, i64)> {
    let other = format!("{{{KEY}}}.n");
    soon(
        "a transaction",
        cluster.transaction().run(incr(KEY)).run(incr(&other)),
    )
    .await
}

#[tokio::test]
async fn exec_that_answers_moved_or_ask_in_place_of_its_array_did_nothing_and_all_is_sent_again() {
    for (refusal, asking) in [("MOVED 12182 @0", 0), ("ASK 12182 @0", 1)] {
        let fake = scripted(move |node, asked| match node {
            0 if asked == (asking == 1) => Says::Executes,
            0 => Says::AtExec("MOVED 12182 @2"),
            _ => Says::AtExec(refusal),
        })
        .await;
        let cluster = connect(&fake).await;
        assert_eq!(run(&cluster).await.unwrap(), (1, 2), "{refusal}");
        let counts = |node| ["ASKING", "MULTI", "INCR", "EXEC"].map(|name| fake.count(node, name));
        // ASKING holds for a whole transaction, so it comes once.
        assert_eq!(
            (counts(2), counts(0)),
            ([0, 1, 2, 1], [asking, 1, 2, 1]),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn commands_that_are_redirected_when_they_are_queued_make_all_go_again() {
    for (refusal, asking) in [("MOVED 12182 @0", 0), ("ASK 12182 @0", 1)] {
        let fake = scripted(move |node, asked| match node {
            0 if asked == (asking == 1) => Says::Executes,
            0 => Says::AtQueueing("MOVED 12182 @2"),
            _ => Says::AtQueueing(refusal),
        })
        .await;
        let cluster = connect(&fake).await;
        assert_eq!(run(&cluster).await.unwrap(), (1, 2), "{refusal}");
        assert_eq!(
            (fake.count(0, "EXEC"), fake.count(0, "ASKING")),
            (1, asking)
        );
        // From MOVED on, the new owner is known.
        if asking == 0 {
            assert_eq!(run(&cluster).await.unwrap(), (1, 2));
            assert_eq!(fake.count(2, "EXEC"), 1);
        }
    }
}

#[tokio::test]
async fn what_passes_is_waited_for_wherever_it_is_said() {
    let refusals = [
        Says::AtExec("TRYAGAIN Multiple keys request during rehashing of slot"),
        Says::AtQueueing("TRYAGAIN Multiple keys request during rehashing of slot"),
        Says::AtQueueing("CLUSTERDOWN The cluster is down"),
        Says::AtQueueing("LOADING Valkey is loading the dataset in memory"),
        // All is queued, and then EXEC itself is refused.
        Says::AtExec(
            "EXECABORT Transaction discarded because of: LOADING Valkey is loading the dataset in memory",
        ),
        Says::AtExec(
            "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.",
        ),
    ];
    for refusal in refusals {
        let refused = Arc::new(AtomicUsize::new(0));
        let fake = scripted(move |_, _| {
            // Three calls for each transaction that is refused.
            match refused.fetch_add(1, Ordering::Relaxed) {
                0..9 => refusal,
                _ => Says::Executes,
            }
        })
        .await;
        let cluster = connect(&fake).await;
        assert_eq!(run(&cluster).await.unwrap(), (1, 2));
        assert!(fake.count(2, "EXEC") > 3);
    }
}

#[tokio::test]
async fn another_refusal_is_the_callers_and_keeps_its_cause() {
    let fake =
        scripted(|_, _| Says::AtQueueing("ERR wrong number of arguments for 'incr' command")).await;
    let error = run(&connect(&fake).await).await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::TransactionAborted(_)),
        "{error}"
    );
    assert!(
        error.to_string().contains("wrong number of arguments"),
        "{error}"
    );
    assert_eq!((error.index(), error.phase()), (Some(0), Phase::Refused));
    // Two slots of one node, whose keys were not marked as keys: the node says so at EXEC.
    let fake =
        scripted(|_, _| Says::AtExec("CROSSSLOT Keys in request don't hash to the same slot"))
            .await;
    let error = run(&connect(&fake).await).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "CROSSSLOT");
    assert_eq!((error.phase(), fake.count(2, "EXEC")), (Phase::Refused, 1));
}

#[tokio::test]
async fn a_transaction_that_is_lost_at_exec_may_have_been_carried_out_and_is_not_sent_again() {
    let fake = scripted(|_, _| Says::Lost).await;
    let error = run(&connect(&fake).await).await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert_eq!(fake.count(2, "EXEC"), 1);
}

#[tokio::test]
async fn a_circle_of_redirects_ends_and_shows_the_path() {
    let fake = scripted(|node, _| match node {
        0 => Says::AtExec("MOVED 12182 @2"),
        _ => Says::AtExec("MOVED 12182 @0"),
    })
    .await;
    let error = run(&connect(&fake).await).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::Circle);
    assert_eq!(error.phase(), Phase::Refused);
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_refusal_that_stays_is_the_error_at_the_deadline() {
    let fake = scripted(|_, _| Says::AtQueueing("CLUSTERDOWN The cluster is down")).await;
    let cluster = connect_with_long_pauses(&fake).await;
    let call = cluster.transaction().run(incr(KEY));
    let call = call.deadline(Duration::from_secs(1));
    let error = soon("a transaction", call).await.unwrap_err();
    was_refused_to_the_end(&error, "CLUSTERDOWN");
}

#[tokio::test]
async fn keys_of_two_slots_are_refused_before_anything_is_sent_and_named() {
    let fake = scripted(|_, _| Says::Executes).await;
    let cluster = connect(&fake).await;
    let error = cluster
        .transaction()
        .run(incr("foo"))
        .run(incr("bar"))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`foo` has slot 12182, `bar` has slot 5061"),
        "{text}"
    );
    assert_eq!((error.index(), error.command()), (Some(1), Some("INCR")));
    assert_is_wrong_call(&error);
    let copy = raw("COPY").key("foo").key("bar").reply::<bool>();
    let error = cluster.transaction().run(copy).await.unwrap_err();
    assert!(error.to_string().contains("`bar` has slot 5061"), "{error}");
    assert_is_wrong_call(&error);
    // What concerns all nodes is not carried out by one of them.
    let size: Request<_, i64> = Request::new(cluster.transaction(), &DBSIZE, |_| {});
    let error = size.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!((0..3).all(|node| fake.count(node, "MULTI") == 0));
}

#[tokio::test]
async fn without_keys_any_primary_executes_it() {
    let fake = scripted(|_, _| Says::Executes).await;
    let cluster = connect(&fake).await;
    for _ in 0..60 {
        let echo = raw("ECHO").arg("a").reply::<i64>();
        assert_eq!(cluster.transaction().run(echo).await.unwrap(), (1,));
    }
    assert!((0..3).all(|node| fake.count(node, "EXEC") > 5));
}

#[tokio::test]
async fn real_clusters_of_both_protocols_execute_one_slot_as_one() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            for number in 0..20 {
                let (a, b) = (
                    format!("{{{}}}.a", space.key(number)),
                    format!("{{{}}}.b", space.key(number)),
                );
                let script = Script::new("return redis.call('INCR', KEYS[1])");
                let call = script.call::<i64>([&b], [0; 0]);
                let chain = cluster
                    .transaction()
                    .run(set(&a, "7"))
                    .run(incr(&a))
                    .run(call);
                let ((), seven, one) = chain.await.unwrap();
                assert_eq!(seven, 8);
                assert!(one >= 1);
            }
        }
    }
}

/// Two counters with one slot, which only transactions count up.
const PAIR: [&str; 2] = ["{t}one", "{t}other"];

/// Counts both up until told to stop.
async fn count(cluster: Cluster, progress: Progress) -> Tally {
    let mut tally = Tally::default();
    while progress.goes_on() {
        let pair = cluster.transaction().run(incr(PAIR[0])).run(incr(PAIR[1]));
        if let Some((one, other)) = tally.note(pair.await).unwrap() {
            assert_eq!(one, other);
        }
        progress.add(1);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_are_whole_while_their_slot_moves_and_its_primary_changes() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        let load = Load::start(16, |_, progress| count(cluster.clone(), progress));
        for round in 0..12 {
            change_agreed(&servers, move |servers| match round % 4 {
                3 => servers.fail_over(slot("t")).unwrap(),
                _ => servers.move_slot_elsewhere(slot("t")).unwrap(),
            })
            .await;
            load.pass(50).await;
        }
        let tally: Tally = load.finish().await.into_iter().sum();
        let pair = cluster.pipeline().run(get(PAIR[0])).run(get(PAIR[1]));
        let (one, other) = pair.await.unwrap();
        assert_eq!(one, other);
        tally.check("the pair", one, true);
    }
}
