//! Callers that go away: nobody else notices.

use std::time::Duration;

use tokio::task::JoinSet;
use typedis_core::{Connection, Run};

use crate::support::*;

const TASKS: usize = 64;

/// A connection through a line of 0 to 5 ms each way.
async fn slow_line() -> (typedis_testkit::proxy::Proxy, Connection) {
    let (proxy, config) = proxied(&db()).await;
    let delay = Duration::from_millis(5);
    let conn = connect(config).await;
    for lane in proxy.lanes() {
        lane.delay(Duration::ZERO, delay);
    }
    (proxy, conn)
}

fn short() -> Duration {
    Duration::from_micros(fastrand::u64(..8_000))
}

/// Asks for an echo, and gives up in one of several ways, or not.
async fn echo_or_go(conn: &Connection, text: &str, way: usize) -> bool {
    let call = conn.run(echo(text));
    let reply = match way % 6 {
        0 => Some(call.await),
        1 => tokio::time::timeout(short(), call).await.ok(),
        2 => tokio::select! {
            reply = call => Some(reply),
            () = tokio::time::sleep(short()) => None,
        },
        3 => {
            let (conn, text) = (conn.clone(), text.to_owned());
            let task = tokio::spawn(async move { conn.run(echo(&text)).await });
            tokio::time::sleep(short()).await;
            task.abort();
            task.await.ok()
        }
        4 => {
            let mut call = call;
            poll_once(&mut call).await;
            None
        }
        _ => {
            drop(call);
            None
        }
    };
    if let Some(reply) = reply {
        assert_eq!(reply.unwrap(), text);
        return true;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_completed_echo_is_its_callers_own_whoever_goes_away() {
    let (proxy, conn) = slow_line().await;
    let before = id(&conn).await;
    let rounds = size("TYPEDIS_ECHOES", 12_800) / TASKS;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let conn = conn.clone();
        tasks.spawn(async move {
            let mut completed = 0;
            for round in 0..rounds {
                let text = format!("{task}-{round}-{}", fastrand::u64(..));
                completed += usize::from(echo_or_go(&conn, &text, fastrand::usize(..)).await);
            }
            completed
        });
    }
    let completed: usize = tasks.join_all().await.into_iter().sum();
    assert!(
        completed >= rounds * TASKS / 10,
        "only {completed} completed"
    );
    until("all replies are consumed", || conn.in_flight() == 0).await;
    assert_eq!((id(&conn).await, proxy.accepted()), (before, 1));
}

/// A pipeline, transaction or batch whose replies show whose they are.
async fn chain(conn: &Connection, text: &str, way: usize) {
    let key = format!("n:{}", fastrand::u8(..8));
    match way % 4 {
        0 => {
            let calls = conn
                .pipeline()
                .run(echo(text))
                .run(incr(&key))
                .run(echo(&key));
            let (a, n, b) = calls.await.unwrap();
            assert_eq!((a.as_str(), b.as_str()), (text, key.as_str()));
            assert!(n > 0);
        }
        1 => {
            let calls = conn
                .transaction()
                .run(incr(&key))
                .run(echo(text))
                .run(incr(&key));
            let (m, a, n) = calls.await.unwrap();
            assert_eq!((a.as_str(), n), (text, m + 1));
        }
        2 => {
            let mut batch = conn.batch();
            let handles: Vec<_> = (0..5)
                .map(|index| batch.push(echo(&format!("{text}/{index}"))))
                .collect();
            let mut replies = batch.execute().await.unwrap();
            for (index, handle) in handles.into_iter().enumerate() {
                assert_eq!(replies.take(handle).unwrap(), format!("{text}/{index}"));
            }
        }
        _ => {
            let texts: Vec<_> = (0..5).map(|index| format!("{text}+{index}")).collect();
            let replies = conn
                .pipeline_each(&texts, |c, text| c.run(echo(text)))
                .await;
            assert_eq!(replies.unwrap(), texts);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_transactions_and_batches_dropped_midway_disturb_nobody() {
    let (proxy, conn) = slow_line().await;
    let before = id(&conn).await;
    let rounds = size("TYPEDIS_ECHOES", 6_400) / TASKS;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let conn = conn.clone();
        tasks.spawn(async move {
            for round in 0..rounds {
                let text = format!("{task}-{round}");
                let call = chain(&conn, &text, fastrand::usize(..));
                if fastrand::bool() {
                    call.await;
                } else {
                    let _ = tokio::time::timeout(short(), call).await;
                }
            }
        });
    }
    tasks.join_all().await;
    until("all replies are consumed", || conn.in_flight() == 0).await;
    assert_eq!((id(&conn).await, proxy.accepted()), (before, 1));
}

#[tokio::test]
async fn a_request_that_was_never_polled_sends_nothing() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    let sent = proxy.to_server().passed();
    drop(conn.run(incr("n")));
    drop(conn.pipeline().run(incr("n")).run(incr("n")));
    drop(conn.transaction().run(incr("n")));
    assert_eq!(counter(&conn, "n").await, 0);
    let get = "*2\r\n$3\r\nGET\r\n$1\r\nn\r\n".len() as u64;
    assert_eq!(proxy.to_server().passed(), sent + get);
}

#[tokio::test]
async fn what_was_sent_and_dropped_is_carried_out_once() {
    let conn = connect(on(&db())).await;
    for _ in 0..100 {
        drop(conn.run(incr("n")).send());
        let mut polled = conn.run(incr("n"));
        poll_once(&mut polled).await;
    }
    // In order, so these are behind.
    assert_eq!(conn.run(incr("n")).await.unwrap(), 201);
    assert_eq!(conn.in_flight(), 0);
}

#[tokio::test]
async fn sent_requests_can_be_awaited_late_and_in_any_order() {
    let conn = connect(on(&db())).await;
    let mut sent: Vec<_> = (0..100).map(|_| Some(conn.run(incr("n")).send())).collect();
    let last = conn.run(incr("n")).await.unwrap();
    assert_eq!(last, 101);
    for index in (0..100).rev() {
        let reply = sent[index].take().unwrap().await.unwrap();
        assert_eq!(reply, i64::try_from(index).unwrap() + 1);
    }
}

#[tokio::test]
async fn a_finished_request_says_so_when_it_is_polled_again() {
    let conn = connect(on(&db())).await;
    let mut call = conn.run(incr("n"));
    assert_eq!((&mut call).await.unwrap(), 1);
    let error = failed((&mut call).await);
    assert!(
        error.to_string().contains("awaited to its end already"),
        "{error}"
    );
}

/// A decoder that panics is its caller's affair.
#[tokio::test]
async fn a_panic_while_a_reply_is_decoded_concerns_that_call_only() {
    #[derive(Debug)]
    struct Bomb;
    impl typedis_core::FromRedis for Bomb {
        fn from_redis(_: typedis_core::Reply<'_>) -> Result<Self, typedis_core::DecodeError> {
            panic!("as a decoder of a user's own might")
        }
    }
    let conn = connect(on(&db())).await;
    let before = id(&conn).await;
    let other = conn.clone();
    let call = async move { other.run(echo("x").reply::<Bomb>()).await };
    let (bombed, others) = tokio::join!(
        tokio::spawn(call),
        all((0..10).map(|_| conn.run(incr("n"))))
    );
    assert!(bombed.unwrap_err().is_panic());
    assert!(others.iter().all(Result::is_ok));
    ping_works(&conn).await;
    assert_eq!((id(&conn).await, conn.in_flight()), (before, 0));
}
