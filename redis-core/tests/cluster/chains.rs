//! Pipelines and batches on a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    AnyClient, Budget, Client, CommandInfo, ErrorKind, IntoRequest, Phase, Request, RequestPolicy,
    ResponsePolicy, Result, Run, Script, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);

static APPEND: CommandInfo = CommandInfo::new("APPEND", b"$6\r\nAPPEND\r\n", 1);

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

/// Keys of all three nodes in turn.
fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number}")).collect()
}

fn node_of(key: impl AsRef<str>) -> usize {
    usize::from(slot(key.as_ref())) * 3 / 16_384
}

/// Answers GET with the node and the key.
fn tell(node: usize, key: &str) -> Answer {
    let text = format!("{node}:{key}");
    Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
}

#[tokio::test]
async fn each_command_goes_to_its_node_and_replies_come_in_the_order_of_the_caller() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "GET" => tell(asked.node, &asked.command.text(1)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = keys(300);
    let each = cluster.pipeline_each(&keys, |_, key| get(key));
    let replies = each.await.unwrap();
    for (key, reply) in keys.iter().zip(replies) {
        assert_eq!(reply.unwrap(), format!("{}:{key}", node_of(key)));
    }
    let (a, b, c) = cluster
        .pipeline()
        .run(get("k0"))
        .run(get("k1"))
        .run(get("k2"))
        .await
        .unwrap();
    let expected = ["k0", "k1", "k2"].map(|key| Some(format!("{}:{key}", node_of(key))));
    assert_eq!([a, b, c], expected);
    // One socket a node, and one more for the question at the start.
    let sockets: usize = (0..3).map(|node| fake.node(node).connections()).sum();
    assert_eq!(sockets, 4);
    assert_eq!(
        (0..3).map(|node| fake.count(node, "GET")).sum::<usize>(),
        303
    );
}

#[tokio::test]
async fn long_and_short_replies_come_in_order() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "GET" => {
            let key = asked.command.text(1);
            let text = key.repeat(if node_of(&key) == 1 { 5_000 } else { 1 });
            Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
        }
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = keys(60);
    let replies = cluster.pipeline_each(&keys, |_, key| get(key));
    for (key, reply) in keys.iter().zip(replies.await.unwrap()) {
        let times = if node_of(key) == 1 { 5_000 } else { 1 };
        assert!(reply.unwrap() == key.repeat(times));
    }
}

