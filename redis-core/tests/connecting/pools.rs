//! Pools that grow and shrink, the sockets that they lend, their end in good order.

use std::future::IntoFuture;
use std::task::Poll;
use std::time::{Duration, Instant};

use typedis_core::{Config, ConnectionEvent, ErrorKind, Phase, Pool, Run, raw};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Server, ServerKind};

use crate::life::{clients, here};
use crate::support::{LONG, at, event, quick, say, until, within};

#[tokio::test]
async fn a_pool_waits_for_its_leases_when_it_closes() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(at(server.addr())).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let closed = within(pool.close().within(Duration::from_millis(50)).into_future()).await;
    assert_eq!((closed.failed, closed.leased), (0, 1));
    assert_eq!(say(&lease, &["PING"]).await.unwrap(), "PONG");
    drop(lease);
    until(|| clients(&server) == 0).await;
    assert!(matches!(
        pool.exclusive().await.unwrap_err().kind(),
        ErrorKind::Closed
    ));

    let pool = Pool::open(at(server.addr())).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().within(LONG).await }
    });
    within(refuses(&pool)).await;
    drop(lease);
    assert!(within(closing).await.unwrap().is_clean());
    until(|| clients(&server) == 0).await;
}

/// More than can be counted for the wait.
#[tokio::test]
async fn a_pool_with_no_limit_waits_for_its_leases_too() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let config = at(server.addr()).leases(usize::MAX);
    let pool = Pool::open(config).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let closed = within(pool.close().within(Duration::from_millis(50)).into_future()).await;
    assert_eq!(closed.leased, 1);
    drop(lease);
    until(|| clients(&server) == 0).await;
}

/// An error that asks for another attempt would be wrong.
#[tokio::test]
async fn a_pool_that_is_being_closed_refuses_whoever_asks_for_a_socket_at_once() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let config = at(server.addr()).command_timeout(Duration::from_millis(50));
    let pool = Pool::open(config).await.unwrap();
    let lease = within(async {
        loop {
            match pool.exclusive().await {
                Ok(lease) => return lease,
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
        }
    })
    .await;
    let mut closing = pool.close().within(LONG).into_future();
    let at_once = std::future::poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx)));
    assert!(at_once.await.is_pending());
    let pop = raw("BLPOP").key("q").arg(0).blocks_for(0);
    for error in [
        pool.exclusive().await.unwrap_err(),
        pool.run(pop.reply::<()>()).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    }
    drop(lease);
    assert!(within(closing).await.is_clean());
}

/// Waits until nothing new is accepted.
async fn refuses(pool: &Pool) {
    while say(pool, &["PING"]).await.is_ok() {}
}

/// Nobody is lent a socket after that.
#[tokio::test]
async fn a_pool_whose_closing_was_given_up_is_closed_all_the_same() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(at(server.addr())).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().within(LONG).await }
    });
    within(refuses(&pool)).await;
    closing.abort();
    assert!(within(closing).await.unwrap_err().is_cancelled());
    assert!(matches!(
        pool.exclusive().await.unwrap_err().kind(),
        ErrorKind::Closed
    ));
    drop(lease);
    until(|| clients(&server) == 0).await;
}

#[tokio::test]
async fn a_pool_tells_whether_it_is_connected_busy_or_closed() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::lazy(at(server.addr()).lanes(2)).unwrap();
    assert!(!pool.is_connected() && !pool.is_closed());
    assert_eq!(within(say(&pool, &["PING"])).await.unwrap(), "PONG");
    assert!(pool.is_connected());
    assert_eq!(pool.in_flight(), 0);
    // A blocking command is one of those that have no reply, but its socket is no shared one.
    let blocked = tokio::spawn({
        let pool = pool.clone();
        let pop = raw("BLPOP").key("q").arg(0).blocks_for(0);
        async move { pool.run(pop.reply::<(String, String)>()).await }
    });
    until(|| pool.in_flight() == 1).await;
    assert_eq!(pool.stats().in_flight, 0);
    assert_eq!(pool.stats().connected, 1);
    let push = crate::support::words::<i64>(&["RPUSH", "q", "x"]);
    assert_eq!(within(pool.run(push)).await.unwrap(), 1);
    assert_eq!(within(blocked).await.unwrap().unwrap().1, "x");
    assert_eq!(pool.in_flight(), 0);
    assert!(within(pool.close().into_future()).await.is_clean());
    assert!(pool.is_closed() && !pool.is_connected());
}

#[tokio::test]
async fn a_pool_that_closes_lends_nothing_more_and_counts_only_what_is_out() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(at(server.addr()).leases(2)).await.unwrap();
    let _lease = pool.exclusive().await.unwrap();
    let closing = pool.close().within(Duration::from_millis(50)).into_future();
    // Closing is polled first, and has the other socket by then.
    let (closed, refused) = within(async { tokio::join!(closing, pool.exclusive()) }).await;
    assert_eq!(closed.leased, 1);
    assert!(matches!(refused.unwrap_err().kind(), ErrorKind::Closed));
}

