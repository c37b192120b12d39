//! What an error of a deadline says beside: what the call still waited for.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::Duration;

use typedis_core::{Backoff, Budget, Connection, Error, Obstacle, Phase, Pool, Protocol};
use typedis_core::{Run, Timeout, raw};
use typedis_testkit::ClosedPort;
use typedis_testkit::fake::Fake;

use crate::support::*;

const SHORT: Duration = Duration::from_millis(60);

/// A server that accepts connections and says nothing.
async fn silent() -> Fake {
    let script = |mut peer: typedis_testkit::fake::Peer| async move { peer.until_closed().await };
    Fake::start(script).await.unwrap()
}

/// The obstacle of a deadline that passed; its text is in the error's, and the source does not repeat it.
#[track_caller]
fn obstacle<T: std::fmt::Debug>(result: typedis_core::Result<T>, phase: Phase) -> Obstacle {
    let error = failed(result);
    assert!(error.is_timeout() && error.phase() == phase, "{error}");
    let Some(obstacle) = error.obstacle() else {
        panic!("{error}")
    };
    let behind = error.source().map(ToString::to_string);
    assert!(
        behind.is_none_or(|behind| !error.to_string().contains(&behind)),
        "{error}"
    );
    assert!(error.to_string().contains(&obstacle.to_string()), "{error}");
    println!("{error}");
    obstacle.clone()
}

/// Calls until the first attempt to connect has ended.
async fn unreached<T: std::fmt::Debug>(
    address: SocketAddr,
    phase: Phase,
    mut call: impl AsyncFnMut() -> typedis_core::Result<T>,
) {
    let calls = async {
        loop {
            match obstacle(call().await, phase) {
                Obstacle::Connecting(_) => {}
                found => return found,
            }
        }
    };
    let found = soon("the attempt", calls).await;
    assert!(matches!(found, Obstacle::NotConnected(_)), "{found}");
    let cause = found.to_string();
    assert!(cause.contains(&address.to_string()), "{cause}");
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn the_last_attempt_to_connect_is_told_for_whatever_waits_for_it() {
    let nowhere = ClosedPort::new().unwrap();
    let address = nowhere.addr();
    let config = at(address).password("s3cret").command_timeout(SHORT);
    let (conn, sent) = (Connection::lazy(config.clone()).unwrap(), Phase::NotSent);
    unreached(address, sent, async || conn.run(incr("n")).await).await;
    unreached(address, sent, async || {
        conn.pipeline().run(incr("n")).run(incr("n")).await
    })
    .await;
    unreached(address, sent, async || {
        conn.transaction().run(incr("n")).await
    })
    .await;
    unreached(address, Phase::MaybeApplied, async || {
        conn.subscribe(["news"]).await
    })
    .await;
    let pool = Pool::lazy(config).unwrap();
    unreached(address, sent, async || pool.run(incr("n")).await).await;
}

/// It is what keeps the budget full.
#[tokio::test]
async fn what_stands_in_line_while_there_is_no_connection_is_told_why() {
    let nowhere = ClosedPort::new().unwrap();
    let address = nowhere.addr();
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let conn = Connection::lazy(at(address).budget(budget)).unwrap();
    let first = conn.run(incr("n")).send();
    unreached(address, Phase::NotSent, async || {
        conn.run(incr("n")).deadline(SHORT).await
    })
    .await;
    drop(first);
}

#[tokio::test]
async fn an_attempt_that_lasts_is_told_with_its_address() {
    let fake = silent().await;
    let conn = Connection::lazy(at(fake.addr()).command_timeout(SHORT)).unwrap();
    let found = obstacle(conn.run(incr("n")).await, Phase::NotSent);
    let Obstacle::Connecting(to) = found else {
        panic!("{found}")
    };
    assert_eq!(to, fake.addr().to_string());
    let pool = Pool::lazy(at(fake.addr()).command_timeout(SHORT)).unwrap();
    let found = obstacle(pool.exclusive().await, Phase::NotSent);
    assert!(matches!(found, Obstacle::Connecting(_)), "{found}");
}

#[tokio::test]
async fn leases_that_are_all_in_use_are_counted() {
    let config = on(&db()).leases(3).command_timeout(SHORT);
    let pool = Pool::open(config).await.unwrap();
    let out = all((0..3).map(|_| lease(&pool))).await;
    let found = obstacle(pool.exclusive().await, Phase::NotSent);
    assert!(matches!(found, Obstacle::LeasesInUse(3)), "{found}");
    let pop = raw("BLPOP").key("q").arg(0).blocks_for(Timeout::FOREVER);
    let found = obstacle(pool.run(pop.reply::<()>()).await, Phase::NotSent);
    assert!(matches!(found, Obstacle::LeasesInUse(3)), "{found}");
    drop(out);
    lease(&pool).await;
}

#[tokio::test]
async fn a_full_budget_is_told_with_its_bounds() {
    let (proxy, config) = proxied(&db()).await;
    let budget = Budget {
        commands: 2,
        bytes: 1 << 20,
    };
    let conn = connect(config.budget(budget).liveness(None)).await;
    proxy.to_client().hold();
    let sent: Vec<_> = (0..2).map(|_| conn.run(incr("n")).send()).collect();
    let late = conn.run(incr("n")).deadline(SHORT).await;
    let found = obstacle(late, Phase::NotSent);
    assert!(
        matches!(found, Obstacle::BudgetFull { commands: 2, bytes } if bytes == 1 << 20),
        "{found}"
    );
    drop(sent);
}

#[tokio::test]
async fn a_server_that_does_not_read_is_told() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(None)).await;
    proxy.to_server().hold();
    // More than the buffers of the kernel take.
    let big = "x".repeat(32 << 20);
    let big = conn.run(set("big", &big)).send();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let found = obstacle(conn.run(incr("n")).deadline(SHORT).await, Phase::NotSent);
    assert!(matches!(found, Obstacle::ServerDoesNotRead), "{found}");
    drop(big);
}