#[tokio::test]
async fn a_redirect_of_one_command_does_not_disturb_the_others() {
    let fake = FakeCluster::start(3, |asked| {
        let (text, here) = (asked.command.text(1), asked.node);
        let key = text.as_str();
        match asked.command.name().as_str() {
            // Every fifth key has moved to the next node, every seventh is on its way there.
            "INCR" if number(key) % 5 == 0 && here == node_of(key) => {
                Answer::moved(slot(key), asked.addr((here + 1) % 3))
            }
            "INCR" if number(key) % 5 == 0 => count(key),
            "INCR" if number(key) % 7 == 0 && here == node_of(key) => {
                Answer::ask(slot(key), asked.addr((here + 1) % 3))
            }
            "INCR" if number(key) % 7 == 0 && !asked.asking => {
                Answer::moved(slot(key), asked.addr(node_of(key)))
            }
            "INCR" => count(key),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = keys(100);
    let replies = cluster.pipeline_each(&keys, |_, key| incr(key));
    let expected: Vec<i64> = (0..100).collect();
    assert_eq!(soon("a pipeline", replies).await.unwrap(), expected);
    let sent: usize = (0..3).map(|node| fake.count(node, "INCR")).sum();
    let redirected = (0..100).filter(|n| n % 5 == 0 || n % 7 == 0).count();
    assert_eq!(sent, 100 + redirected);
}

fn number(key: &str) -> i64 {
    key.trim_start_matches('k').parse().unwrap()
}

fn count(key: &str) -> Answer {
    Answer::Reply(format!(":{}\r\n", number(key)).into_bytes())
}

#[tokio::test]
async fn commands_of_one_slot_keep_their_order_through_a_redirect_and_a_pause() {
    // The first three are refused for a while; then the slot has moved, and the later ones are told so at once.
    let refused = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("APPEND", 2) if refused.fetch_add(1, Ordering::Relaxed) < 3 => {
                Answer::error("CLUSTERDOWN The cluster is down")
            }
            ("APPEND", 2) => Answer::moved(12_182, asked.addr(0)),
            ("APPEND", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let append = |number: usize| raw("APPEND").key(KEY).arg(number).reply::<i64>();
    let replies = cluster.pipeline_each(0..20, |_, number| append(number));
    assert_eq!(soon("a pipeline", replies).await.unwrap(), [1; 20]);
    let arrived: Vec<String> = (0..fake.node(0).connections())
        .flat_map(|connection| fake.node(0).received(connection))
        .filter(|words| words.name() == "APPEND")
        .map(|words| words.text(2))
        .collect();
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn the_first_error_is_that_of_the_whole_and_attempts_see_each() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "INCR" if number(&asked.command.text(1)) % 10 == 4 => Answer::error("WRONGTYPE no number"),
        "INCR" => count(&asked.command.text(1)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = keys(30);
    let each = cluster.pipeline_each(&keys, |_, key| incr(key));
    let error = each.await.unwrap_err();
    assert_eq!((error.index(), error.command()), (Some(4), Some("INCR")));
    let attempts = cluster.pipeline_each(&keys, |_, key| incr(key).into_request().attempt());
    for (index, outcome) in attempts.await.unwrap().into_iter().enumerate() {
        match outcome {
            Ok(value) => assert_eq!(value, i64::try_from(index).unwrap()),
            Err(error) => {
                assert_eq!((index % 10, error.index()), (4, Some(index)));
                assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
            }
        }
    }
}

#[tokio::test]
async fn what_is_lost_with_a_node_goes_again_only_if_it_may_be_repeated() {
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            // After two replies the socket is lost, once.
            ("GET" | "INCR", 2) if lost.fetch_add(1, Ordering::Relaxed) == 2 => Answer::Close,
            ("GET", node) => tell(node, &asked.command.text(1)),
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let mut batch = cluster.batch();
    let first: Vec<_> = (0..2).map(|_| batch.push(incr(KEY))).collect();
    let second: Vec<_> = (0..2)
        .map(|_| (batch.push(incr(KEY)), batch.push(get(KEY))))
        .collect();
    let elsewhere = batch.push(incr("k0"));
    let mut replies = soon("a batch", batch.execute()).await.unwrap();
    for handle in first {
        assert_eq!(replies.take(handle).unwrap(), 1);
    }
    for (write, read) in second {
        let error = replies.take(write).unwrap_err();
        assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
        assert!(error.is_connection(), "{error}");
        assert_eq!(replies.take(read).unwrap().unwrap(), "2:foo");
    }
    assert_eq!(replies.take(elsewhere).unwrap(), 1);
    assert_eq!(fake.count(2, "INCR"), 3);
}

/// More than the sockets' buffers hold, to a node that closes the socket at the first command.
#[tokio::test]
async fn what_was_not_written_to_a_lost_node_goes_again_whatever_it_is() {
    let before = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "APPEND" if before.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "APPEND" => Answer::Reply(b":1\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let value = "x".repeat(1 << 20);
    let appends = cluster.pipeline_each(0..48, |once, _| {
        let append: Request<_, i64> = Request::new(once, &APPEND, |args| {
            args.key("key", KEY);
            args.arg("value", &value);
        });
        append.attempt()
    });
    let outcomes = soon("a pipeline", appends).await.unwrap();
    let known = outcomes.iter().position(Result::is_ok);
    let known = known.expect("some were not written");
    // The first may have been carried out. Nothing is known of those behind it that had been written.
    assert!(known > 0);
    let (unknown, known) = outcomes.split_at(known);
    let is_unknown = |outcome: &Result<i64>| {
        let error = outcome.as_ref().unwrap_err();
        error.phase() == Phase::MaybeApplied
    };
    assert!(unknown.iter().all(is_unknown));
    assert!(known.iter().all(Result::is_ok));
    assert_eq!(fake.count(0, "APPEND"), 1 + known.len());
}

#[tokio::test]
async fn a_command_that_never_passes_ends_with_its_refusal_at_the_deadline() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("INCR", 2) => Answer::error("CLUSTERDOWN The cluster is down"),
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let down = cluster
        .pipeline()
        .run(incr("k0"))
        .attempt()
        .run(incr(KEY))
        .attempt()
        .deadline(Duration::from_millis(300));
    let (well, down) = soon("a pipeline", down).await.unwrap();
    let (well_key, down) = (node_of("k0"), down.unwrap_err());
    assert_ne!(well_key, 2);
    assert_eq!(well.unwrap(), 1);
    assert_eq!(down.server().unwrap().code(), "CLUSTERDOWN");
    assert_eq!(down.phase(), Phase::Refused);
}

#[tokio::test]
async fn nodes_that_send_a_command_round_and_round_fail_that_command_alone() {
    let fake = FakeCluster::start(3, |asked| {
        match (
            asked.command.name().as_str(),
            asked.command.text(1).as_str(),
        ) {
            ("INCR", KEY) => Answer::moved(12_182, asked.addr((asked.node + 1) % 3)),
            ("INCR", key) => count(key),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let both = cluster
        .pipeline()
        .run(incr("k7"))
        .attempt()
        .run(incr(KEY))
        .attempt();
    let (well, circle) = soon("a pipeline", both).await.unwrap();
    assert_eq!(well.unwrap(), 7);
    let circle = circle.unwrap_err();
    assert!(matches!(circle.kind(), ErrorKind::Cluster(_)), "{circle}");
}

#[tokio::test]
async fn more_commands_than_the_budget_holds_wait_for_their_turn() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "INCR" => count(&asked.command.text(1)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let small = Budget {
        commands: 2,
        bytes: 200,
    };
    let cluster = Cluster::open(config(&fake.node(0).url()).budget(small))
        .await
        .unwrap();
    let keys = keys(200);
    let many: Vec<_> = (0..5)
        .map(|_| {
            let (cluster, keys) = (cluster.clone(), keys.clone());
            tokio::spawn(async move {
                let replies = cluster.pipeline_each(&keys, |_, key| incr(key));
                replies.await.unwrap()
            })
        })
        .collect();
    for replies in many {
        let replies = soon("a pipeline", replies).await.unwrap();
        assert_eq!(replies, (0..200).collect::<Vec<i64>>());
    }
}

#[tokio::test]
async fn a_command_that_cannot_go_over_a_cluster_is_refused_before_anything_is_sent() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let rename = raw("RENAME").key("foo").key("bar").reply::<()>();
    let error = cluster
        .pipeline()
        .run(set("k0", "1"))
        .run(rename)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`foo` has slot 12182, `bar` has slot 5061"),
        "{text}"
    );
    assert_eq!((error.index(), error.phase()), (Some(1), Phase::NotSent));
    assert!((0..3).all(|node| fake.count(node, "SET") == 0));
    // So is a blocking one, which would have others wait.
    let blocking = raw("BLPOP").key("a").arg(1).blocks_for(1).reply::<()>();
    let error = cluster.pipeline().run(blocking).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

#[tokio::test]
async fn commands_on_many_nodes_are_split_and_joined_within_a_pipeline() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let keys: Vec<String> = (0..50).map(|number| space.key(number)).collect();
            let sets = cluster.pipeline_each(&keys, |_, key| set(key, key));
            sets.await.unwrap();
            let read = cluster.pipeline().run(get(&keys[0]));
            let mget: Request<_, Vec<Option<String>>> =
                Request::new(read, &MGET, |args| args.keys("key", &keys));
            let size: Request<_, i64> = Request::new(mget, &DBSIZE, |_| {});
            let (first, all, size, last) = size.run(get(&keys[49])).await.unwrap();
            assert_eq!(first.as_ref(), Some(&keys[0]));
            assert_eq!(last.as_ref(), Some(&keys[49]));
            assert_eq!(all, keys.iter().cloned().map(Some).collect::<Vec<_>>());
            assert!(size >= 50);
        }
    }
}

#[tokio::test]
async fn a_script_is_brought_to_each_node_once_and_found_there_afterwards() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    let script = Script::new(format!("return {{KEYS[1], '{}'}}", space.key("script")));
    let keys: Vec<String> = (0..20).map(|number| space.key(number)).collect();
    for _ in 0..2 {
        let calls =
            cluster.pipeline_each(&keys, |_, key| script.call::<Vec<String>>([key], [0; 0]));
        for (key, reply) in keys.iter().zip(calls.await.unwrap()) {
            assert_eq!(&reply[0], key);
        }
    }
    // Also if the nodes have lost it meanwhile.
    for (_, node) in cluster.primaries() {
        node.run(raw("SCRIPT FLUSH").reply::<()>()).await.unwrap();
    }
    let calls = cluster.pipeline_each(&keys, |_, key| script.call::<Vec<String>>([key], [0; 0]));
    assert_eq!(calls.await.unwrap().len(), 20);
}

async fn generic(client: impl Client, key: &str) -> Result<(i64, i64, Vec<i64>)> {
    client.run(set(key, "0")).await?;
    let (a, b) = client.pipeline().run(incr(key)).run(incr(key)).await?;
    let more = client.pipeline_each(0..3, |_, _| incr(key));
    let more = more.await?;
    let mut batch = client.batch();
    let last = batch.push(incr(key));
    let mut replies = batch.execute().await?;
    assert_eq!(replies.take(last)?, 6);
    Ok((a, b, more))
}

#[tokio::test]
async fn generic_code_takes_a_cluster_owned_borrowed_and_erased() {
    let space = keys_of(ServerKind::Redis8).await;
    let cluster = open(space.cluster()).await;
    let key = space.key("generic");
    let expected = (1, 2, vec![3, 4, 5]);
    assert_eq!(generic(&cluster, &key).await.unwrap(), expected);
    assert_eq!(generic(cluster.clone(), &key).await.unwrap(), expected);
    assert_eq!(
        generic(AnyClient::new(cluster), &key).await.unwrap(),
        expected
    );
}

#[tokio::test]
async fn an_empty_chain_sends_nothing() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    cluster.pipeline().await.unwrap();
    let none = cluster.pipeline_each(Vec::<String>::new(), |_, key| get(&key));
    assert_eq!(none.await.unwrap(), []);
}

#[tokio::test]
async fn two_absent_keys_amid_a_migration_wait_until_it_is_over() {
    // The source has none of the keys, so it says ASK; the target says TRYAGAIN for as long as the slot moves.
    let asked_before = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("RENAME", 2) if asked_before.fetch_add(1, Ordering::Relaxed) < 20 => {
                Answer::ask(12_182, asked.addr(0))
            }
            ("RENAME", 2) => Answer::moved(12_182, asked.addr(0)),
            ("RENAME", 0) if asked.asking => {
                Answer::error("TRYAGAIN Multiple keys request during rehashing of slot")
            }
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let rename = raw("RENAME").key("{foo}a").key("{foo}b").reply::<()>();
    let both = cluster.pipeline().run(rename).run(incr("k0"));
    let ((), one) = soon("a pipeline", both).await.unwrap();
    assert_eq!(one, 1);
    assert_eq!((fake.count(2, "RENAME"), fake.count(0, "RENAME")), (21, 21));
}

/// Seed 2242 of the simulation: what was sent to a node that was lost may have been carried out, also if it cannot be sent to
/// another.
#[tokio::test]
async fn what_was_lost_with_a_node_is_not_reported_as_not_sent_later() {
    for in_pipeline in [false, true] {
        let lost = Arc::new(AtomicUsize::new(0));
        let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
            "ECHO" => {
                lost.store(1, Ordering::Relaxed);
                Answer::Close
            }
            "HELLO" if lost.load(Ordering::Relaxed) > 0 => Answer::Silence,
            _ => Answer::Usual,
        })
        .await
        .unwrap();
        let config = config(&fake.node(0).url()).command_timeout(Duration::from_millis(300));
        let cluster = Cluster::open(config).await.unwrap();
        let echo = || raw("ECHO").key("a").readonly().reply::<String>();
        let error = if in_pipeline {
            cluster
                .pipeline()
                .run(echo())
                .run(echo())
                .await
                .unwrap_err()
        } else {
            cluster.run(echo()).await.unwrap_err()
        };
        assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    }
}

