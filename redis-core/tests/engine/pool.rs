//! Leased sockets: clean ones are lent again, others are closed, and waiting is fair.

use std::time::Duration;

use tokio::task::JoinSet;
use typedis_core::{CommandInfo, Config, ErrorKind, Phase, Pool, Run, StateChange, raw};
use typedis_testkit::Database;
use typedis_testkit::fake::Fake;

use crate::support::*;

static SELECT: CommandInfo =
    CommandInfo::new("SELECT", b"$6\r\nSELECT\r\n", 1).state(StateChange::Database);

async fn pool(config: Config) -> Pool {
    Pool::open(config.lanes(1)).await.unwrap()
}

async fn blocked(db: &Database, wanted: usize) {
    let conn = connect(on(db)).await;
    let flag = format!(" db={} ", db.number());
    until_async("these clients are blocked", async || {
        let list: String = conn.run(raw("CLIENT LIST").reply()).await.unwrap();
        let blocked = |line: &&str| line.contains(&flag) && line.contains(" flags=b");
        list.lines().filter(blocked).count() == wanted
    })
    .await;
}

#[tokio::test]
async fn a_clean_socket_is_lent_again() {
    let pool = pool(on(&db())).await;
    let lease = pool.exclusive().await.unwrap();
    let first = id(&lease).await;
    assert_eq!(known::<_, i64>(&lease, &INCR, &["n"]).await.unwrap(), 1);
    drop(lease);
    for _ in 0..10 {
        assert_eq!(id(&pool.exclusive().await.unwrap()).await, first);
    }
}

#[tokio::test]
async fn a_socket_whose_state_was_changed_is_closed() {
    let pool = pool(on(&db())).await;
    for way in 0..4 {
        let lease = pool.exclusive().await.unwrap();
        let first = id(&lease).await;
        match way {
            0 => known::<_, ()>(&lease, &SELECT, &["0"]).await.unwrap(),
            // What a raw command does is not known.
            1 => lease.run(raw("SELECT").arg(0).reply::<()>()).await.unwrap(),
            2 => {
                lease
                    .pipeline()
                    .run(raw("SELECT").arg(0).reply::<()>())
                    .await
                    .unwrap();
            }
            _ => {
                let mut batch = lease.batch();
                let _ = batch.push(raw("SELECT").arg(0).reply::<()>());
                let _ = batch.execute().await.unwrap();
            }
        }
        drop(lease);
        let lease = pool.exclusive().await.unwrap();
        assert_ne!(id(&lease).await, first, "{way}");
        let info: String = lease.run(raw("CLIENT INFO").reply()).await.unwrap();
        assert!(!info.contains(" db=0 "), "{way}: {info}");
    }
}

#[tokio::test]
async fn a_socket_that_is_owed_a_reply_is_closed() {
    let (proxy, config) = proxied(&db()).await;
    let pool = pool(config).await;
    let lease = pool.exclusive().await.unwrap();
    let first = id(&lease).await;
    proxy.to_client().hold();
    let mut call = known::<_, i64>(&lease, &INCR, &["n"]);
    poll_once(&mut call).await;
    drop(call);
    drop(lease);
    proxy.to_client().resume();
    let lease = pool.exclusive().await.unwrap();
    assert_ne!(id(&lease).await, first);
    assert_eq!(
        known::<_, String>(&lease, &ECHO, &["x"]).await.unwrap(),
        "x"
    );
}

#[tokio::test]
async fn a_socket_that_was_lost_is_not_lent_again() {
    let db = db();
    let pool = pool(on(&db)).await;
    let other = connect(on(&db)).await;
    let first = id(&pool.exclusive().await.unwrap()).await;
    other
        .run(raw("CLIENT KILL ID").arg(first).reply::<i64>())
        .await
        .unwrap();
    until_async("the loss is noticed", async || {
        let lease = pool.exclusive().await.unwrap();
        known::<_, String>(&lease, &ECHO, &["x"]).await.is_ok()
    })
    .await;
    assert_ne!(id(&pool.exclusive().await.unwrap()).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_hundred_cancelled_blocking_calls_the_pool_is_whole() {
    let db = db();
    let pool = pool(on(&db).leases(10)).await;
    let mut tasks = JoinSet::new();
    for index in 0..100 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
            let call = pool.run(pop.reply::<(String, i64)>());
            let limit = Duration::from_millis(20 + index % 30);
            assert!(tokio::time::timeout(limit, call).await.is_err());
        });
    }
    soon("the cancelled calls", tasks.join_all()).await;
    until("all permits are back", || pool.available() == 10).await;
    blocked(&db, 0).await;
    // Nobody is left who would take this.
    pool.run(raw("RPUSH").key("jobs").arg(1).reply::<i64>())
        .await
        .unwrap();
    let pop = raw("BLPOP").key("jobs").arg(1).blocks_for(1);
    let popped = pool
        .run(pop.reply::<Option<(String, i64)>>())
        .await
        .unwrap();
    assert_eq!(popped, Some(("jobs".to_owned(), 1)));
}

