//! Limits of time that are longer while announced maintenance lasts.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::{Budget, CommandInfo, ErrorKind, Pool, Request, Run, Script, Timeout};
use typedis_testkit::fake::Fake;
use typedis_testkit::push;
use typedis_testkit::resp::Resp;

use crate::maintenance::{asking, greet};
use crate::support::*;

/// A server that announces this, and then leaves everything unanswered until it is told to answer.
async fn stalling(pushes: String, released: Arc<Notify>) -> Fake {
    Fake::start(move |mut peer| {
        let (pushes, released) = (pushes.clone(), released.clone());
        async move {
            if greet(&mut peer).await?.is_none() {
                return Ok(());
            }
            peer.send(format!("{pushes}+first\r\n")).await?;
            released.notified().await;
            while let Some(command) = peer.command().await? {
                let text = match command.name().as_str() {
                    "PING" => "PONG".to_owned(),
                    _ => command.text(1),
                };
                peer.send(Resp::from(text.as_str())).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

fn migration() -> String {
    push!["MIGRATING", 1, 0, "1"].to_string()
}

/// A command with a deadline of its own, which is longer than the usual one, times out while it is still waited for
/// one with the usual limit.
#[tokio::test]
async fn usual_limits_are_longer_while_an_operation_lasts_and_deadlines_of_callers_are_kept() {
    let usual = Duration::from_millis(50);
    for (pushes, survives) in [
        (migration(), true),
        (push!["MOVING", 1, 600, Resp::null()].to_string(), true),
        (push!["SMIGRATING", 1, "5"].to_string(), true),
        // Requests that queued up meanwhile are answered a while after the end.
        (
            format!("{}{}", migration(), push!["MIGRATED", 1, "1"]),
            true,
        ),
        (String::new(), false),
    ] {
        let released = Arc::new(Notify::new());
        let fake = stalling(pushes.clone(), released.clone()).await;
        let config = asking(&fake).command_timeout(usual).maint_extra_time(LONG);
        let conn = connect(config).await;
        let first = conn.run(echo("x")).deadline(LONG).await.unwrap();
        assert_eq!(first, "first");
        let waiting = conn.run(echo("usual")).send();
        let own = conn.run(echo("own")).deadline(usual * 4).await;
        assert!(failed(own).is_timeout());
        released.notify_one();
        let outcome = soon("the usual command", waiting).await;
        assert_eq!(outcome.is_ok(), survives, "{pushes}: {outcome:?}");
    }
}

/// The same for a command that waits for room.
#[tokio::test]
async fn a_wait_for_room_is_longer_too() {
    let usual = Duration::from_millis(50);
    let released = Arc::new(Notify::new());
    let fake = stalling(migration(), released.clone()).await;
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = asking(&fake)
        .command_timeout(usual)
        .maint_extra_time(LONG)
        .budget(budget);
    let conn = connect(config).await;
    conn.run(echo("x")).deadline(LONG).await.unwrap();
    let in_flight = conn.run(echo("in flight")).send();
    let mut in_line = Box::pin(conn.run(echo("in line")).into_future());
    assert!(poll_once(&mut in_line).await.is_none());
    let own = conn.run(echo("own")).deadline(usual * 4);
    let (own, in_line_meanwhile) = tokio::join!(own, poll_once(&mut in_line));
    assert!(failed(own).is_timeout() && in_line_meanwhile.is_none());
    released.notify_one();
    assert_eq!(soon("in flight", in_flight).await.unwrap(), "in flight");
    assert_eq!(soon("in line", in_line).await.unwrap(), "in line");
}

/// A connection without announcements gives its silent server up; the other one still waits by then.
#[tokio::test]
async fn a_silent_server_is_waited_for_longer_while_an_operation_lasts() {
    let bound = Duration::from_millis(60);
    let silent = stalling(String::new(), Arc::new(Notify::new())).await;
    let released = Arc::new(Notify::new());
    let fake = stalling(migration(), released.clone()).await;
    let config = asking(&fake).liveness(bound).maint_extra_time(LONG);
    let conn = connect(config).await;
    conn.run(echo("x")).await.unwrap();
    let waiting = conn.run(echo("late")).send();
    let other = connect(asking(&silent).liveness(bound * 2)).await;
    other.run(echo("x")).await.unwrap();
    let error = failed(soon("the other's loss", other.run(echo("lost"))).await);
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionLost(_)),
        "{error}"
    );
    released.notify_one();
    assert_eq!(soon("late", waiting).await.unwrap(), "late");
    assert_eq!(fake.connections(), 1);
}

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1);

/// A call that may block for a moment, on a socket that the pool leases for it.
fn blpop(pool: &Pool) -> Request<&Pool, String> {
    Request::new(pool, &BLPOP, |args| {
        let timeout = Timeout::from(Duration::from_millis(10));
        args.key("key", "popped");
        args.block(&timeout);
        args.arg("timeout", &timeout);
    })
}

/// The time of its socket is what the wait for it has left over.
#[tokio::test]
async fn the_usual_limit_of_a_command_that_blocks_is_longer_too() {
    let usual = Duration::from_millis(50);
    for (pushes, reports) in [
        (migration(), false),
        (migration(), true),
        (String::new(), false),
        (String::new(), true),
    ] {
        let released = Arc::new(Notify::new());
        let fake = stalling(pushes.clone(), released.clone()).await;
        let config = asking(&fake).command_timeout(usual).maint_extra_time(LONG);
        let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
        if reports {
            pool.on_unclaimed(|_| {});
        }
        let leased = lease(&pool).await;
        for first in [
            known(&leased, &ECHO, &["x"]).deadline(LONG).await,
            pool.run(echo("x")).deadline(LONG).await,
        ] {
            assert_eq!(first.unwrap(), "first");
        }
        drop(leased);
        let waiting = blpop(&pool).into_future();
        let own = pool.run(echo("own")).deadline(usual * 4).into_future();
        let own = async {
            let own = own.await;
            released.notify_one();
            released.notify_one();
            own
        };
        let (outcome, own) = soon("both", async { tokio::join!(waiting, own) }).await;
        assert!(failed(own).is_timeout());
        let what = format!("{pushes}, {reports}: {outcome:?}");
        assert_eq!(outcome.is_ok(), !pushes.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_deadline_of_a_command_that_blocks_is_kept() {
    for reports in [false, true] {
        let released = Arc::new(Notify::new());
        let fake = stalling(migration(), released.clone()).await;
        let config = asking(&fake).maint_extra_time(LONG);
        let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
        if reports {
            pool.on_unclaimed(|_| {});
        }
        let leased = lease(&pool).await;
        let first: String = known(&leased, &ECHO, &["x"]).await.unwrap();
        assert_eq!(first, "first");
        drop(leased);
        let call = blpop(&pool).deadline(Duration::from_millis(50));
        assert!(failed(soon("the call", call).await).is_timeout());
    }
}

/// A server that announces this, lacks every script, and leaves everything else unanswered.
async fn lacking_scripts(pushes: String) -> Fake {
    Fake::start(move |mut peer| {
        let pushes = pushes.clone();
        async move {
            if greet(&mut peer).await?.is_none() {
                return Ok(());
            }
            peer.send(format!("{pushes}+first\r\n")).await?;
            while let Some(command) = peer.command().await? {
                if command.name() == "EVALSHA" {
                    peer.send("-NOSCRIPT no such script\r\n").await?;
                }
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

/// The first reply to the call comes while its time is longer already.
#[tokio::test]
async fn a_limit_is_made_longer_once_also_if_the_command_is_sent_again() {
    let minute = Duration::from_secs(60);
    for (pushes, minutes) in [(String::new(), 1), (migration(), 2)] {
        let fake = lacking_scripts(pushes).await;
        let config = asking(&fake)
            .liveness(None)
            .command_timeout(minute)
            .maint_extra_time(minute);
        let conn = connect(config).await;
        conn.run(echo("x")).await.unwrap();
        let begun = tokio::time::Instant::now();
        let script = Script::new("return 1");
        let call = tokio::spawn(async move { conn.run(script.call::<String>((), ())).await });
        until("the text is sent", || {
            let sent = fake.received(0);
            sent.iter().any(|words| words.name() == "EVAL")
        })
        .await;
        tokio::time::pause();
        let outcome = tokio::time::timeout(minute * 10, call).await;
        let waited = begun.elapsed();
        tokio::time::resume();
        assert!(failed(outcome.unwrap().unwrap()).is_timeout());
        let expected = minute * minutes..minute * minutes + minute / 2;
        assert!(expected.contains(&waited), "{minutes}: {waited:?}");
    }
}
