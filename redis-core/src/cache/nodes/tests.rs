#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicBool;

use typedis_testkit::fake::{Answer, FakeCluster};

use super::*;
use crate::cache::Cache;
use crate::error::ErrorKind;
use crate::request::{Run, raw};

/// What a cache with room for this many primaries has.
fn shared(most: u16) -> Arc<Shared> {
    Arc::new(Shared::new(Cache::default(), true, most))
}

fn links(sources: &NodeSources) -> Vec<Arc<Link>> {
    let mut links = Vec::new();
    sources.each(|source| links.push(source.link.clone()));
    links
}

#[tokio::test]
async fn a_cluster_of_too_many_primaries_is_refused_in_its_own_words() {
    let nodes = FakeCluster::start(2, |_| Answer::Usual).await.unwrap();
    let cluster = Cluster::open(nodes.url()).await.unwrap();
    let error = NodeSources::new(cluster.clone(), &shared(1)).err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(error.to_string().contains("primaries"), "{error}");
    assert!(NodeSources::new(cluster, &shared(2)).is_ok());
}

/// A primary that has become a replica gives its place to the one that has taken over.
#[tokio::test]
async fn only_primaries_take_places() {
    let has_failed_over = Arc::new(AtomicBool::new(false));
    let fails_over = has_failed_over.clone();
    let nodes = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
        "SET" if asked.node == 0 && has_failed_over.load(Ordering::SeqCst) => {
            Answer::moved(slot(b"k"), asked.addr(1))
        }
        _ => Answer::Usual,
    });
    let nodes = nodes.await.unwrap();
    nodes.assign(0..=16_383, 0);
    nodes.set_replicas(0, &[1]);
    let cluster = Cluster::open(nodes.url()).await.unwrap();
    let sources = NodeSources::new(cluster.clone(), &shared(1)).unwrap();
    let before = links(&sources);
    fails_over.store(true, Ordering::SeqCst);
    cluster
        .run(raw("SET").key("k").arg("1").reply::<()>())
        .await
        .unwrap();
    sources.keep_up();
    let now = links(&sources);
    assert_eq!((before.len(), now.len()), (1, 1));
    let ports = [before, now].map(|links| links.first().unwrap().config.address().to_string());
    let told = [0, 1].map(|node| nodes.node(node).addr().to_string());
    assert_eq!(ports, told);
}
