//! Maintenance that nodes of managed clusters announce.

use std::time::Duration;

use typedis_core::Run;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Config, ConnectionEvent, MaintNotifications, Maintenance};
use typedis_testkit::fake::{Answer, FakeCluster};
use typedis_testkit::resp::Resp;
use typedis_testkit::{array, push};

use crate::support::*;

/// Shorter than the time after which the map is asked for in any case.
const SOON: Duration = Duration::from_secs(20);

fn asking(fake: &FakeCluster) -> Config {
    config(&fake.node(0).url()).maint_notifications(MaintNotifications::On)
}

/// A cluster in which the reply to GET comes after this push.
async fn announcing(push: Resp) -> FakeCluster {
    FakeCluster::start(3, move |asked| match asked.command.name().as_str() {
        "GET" => Answer::Reply(format!("{push}$1\r\nx\r\n").into_bytes()),
        _ => Answer::Usual,
    })
    .await
    .unwrap()
}

/// Waits until this node is known to have the slot of `key`.
async fn is_owned_by(cluster: &Cluster, fake: &FakeCluster, key: &str, node: usize) {
    let address = fake.node(node).addr().to_string();
    let wait = async {
        loop {
            let topology = cluster.topology();
            let owner = topology.primary_of(slot(key)).unwrap();
            if owner.address.to_string() == address {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap();
}

/// Before any node has sent a redirect.
#[tokio::test]
async fn slots_that_have_migrated_and_nodes_that_move_are_looked_up() {
    let migrated = push!["SMIGRATED", 1, array![array!["a:1", "b:1", "12182"]]];
    let moving = push!["MOVING", 1, 60, "192.0.2.1:6379"];
    for push in [migrated, moving] {
        let fake = announcing(push).await;
        let cluster = Cluster::open(asking(&fake)).await.unwrap();
        is_owned_by(&cluster, &fake, "foo", 2).await;
        fake.assign(12_182..=12_182, 0);
        let value = soon("a reply", cluster.run(get("foo"))).await.unwrap();
        assert_eq!(value.as_deref(), Some("x"));
        is_owned_by(&cluster, &fake, "foo", 0).await;
        assert_eq!((fake.count(2, "GET"), fake.count(0, "GET")), (1, 0));
    }
}

#[tokio::test]
async fn a_single_node_tells_of_them_too() {
    let fake = announcing(push!["SMIGRATING", 1, "12182"]).await;
    let cluster = Cluster::open(asking(&fake)).await.unwrap();
    let node = cluster.node(&fake.node(2).addr().to_string()).unwrap();
    let mut events = node.events();
    node.run(get("foo")).await.unwrap();
    let told = soon("an announcement", async {
        loop {
            if let Some(ConnectionEvent::Maintenance(notice)) = events.next().await {
                return notice;
            }
        }
    })
    .await;
    let slots = "12182".to_owned();
    assert_eq!(told, Maintenance::SlotsMigrating { slots });
}