#[tokio::test]
async fn a_pool_opens_lanes_under_load_and_closes_them_again() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let config = at(proxy.addr())
        .lanes(3)
        .min_lanes(1)
        .idle_timeout(Duration::from_millis(300));
    let pool = Pool::open(config).await.unwrap();
    for _ in 0..50 {
        assert_eq!(say(&pool, &["PING"]).await.unwrap(), "PONG");
    }
    assert_eq!(proxy.accepted(), 1, "one lane is enough for one caller");
    let mut events = pool.events();
    proxy.to_client().hold();
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { say(&pool, &["PING"]).await })
        })
        .collect();
    within(proxy.wait_for_accepted(3, LONG)).await.unwrap();
    proxy.heal();
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), "PONG");
    }
    assert_eq!(pool.stats().answered, 350);
    for _ in 0..2 {
        event(&mut events, |event| *event == ConnectionEvent::Dormant).await;
    }
    within(proxy.wait_for_open(1, LONG)).await.unwrap();
    assert_eq!(say(&pool, &["PING"]).await.unwrap(), "PONG");
}

#[tokio::test]
async fn idle_leases_are_closed() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let idle = Duration::from_millis(300);
    let config = at(proxy.addr()).lanes(1).idle_timeout(idle);
    let pool = Pool::open(config).await.unwrap();
    let leases = [
        pool.exclusive().await.unwrap(),
        pool.exclusive().await.unwrap(),
    ];
    assert_eq!(proxy.accepted(), 3);
    let start = Instant::now();
    drop(leases);
    // One that is idle is lent again, unless a busy machine has let both be idle for too long.
    say(&pool.exclusive().await.unwrap(), &["PING"])
        .await
        .unwrap();
    let is_late = start.elapsed() >= idle;
    assert!(proxy.accepted() == 3 || is_late, "{}", proxy.accepted());
    within(proxy.wait_for_open(1, LONG)).await.unwrap();
    assert_eq!(
        say(&pool.exclusive().await.unwrap(), &["PING"])
            .await
            .unwrap(),
        "PONG"
    );
}

#[tokio::test]
async fn old_sockets_are_replaced_without_anybody_noticing() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let config = at(proxy.addr())
        .lanes(1)
        .max_age(Duration::from_millis(200));
    let pool = Pool::open(config).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    within(async {
        while proxy.accepted() < 6 {
            assert_eq!(say(&pool, &["PING"]).await.unwrap(), "PONG");
        }
    })
    .await;
    assert_eq!(pool.stats().timeouts, 0);
    // A lease lives for as long as its holder wants, and is not lent again when it is old.
    assert_eq!(say(&lease, &["PING"]).await.unwrap(), "PONG");
    drop(lease);
    let before = proxy.accepted();
    say(&pool.exclusive().await.unwrap(), &["PING"])
        .await
        .unwrap();
    assert!(proxy.accepted() > before);
}

#[tokio::test]
async fn waiting_for_a_lease_is_fair_and_bounded() {
    let pool = Pool::open(here().leases(1).command_timeout(Duration::from_millis(200)))
        .await
        .unwrap();
    // The short limit is for the one that waits: this one may take longer on a busy machine.
    let held = within(async {
        loop {
            match pool.exclusive().await {
                Ok(lease) => return lease,
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
        }
    })
    .await;
    let error = within(pool.exclusive()).await.unwrap_err();
    assert!(
        error.is_timeout() && error.phase() == Phase::NotSent,
        "{error}"
    );
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    let pool = Pool::open(here().leases(1)).await.unwrap();
    drop(held);
    let held = pool.exclusive().await.unwrap();
    for number in 0..5 {
        let (pool, sender) = (pool.clone(), sender.clone());
        tokio::spawn(async move {
            let _lease = pool.exclusive().await.unwrap();
            sender.send(number).unwrap();
        });
        // Each stands in line before the next one comes.
        tokio::task::yield_now().await;
    }
    drop(held);
    for number in 0..5 {
        assert_eq!(within(order.recv()).await, Some(number));
    }
}

#[tokio::test]
async fn a_dead_socket_is_never_lent() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(quick(Config::from_url(&server.url()).unwrap()))
        .await
        .unwrap();
    for _ in 0..10 {
        let lease = pool.exclusive().await.unwrap();
        say(&lease, &["PING"]).await.unwrap();
        drop(lease);
        let mut raw = server.connect().unwrap();
        raw.call(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .unwrap();
        until(|| pool.stats().connected == 2).await;
        // Whether its end has been seen yet or not, a command that only asks succeeds in the end; a dead socket that
        // fails once is not seen again.
        let mut failures = 0;
        within(async {
            while say(&pool.exclusive().await.unwrap(), &["PING"])
                .await
                .is_err()
            {
                failures += 1;
            }
        })
        .await;
        assert!(failures <= 1, "a dead socket was lent twice");
    }
}