/// The node cannot be reached, and the budget of its link is full: they wait for room, are turned away, and try again.
#[tokio::test]
async fn what_is_turned_away_while_it_waits_for_room_keeps_its_first_deadline() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("HELLO", 2) | ("GET", _) => Answer::Silence,
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let one = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = config(&fake.node(0).url())
        .budget(one)
        .connect_timeout(Duration::from_secs(1));
    let cluster = Cluster::open(config).await.unwrap();
    let elsewhere = keys(9).into_iter().find(|key| node_of(key) == 0).unwrap();
    let first = cluster.run(get(KEY));
    // They begin after it, and last for longer than a connection attempt.
    let deadline = Duration::from_millis(1_500);
    let late = async {
        let single = cluster.run(incr(KEY)).deadline(deadline);
        let on_one = cluster
            .pipeline()
            .run(incr(KEY))
            .run(incr(KEY))
            .deadline(deadline);
        let on_two = cluster
            .pipeline()
            .run(incr(KEY))
            .run(incr("k0"))
            .deadline(deadline);
        tokio::join!(single, on_one, on_two)
    };
    let limit = cluster
        .run(get(&elsewhere))
        .deadline(Duration::from_millis(2_000));
    let (single, on_one, on_two) = tokio::select! {
        biased;
        _ = first => panic!("it has a later deadline"),
        outcomes = late => outcomes,
        later = limit => panic!("a command with a later deadline was given up first: {later:?}"),
    };
    for error in [
        single.unwrap_err(),
        on_one.unwrap_err(),
        on_two.unwrap_err(),
    ] {
        assert_eq!(error.phase(), Phase::NotSent, "{error}");
    }
}

/// A reply is missing at the deadline, and another is a refusal that passes.
#[tokio::test]
async fn what_was_refused_does_not_go_again_once_the_deadline_has_passed() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "INCR" => Answer::error("CLUSTERDOWN The cluster is down"),
        "GET" => Answer::Silence,
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let both = cluster
        .pipeline()
        .run(incr(KEY))
        .attempt()
        .run(get(KEY))
        .attempt()
        .deadline(Duration::from_millis(300));
    let (refused, silent) = soon("a pipeline", both).await.unwrap();
    assert_eq!(refused.unwrap_err().server().unwrap().code(), "CLUSTERDOWN");
    assert!(matches!(silent.unwrap_err().kind(), ErrorKind::Timeout));
    assert_eq!(fake.count(2, "INCR"), 1);
}