#[tokio::test]
async fn a_refusal_that_passes_is_told_when_the_next_answer_is_late() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        peer.expect(&["INCR", "n"]).await?;
        peer.send("-LOADING Redis is loading the dataset in memory\r\n")
            .await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let config = at(fake.addr()).protocol(Protocol::Resp2).liveness(None);
    let conn = connect(config).await;
    let deadline = Duration::from_millis(500);
    let found = obstacle(
        conn.run(incr("n")).deadline(deadline).await,
        Phase::MaybeApplied,
    );
    let Obstacle::Refused(error) = &found else {
        panic!("{found}")
    };
    assert_eq!(error.code(), "LOADING");
}

#[tokio::test]
async fn what_was_sent_and_is_late_for_no_other_reason_has_none() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(None)).await;
    proxy.to_client().hold();
    let error: Error = failed(conn.run(incr("n")).deadline(SHORT).await);
    assert!(error.is_timeout() && error.source().is_none(), "{error}");
}

/// An old obstacle does not outlive its connection.
#[tokio::test]
async fn an_obstacle_is_forgotten_once_there_is_a_connection() {
    let (proxy, config) = proxied(&db()).await;
    proxy.refuse(true);
    let slow = Backoff {
        first: SHORT,
        longest: SHORT,
    };
    let conn = Connection::lazy(config.backoff(slow).liveness(None)).unwrap();
    let found = obstacle(
        conn.run(incr("n")).deadline(SHORT * 2).await,
        Phase::NotSent,
    );
    assert!(matches!(found, Obstacle::NotConnected(_)), "{found}");
    proxy.refuse(false);
    ping_works(&conn).await;
    proxy.to_client().hold();
    let error = failed(conn.run(incr("n")).deadline(SHORT).await);
    assert!(error.obstacle().is_none(), "{error}");
}

/// Neither a URL nor a password is a part of it.
#[tokio::test]
async fn secrets_are_no_part_of_it() {
    let nowhere = ClosedPort::new().unwrap();
    let silent = silent().await;
    for address in [nowhere.addr(), silent.addr()] {
        let config = at(address).credentials("user", "s3cret");
        let conn = Connection::lazy(config).unwrap();
        let error = failed(conn.run(incr("n")).deadline(SHORT * 3).await);
        for text in [
            error.to_string(),
            format!("{error:?} {:?}", error.obstacle()),
        ] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
