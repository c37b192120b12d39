//! Nodes by themselves.

use typedis_core::{ErrorKind, Run, raw};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

#[tokio::test]
async fn a_node_that_was_closed_by_its_user_is_there_again() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let address = fake.node(1).addr().to_string();
    let ping = || raw("PING").reply::<()>();
    let first = cluster.node(&address).unwrap();
    soon("a reply", first.run(ping())).await.unwrap();
    assert!(soon("its end", first.close()).await.is_clean());
    let second = cluster.node(&address).unwrap();
    soon("a reply", second.run(ping())).await.unwrap();
    let (_, third) = cluster.primaries().remove(1);
    third.abort();
    assert!(second.is_closed());
    let (_, fourth) = cluster.primaries().remove(1);
    soon("a reply", fourth.run(ping())).await.unwrap();
    // Not after the end of the cluster.
    assert!(soon("the end", cluster.close()).await.is_clean());
    for node in [fourth, cluster.node(&address).unwrap()] {
        let error = soon("an error", node.run(ping())).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error:?}");
    }
}
