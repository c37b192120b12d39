//! Real servers that fail, are demoted, disappear.

use std::time::{Duration, Instant};

use typedis_core::{Connection, ErrorKind, Exclusive, Pool, Run, SentinelCause, ServiceRole, raw};

use typedis_testkit::SentinelService;

use crate::support::{Switch, config, fail_over, node, until, within};

/// Much longer than a client takes to hear of a switch and to follow it, and shorter than the deadlines of its commands.
const SOON: Duration = Duration::from_secs(30);

async fn set(conn: &Connection, value: u32) -> typedis_core::Result<String> {
    conn.run(raw("SET").key("k").arg(value).reply()).await
}

#[tokio::test]
async fn a_service_is_found_by_its_name_and_in_each_role() {
    let service = SentinelService::start().unwrap();
    let conn = Connection::open(config(&service, &[0, 1, 2]))
        .await
        .unwrap();
    let (port, role) = node(&conn).await.unwrap();
    assert_eq!((port, role.as_str()), (service.primary.port(), "master"));

    let replicas = config(&service, &[0]).role(ServiceRole::Replica);
    let conn = Connection::open(&replicas).await.unwrap();
    let (port, role) = node(&conn).await.unwrap();
    assert_eq!((port, role.as_str()), (service.replica.port(), "slave"));
    let lease = Exclusive::open(&replicas).await.unwrap();
    assert_eq!(node(&lease).await.unwrap().0, service.replica.port());

    let url = config(&service, &[1, 2]).to_url_with_secrets();
    assert!(url.starts_with("redis+sentinel://127.0.0.1:"), "{url}");
    let pool = Pool::open(&url).await.unwrap();
    assert_eq!(node(&pool).await.unwrap().0, service.primary.port());

    // No replica is left.
    service.replica.kill().unwrap();
    service.hurry().unwrap();
    let error = within(async {
        loop {
            match Connection::open(&replicas).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => match error.kind() {
                    ErrorKind::Sentinel(reason) if reason.cause() == SentinelCause::NoReplica => {
                        break error;
                    }
                    // It is dead, and not yet known to be.
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    })
    .await;
    assert!(error.to_string().contains("no replica"), "{error}");
}

#[tokio::test]
async fn writes_resume_on_the_promoted_node_when_the_primary_dies() {
    let service = SentinelService::start().unwrap();
    let conn = Connection::open(config(&service, &[0, 1, 2]))
        .await
        .unwrap();
    let pool = Pool::open(config(&service, &[0])).await.unwrap();
    let mut switch = Switch::watch(&service).await;
    set(&conn, 1).await.unwrap();
    service.kill_primary().unwrap();
    // What fails at the moment of the loss may have been carried out; later writes wait for the new primary.
    // How long Sentinels take to agree is not the client's doing.
    let long_ago = async {
        switch.seen().await;
        tokio::time::sleep(SOON).await;
    };
    tokio::select! {
        () = until(async || set(&conn, 2).await.is_ok()) => {}
        () = long_ago => panic!("it does not follow"),
    }
    let (port, role) = node(&conn).await.unwrap();
    assert_eq!((port, role.as_str()), (service.replica.port(), "master"));
    until(async || {
        node(&pool)
            .await
            .is_ok_and(|(port, _)| port == service.replica.port())
    })
    .await;
    let lease = within(pool.exclusive()).await.unwrap();
    assert_eq!(node(&lease).await.unwrap().0, service.replica.port());
}

#[tokio::test]
async fn sockets_leave_a_node_that_is_demoted_in_place() {
    let service = SentinelService::start().unwrap();
    let conn = Connection::open(config(&service, &[0, 1, 2]))
        .await
        .unwrap();
    let pool = Pool::open(config(&service, &[2])).await.unwrap();
    let readers = config(&service, &[0]).role(ServiceRole::Replica);
    let reader = Connection::open(readers).await.unwrap();
    drop(pool.exclusive().await.unwrap());
    let start = Instant::now();
    fail_over(&service.sentinels[1]).await;
    let promoted = service.replica.port();
    // Nothing is written: it is the watch that moves them, long before the old primary is told that it is a replica.
    until(async || node(&conn).await.is_ok_and(|(port, _)| port == promoted)).await;
    until(async || node(&pool).await.is_ok_and(|(port, _)| port == promoted)).await;
    until(async || {
        let lease = pool.exclusive().await.unwrap();
        node(&lease).await.is_ok_and(|(port, _)| port == promoted)
    })
    .await;
    println!("followed after {:?}", start.elapsed());
    set(&conn, 3).await.unwrap();
    let old = service.primary.port();
    until(async || {
        node(&reader)
            .await
            .is_ok_and(|(port, role)| port == old && role == "slave")
    })
    .await;
}

#[tokio::test]
async fn learned_sentinels_serve_when_all_configured_ones_are_gone() {
    let service = SentinelService::start().unwrap();
    let conn = Connection::open(config(&service, &[0])).await.unwrap();
    service.sentinels[0].kill().unwrap();
    service.kill_primary().unwrap();
    until(async || set(&conn, 4).await.is_ok()).await;
    assert_eq!(node(&conn).await.unwrap().0, service.replica.port());
}