#[tokio::test]
async fn blocking_calls_do_not_hold_up_the_others() {
    let db = db();
    let pool = pool(on(&db)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..5 {
        let pool = pool.clone();
        tasks.spawn(async move {
            let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
            pool.run(pop.reply::<(String, i64)>()).await.unwrap().1
        });
    }
    blocked(&db, 5).await;
    for n in 1..=100 {
        assert_eq!(pool.run(incr("n")).await.unwrap(), n);
    }
    let (pushed,) = pool
        .transaction()
        .run(
            raw("RPUSH")
                .key("jobs")
                .args([1, 2, 3, 4, 5])
                .reply::<i64>(),
        )
        .await
        .unwrap();
    assert_eq!(pushed, 5);
    let mut popped = tasks.join_all().await;
    popped.sort_unstable();
    assert_eq!(popped, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn leases_are_given_in_order_of_asking() {
    let pool = pool(on(&db()).leases(1)).await;
    let lease = pool.exclusive().await.unwrap();
    let mut waiting: Vec<_> = (0..20)
        .map(|_| {
            Box::pin(async {
                let lease = pool.exclusive().await.unwrap();
                known::<_, i64>(&lease, &INCR, &["n"]).await.unwrap()
            })
        })
        .collect();
    for call in &mut waiting {
        poll_once(call).await;
    }
    drop(lease);
    assert_eq!(all(waiting).await, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn waiting_for_a_lease_ends_with_the_timeout() {
    let pool = pool(
        on(&db())
            .leases(1)
            .command_timeout(Duration::from_millis(100)),
    )
    .await;
    let held = lease(&pool).await;
    let error = failed(pool.exclusive().await);
    assert!(
        error.is_timeout() && error.phase() == Phase::NotSent,
        "{error}"
    );
    let pop = raw("BLPOP").key("k").arg(1).blocks_for(1);
    let error = failed(pool.run(pop.reply::<Option<i64>>()).await);
    assert!(
        error.is_timeout() && error.phase() == Phase::NotSent,
        "{error}"
    );
    assert_eq!(error.command(), Some("BLPOP"));
    drop(held);
    assert_eq!(pool.available(), 1);
    drop(lease(&pool).await);
}

/// The time of a blocking call includes the wait for its socket.
#[tokio::test]
async fn a_deadline_of_a_blocking_call_ends_its_wait_for_a_lease() {
    let pool = pool(on(&db()).leases(1).command_timeout(LONG * 10)).await;
    let lease = pool.exclusive().await.unwrap();
    let pop = raw("BLPOP").key("k").arg(1).blocks_for(1);
    let pop = pool.run(pop.reply::<Option<i64>>());
    let error = failed(soon("its deadline", pop.deadline(Duration::from_millis(50))).await);
    assert!(
        error.is_timeout() && error.phase() == Phase::NotSent,
        "{error}"
    );
    drop(lease);
    assert_eq!(pool.available(), 1);
}

/// A server that lets nobody in any more: the wait is bounded, and no permit is lost.
#[tokio::test]
async fn a_lease_that_cannot_be_connected_costs_no_permit() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number() == 0 {
            after_handshake(&mut peer).await?;
        }
        peer.until_closed().await
    })
    .await
    .unwrap();
    let config = at(fake.addr())
        .protocol(typedis_core::Protocol::Resp2)
        .leases(2);
    let pool = pool(config.command_timeout(Duration::from_millis(50))).await;
    for _ in 0..5 {
        assert!(failed(pool.exclusive().await).is_timeout());
    }
    assert_eq!(pool.available(), 2);
}

#[tokio::test]
async fn after_close_everything_fails_and_the_sockets_go() {
    let (proxy, config) = proxied(&db()).await;
    let pool = pool(config.leases(3)).await;
    let lease = pool.exclusive().await.unwrap();
    drop(pool.exclusive().await.unwrap());
    let waiting = pool.clone();
    pool.abort();
    for error in [
        failed(pool.run(incr("n")).await),
        failed(waiting.exclusive().await),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    }
    // The one that is out still works, and goes when it comes back.
    assert_eq!(known::<_, i64>(&lease, &INCR, &["n"]).await.unwrap(), 1);
    drop(lease);
    proxy.wait_for_open(0, LONG).await.unwrap();
}

#[tokio::test]
async fn a_reply_of_a_leased_command_that_does_not_fit_is_told_with_its_name() {
    let db = db();
    let pool = pool(on(&db)).await;
    pool.run(raw("RPUSH").key("q").arg("x").reply::<i64>())
        .await
        .unwrap();
    let pop = raw("BLPOP").key("q").arg(1).blocks_for(1);
    let error = failed(pool.run(pop.reply::<i64>()).await);
    assert_eq!(error.command(), Some("BLPOP"), "{error}");
}

#[tokio::test]
async fn lanes_share_the_load() {
    let (proxy, config) = proxied(&db()).await;
    let pool = Pool::open(config.lanes(4)).await.unwrap();
    proxy.to_client().hold();
    let mut calls: Vec<_> = (0..40).map(|_| pool.run(incr("n"))).collect();
    for call in &mut calls {
        poll_once(call).await;
    }
    proxy.to_client().resume();
    let ids = all((0..40).map(|_| pool.run(raw("CLIENT ID").reply::<i64>()))).await;
    let mut ids: Vec<_> = ids.into_iter().map(Result::unwrap).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    for result in all(calls).await {
        result.unwrap();
    }
}
