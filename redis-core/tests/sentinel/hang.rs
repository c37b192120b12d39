//! A primary that hangs: sockets stay open, nothing is answered. All bounds of time are minutes, so that the failover alone can
//! explain that anything goes on.

use std::time::{Duration, Instant};

use typedis_core::{
    Config, Connection, Error, ErrorKind, Exclusive, Phase, Pool, Protocol, Run, Subscriber,
    Timeout, raw,
};
use typedis_testkit::SentinelService;

use crate::support::{Switch, config, fail_over, node, until, within};

const MINUTES: Duration = Duration::from_secs(600);

const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

fn patient(service: &SentinelService) -> Config {
    config(service, &[0, 1, 2])
        .liveness(MINUTES)
        .connect_timeout(MINUTES)
        .command_timeout(MINUTES)
}

fn report(what: &str, switch: Instant) {
    let after = Instant::now().saturating_duration_since(switch);
    println!("{what}: at the new primary {after:.2?} after the switch");
}

#[track_caller]
fn is_lost(error: &Error, phase: Phase) {
    let lost = matches!(error.kind(), ErrorKind::ConnectionLost(_));
    assert!(lost && error.phase() == phase, "{error}: {error:?}");
}

async fn id(conn: &Connection) -> i64 {
    conn.run(raw("CLIENT ID").readonly().reply()).await.unwrap()
}

/// Waits until the server has carried out what was sent on other sockets before.
async fn blocked(direct: &Connection, wanted: &str) {
    until(async || {
        let info: String = direct
            .run(raw("INFO").arg("clients").reply())
            .await
            .unwrap();
        info.contains(&format!("blocked_clients:{wanted}\r\n"))
    })
    .await;
}

#[tokio::test]
async fn a_shared_connection_goes_on_at_the_new_primary() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let conn = Connection::open(patient(&service)).await.unwrap();
    id(&conn).await;
    service.pause_primary().unwrap();
    let read = tokio::spawn({
        let conn = conn.clone();
        async move { node(&conn).await }
    });
    let write = tokio::spawn({
        let conn = conn.clone();
        async move { conn.run(raw("INCR").key("n").reply::<i64>()).await }
    });
    let transaction = tokio::spawn({
        let conn = conn.clone();
        async move {
            let one = raw("INCR").key("n").reply::<i64>();
            conn.transaction().run(one).await
        }
    });
    let switched = switch.seen().await;
    // What is asked for before the client has heard of the switch still goes to the old one.
    until(async || {
        let later = conn.run(raw("INCR").key("later").reply::<i64>());
        match later.await {
            Ok(n) => n == 1,
            Err(error) => {
                is_lost(&error, Phase::MaybeApplied);
                false
            }
        }
    })
    .await;
    report("a new command", switched);
    is_lost(
        &within(write).await.unwrap().unwrap_err(),
        Phase::MaybeApplied,
    );
    is_lost(
        &within(transaction).await.unwrap().unwrap_err(),
        Phase::MaybeApplied,
    );
    assert_eq!(
        within(read).await.unwrap().unwrap().0,
        service.replica.port(),
        "what only reads is sent again"
    );
}

/// Nothing keeps it from leaving at once.
#[tokio::test]
async fn reads_that_are_owed_do_not_keep_a_connection_at_the_old_primary() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let conn = Connection::open(patient(&service)).await.unwrap();
    id(&conn).await;
    service.pause_primary().unwrap();
    let reads = (0..20).map(|_| {
        let conn = conn.clone();
        tokio::spawn(async move { node(&conn).await })
    });
    let reads: Vec<_> = reads.collect();
    let switched = switch.seen().await;
    for read in reads {
        assert_eq!(
            within(read).await.unwrap().unwrap().0,
            service.replica.port()
        );
    }
    report("20 reads", switched);
}

#[tokio::test]
async fn leases_leave_whatever_is_owed_on_them() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let pool = Pool::open(patient(&service)).await.unwrap();
    let direct = Connection::open(service.primary.url()).await.unwrap();
    let idle = pool.exclusive().await.unwrap();
    let open = pool.exclusive().await.unwrap();
    let begun = open.begin().await.unwrap();
    begun
        .run(raw("INCR").key("n").reply::<i64>())
        .await
        .unwrap();
    let own = Exclusive::open(patient(&service)).await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move {
            let pop = raw("BLPOP").key("q").arg(0).blocks_for(Timeout::FOREVER);
            pool.run(pop.reply::<Option<(String, i64)>>()).await
        }
    });
    blocked(&direct, "1").await;
    service.pause_primary().unwrap();
    let owed = raw("INCR").key("n").reply::<i64>();
    let owed = tokio::spawn(async move { own.run(owed).await });
    let switched = switch.seen().await;

    is_lost(
        &within(waiting).await.unwrap().unwrap_err(),
        Phase::MaybeApplied,
    );
    is_lost(
        &within(owed).await.unwrap().unwrap_err(),
        Phase::MaybeApplied,
    );
    // Nothing is asked of the old primary any more.
    until(async || idle.is_closed() && open.is_closed()).await;
    is_lost(&node(&idle).await.unwrap_err(), Phase::NotSent);
    is_lost(&begun.exec().await.unwrap_err(), Phase::NotSent);
    drop((idle, open));
    let lease = within(pool.exclusive()).await.unwrap();
    assert_eq!(node(&lease).await.unwrap().0, service.replica.port());
    report("a lease", switched);
}

