//! Pipelines and batches on a cluster.
//!
//! # Layout
//!
//! - this file: which command goes where, and in which order its reply comes
//! - `redirects`: commands that a node refuses or sends elsewhere
//! - `losses`: commands of nodes that are lost or cannot be reached

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    AnyClient, Budget, Client, CommandInfo, ErrorKind, IntoRequest, Request, RequestPolicy,
    ResponsePolicy, Result, Run, Script, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

mod losses;
mod redirects;

static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);

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

fn number(key: &str) -> i64 {
    key.trim_start_matches('k').parse().unwrap()
}

fn count(key: &str) -> Answer {
    Answer::Reply(format!(":{}\r\n", number(key)).into_bytes())
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
    assert_eq!(error.index(), Some(1));
    assert_is_wrong_call(&error);
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
