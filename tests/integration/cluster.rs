//! The typed commands on a cluster: the same methods, on many nodes.

use typedis::prelude::*;
use typedis::{ErrorKind, Script};
use typedis_testkit::{Cluster as Servers, ServerKind, shared_cluster};

fn url(servers: &Servers) -> String {
    let addresses: Vec<String> = servers.addrs().iter().map(ToString::to_string).collect();
    format!("redis://{}", addresses.join(","))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("the work does not panic")
}

#[tokio::test]
async fn commands_on_many_keys_are_split_and_joined() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let keys: Vec<String> = (0..20).map(|number| space.key(number)).collect();
    let pairs: Vec<(&str, usize)> = keys.iter().map(String::as_str).zip(0..).collect();
    cluster.mset(&pairs).await.unwrap();
    let values = cluster.mget::<usize>(&keys).await.unwrap();
    assert_eq!(values, (0..20).map(Some).collect::<Vec<_>>());
    assert_eq!(cluster.exists(&keys).await.unwrap(), 20);
    let mut found = cluster.keys::<String>(space.pattern()).await.unwrap();
    let mut expected = keys.clone();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(cluster.unlink(&keys).await.unwrap(), 20);
}

#[tokio::test]
async fn what_must_be_atomic_is_refused_on_two_slots_before_it_is_sent() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let (one, other) = (space.key("one"), space.key("other"));
    let error = cluster.rename(&one, &other).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let error = cluster.msetnx([(&one, 1), (&other, 2)]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let script = Script::new("return redis.call('GET', KEYS[1])");
    let call = script.call::<Option<i64>>([&one, &other], [0; 0]);
    let error = cluster.run(call).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

#[tokio::test]
async fn a_script_is_brought_to_the_node_that_lacks_it() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for round in 1..=2 {
        for number in 0..10 {
            let call = script.call::<i64>([space.key(number)], [5]);
            assert_eq!(cluster.run(call).await.unwrap(), 5 * round);
        }
    }
}

#[tokio::test]
async fn what_concerns_all_nodes_is_asked_of_all() {
    let servers = blocking(|| Servers::start(ServerKind::Valkey9).unwrap()).await;
    let cluster = typedis::cluster(url(&servers)).await.unwrap();
    for number in 0..100 {
        cluster.set(format!("k{number}"), number).await.unwrap();
    }
    assert_eq!(cluster.dbsize().await.unwrap(), 100);
    let sha1 = cluster.script_load("return 7").await.unwrap();
    assert_eq!(cluster.script_exists([&sha1]).await.unwrap(), [true]);
    cluster.flushall().await.unwrap();
    assert_eq!(cluster.dbsize().await.unwrap(), 0);
    // A number of one node would say nothing.
    let error = cluster.randomkey::<String>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}
