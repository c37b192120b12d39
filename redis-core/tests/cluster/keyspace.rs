//! Keyspace events of all primaries, also of those that join, take over, or are not configured to tell any.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::{Event, KeyspaceEvents};
use typedis_core::{ErrorKind, Run};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

const KEY: &str = "{t}1";

/// A cluster whose nodes tell all events; each primary has this number of replicas.
async fn start_telling(kind: ServerKind, replicas: usize) -> Arc<Servers> {
    let builder = Servers::builder(kind)
        .replicas(replicas)
        .node_timeout(NODE_TIMEOUT)
        .line(STEADY)
        .line("notify-keyspace-events KEA");
    Arc::new(blocking(move || builder.start().unwrap()).await)
}

/// Writes the key until the stream has reported `gaps` gaps and after them the key. Before that, the old primary may still report it.
/// Returns the notes and errors that came first.
async fn told_until_written(cluster: &Cluster, events: &mut KeyspaceEvents, gaps: usize) -> Told {
    let mut told = Told::default();
    let wait = async {
        loop {
            cluster.run(set(KEY, "2")).await.unwrap();
            let next = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
            match next {
                Ok(Some(Ok(Event::Resubscribed))) => told.gaps += 1,
                Ok(Some(Ok(Event::Message(event))))
                    if told.gaps >= gaps && event.key_text() == KEY =>
                {
                    return;
                }
                Ok(Some(Err(error))) => told.errors.push(error.to_string()),
                Ok(Some(Ok(_))) | Err(_) => {}
                Ok(None) => panic!("the stream ended"),
            }
        }
    };
    soon("events of the new primary", wait).await;
    told
}

#[derive(Debug, Default)]
struct Told {
    gaps: usize,
    errors: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_come_from_all_primaries_and_from_those_that_join_later() {
    let servers = start_telling(ServerKind::Valkey9, 0).await;
    let cluster = open(&servers).await;
    let mut events = cluster.keyspace_events().event("set").await.unwrap();
    let keys = ["{a}1", "{b}1", "{c}1", KEY];
    let owner = |key: &&str| {
        let topology = cluster.topology();
        topology.primary_of(slot(key)).unwrap().address.to_string()
    };
    let owners: BTreeSet<String> = keys.iter().map(owner).collect();
    assert_eq!(owners.len(), 3, "the keys are on all nodes");
    for key in keys {
        cluster.run(set(key, "1")).await.unwrap();
        let event = soon("an event", events.next()).await.unwrap().unwrap();
        assert_eq!(event.into_message().unwrap().key_text(), key);
    }
    change(&servers, move |changing| {
        let added = changing.add_node().unwrap();
        changing.move_slot(slot("t"), &added).unwrap();
        changing.wait_until_agreed().unwrap();
    })
    .await;
    let told = told_until_written(&cluster, &mut events, 1).await;
    assert_eq!((told.gaps, told.errors.len()), (1, 0), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_come_from_a_replica_that_took_over() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_telling(kind, 1).await;
        let cluster = open(&servers).await;
        let mut events = cluster.keyspace_events().event("set").await.unwrap();
        change(&servers, |changing| changing.fail_over(slot("t")).unwrap()).await;
        let told = told_until_written(&cluster, &mut events, 1).await;
        assert_eq!((told.gaps, told.errors.len()), (1, 0), "{kind} {told:?}");
        change(&servers, |changing| {
            let owner = changing.owner_of(slot("t")).unwrap();
            let heir = changing.replica_of_owner(slot("t")).unwrap();
            let_replicas_take_over(changing);
            owner.server().kill().unwrap();
            heir.wait_until_primary().unwrap();
        })
        .await;
        let told = told_until_written(&cluster, &mut events, 1).await;
        assert!(told.gaps > 0 && told.errors.is_empty(), "{kind} {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_that_tells_none_is_an_error_in_the_stream_which_goes_on() {
    let servers = start_telling(ServerKind::Valkey9, 0).await;
    let cluster = open(&servers).await;
    let mut events = cluster.keyspace_events().event("set").await.unwrap();
    let added = change(&servers, move |changing| {
        let added = changing.add_node().unwrap();
        added
            .call(&["CONFIG", "SET", "notify-keyspace-events", "KA"])
            .unwrap();
        changing.move_slot(slot("t"), &added).unwrap();
        changing.wait_until_agreed().unwrap();
        added
    })
    .await;
    let wait = async {
        loop {
            if let Err(error) = events.next().await.unwrap() {
                return error;
            }
        }
    };
    let error = soon("an error", wait).await;
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let text = error.to_string();
    let named = format!("the server {} tells no such events", added.addr());
    assert!(text.contains(&named) && text.contains("\"AK\""), "{text}");
    // The others are heard all the same.
    cluster.run(set("{a}1", "1")).await.unwrap();
    let event = soon("an event", events.next()).await.unwrap().unwrap();
    assert_eq!(event.into_message().unwrap().key_text(), "{a}1");
    let configured = added.clone();
    blocking(move || {
        configured
            .call(&["CONFIG", "SET", "notify-keyspace-events", "KEA"])
            .unwrap();
    })
    .await;
    let told = told_until_written(&cluster, &mut events, 0).await;
    assert!(told.errors.is_empty(), "{told:?}");
}
