//! What nodes say before they are used.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;

use typedis_core::{Connection, ConnectionEvent, MaintNotifications, Maintenance, Run, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::push;

use crate::support::{by, naming, within};

/// A primary that announces something right before it says its role.
async fn announcing() -> Fake {
    Fake::answering(|words| match words.name().as_str() {
        "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".into(),
        "ROLE" => {
            let migrating = push!["MIGRATING", 1, 5, "1"];
            format!("{migrating}*1\r\n$6\r\nmaster\r\n").into()
        }
        "PING" => "+PONG\r\n".into(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn an_announcement_that_comes_with_the_role_counts() {
    let primary = announcing().await;
    let sentinel = naming(Arc::new(AtomicU16::new(primary.addr().port()))).await;
    let config = by("shop", &[sentinel.addr()]).maint_notifications(MaintNotifications::On);
    let conn = Connection::lazy(config).unwrap();
    let mut events = conn.events();
    let pong: String = within(conn.run(raw("PING").reply())).await.unwrap();
    assert_eq!(pong, "PONG");
    within(async {
        loop {
            match events.next().await {
                Some(ConnectionEvent::Maintenance(Maintenance::Migrating { .. })) => return,
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
    })
    .await;
}