#[tokio::test]
async fn subscriptions_go_on_at_the_new_primary() {
    for protocol in BOTH {
        let service = SentinelService::start().unwrap();
        let mut switch = Switch::watch(&service).await;
        let pool = Pool::open(patient(&service).protocol(protocol))
            .await
            .unwrap();
        let [mut news] = pool.subscribe(["news"]).await.unwrap();
        let mut all: Subscriber = pool.subscriber().open();
        all.psubscribe(["n*"]).await.unwrap();
        service.pause_primary().unwrap();
        let switched = switch.seen().await;
        let direct = Connection::open(service.replica.url()).await.unwrap();
        until(async || {
            let publish = raw("PUBLISH").arg("news").arg("x").reply::<u32>();
            direct.run(publish).await.unwrap() >= 2
        })
        .await;
        report(&format!("subscriptions, {protocol:?}"), switched);
        let text: String = within(news.get()).await.unwrap().unwrap();
        assert_eq!(text, "x");
        within(all.next()).await.unwrap().unwrap();
    }
}

/// Attempts to connect, and pauses between them, do not outlast the switch.
#[tokio::test]
async fn what_connects_to_a_primary_that_hangs_turns_to_the_new_one() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let pool = Pool::open(patient(&service)).await.unwrap();
    service.pause_primary().unwrap();
    // The kernel accepts it, and nothing answers.
    let lease = tokio::spawn({
        let pool = pool.clone();
        async move { pool.exclusive().await }
    });
    let switched = switch.seen().await;
    let lease = within(lease).await.unwrap().unwrap();
    assert_eq!(node(&lease).await.unwrap().0, service.replica.port());
    report("a lease that was being opened", switched);
}

#[tokio::test]
async fn a_pause_between_attempts_ends_with_the_switch() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let pauses = typedis_core::Backoff {
        first: MINUTES,
        longest: MINUTES,
    };
    let conn = Connection::open(patient(&service).backoff(pauses))
        .await
        .unwrap();
    id(&conn).await;
    service.kill_primary().unwrap();
    let switched = switch.seen().await;
    assert_eq!(within(node(&conn)).await.unwrap().0, service.replica.port());
    report("a connection that paused", switched);
}

/// Its reads can be made once more: nothing was changed by then.
#[tokio::test]
async fn a_watch_is_begun_again_at_the_new_primary() {
    let service = SentinelService::start().unwrap();
    let mut switch = Switch::watch(&service).await;
    let pool = Pool::open(patient(&service)).await.unwrap();
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let go_on = std::sync::Arc::new(tokio::sync::Notify::new());
    let watching = tokio::spawn({
        let (pool, begun, go_on) = (pool.clone(), begun.clone(), go_on.clone());
        async move {
            pool.watch(["n"], |tx| {
                let (begun, go_on) = (begun.clone(), go_on.clone());
                async move {
                    begun.notify_one();
                    go_on.notified().await;
                    let read = raw("GET").key("n").readonly().reply::<Option<i64>>();
                    let n = tx.run(read).await?.unwrap_or(0);
                    let write = raw("SET").key("n").arg(n + 1).reply::<()>();
                    go_on.notify_one();
                    Ok(tx.transaction().run(write))
                }
            })
            .await
        }
    });
    within(begun.notified()).await;
    service.pause_primary().unwrap();
    let switched = switch.seen().await;
    go_on.notify_one();
    // The second attempt waits for its turn as well.
    within(begun.notified()).await;
    go_on.notify_one();
    let ((),) = within(watching).await.unwrap().unwrap();
    report("a watch", switched);
    let direct = Connection::open(service.replica.url()).await.unwrap();
    let n: i64 = direct.run(raw("GET").key("n").reply()).await.unwrap();
    assert_eq!(n, 1);
}

/// The old primary answers on as a primary: Sentinels tell it after some 10 s that it is a replica, and this one does not listen.
#[tokio::test]
async fn a_failover_that_was_asked_for_is_followed_at_once_by_what_blocks() {
    let stubborn = ["SLAVEOF", "REPLICAOF"].map(|name| format!("rename-command {name} \"\""));
    let service = SentinelService::with_primary(|primary| {
        stubborn
            .into_iter()
            .fold(primary, |primary, line| primary.line(line))
    })
    .unwrap();
    let mut switch = Switch::watch(&service).await;
    let pool = Pool::open(patient(&service)).await.unwrap();
    let direct = Connection::open(service.primary.url()).await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move {
            loop {
                let pop = raw("BLPOP").key("q").arg(0).blocks_for(Timeout::FOREVER);
                match pool.run(pop.reply::<Option<(String, i64)>>()).await {
                    Ok(popped) => return popped,
                    Err(error) => is_lost(&error, Phase::MaybeApplied),
                }
            }
        }
    });
    blocked(&direct, "1").await;
    fail_over(&service.sentinels[0]).await;
    let switched = switch.seen().await;
    let promoted = Connection::open(service.replica.url()).await.unwrap();
    blocked(&promoted, "1").await;
    report("what blocks, after a failover in order", switched);
    // It was not the old one's demotion that moved the consumer.
    assert_eq!(node(&direct).await.unwrap().1, "master");
    let push = raw("RPUSH").key("q").arg(7).reply::<i64>();
    promoted.run(push).await.unwrap();
    assert_eq!(within(waiting).await.unwrap(), Some(("q".to_owned(), 7)));
}
