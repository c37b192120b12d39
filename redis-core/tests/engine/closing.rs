//! The end of a handle in good order, while calls that were accepted have to be sent once more.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::{Client, Close, ErrorKind, Pool, Protocol, Run, Script, raw};
use typedis_testkit::fake::Fake;

use crate::support::*;

/// A server that refuses the first command of a test once it is told to, and accepts all others.
async fn refusing_first(refusal: &'static str, sent: &Arc<Notify>, told: &Arc<Notify>) -> Fake {
    let (sent, told) = (sent.clone(), told.clone());
    let fake = Fake::start(move |mut peer| {
        let (sent, told) = (sent.clone(), told.clone());
        async move {
            after_handshake(&mut peer).await?;
            let mut refused = false;
            while peer.command().await?.is_some() {
                if !std::mem::replace(&mut refused, true) {
                    sent.notify_one();
                    told.notified().await;
                    peer.send(refusal).await?;
                } else {
                    peer.send("+done\r\n").await?;
                }
            }
            Ok(())
        }
    });
    fake.await.unwrap()
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Closes a handle while a call waits for its first reply, which is a refusal. Returns what the call gave.
async fn refused_while_closing<C: Client>(
    handle: &C,
    close: Close<'_>,
    call: impl IntoFuture<Output = typedis_core::Result<String>>,
    (sent, told): (Arc<Notify>, Arc<Notify>),
) -> typedis_core::Result<String> {
    let (mut call, mut closing) = (
        Box::pin(call.into_future()),
        Box::pin(close.within(LONG).into_future()),
    );
    assert!(poll_once(&mut call).await.is_none());
    soon("the call is sent", sent.notified()).await;
    assert!(poll_once(&mut closing).await.is_none());
    let refused = handle.run(echo("new")).await;
    assert!(matches!(failed(refused).kind(), ErrorKind::Closed));
    told.notify_one();
    // The refusal is there, and its caller does not look yet.
    settle().await;
    assert!(poll_once(&mut closing).await.is_none());
    let (outcome, closed) = tokio::join!(soon("the call", call), soon("the end", closing));
    assert!(closed.is_clean(), "{closed:?}");
    outcome
}

#[tokio::test]
async fn a_script_that_the_server_lacks_is_sent_with_its_text_before_the_end() {
    let notes = (Arc::default(), Arc::default());
    let fake = refusing_first("-NOSCRIPT none\r\n", &notes.0, &notes.1).await;
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
    let script = Script::new("return 1");
    let call = conn.run(script.call::<String>((), ()));
    let outcome = refused_while_closing(&conn, conn.close(), call, notes).await;
    assert_eq!(outcome.unwrap(), "done");
    let sent = fake.received(0);
    let names: Vec<_> = sent.iter().map(|words| words.name()).collect();
    assert_eq!(names[names.len() - 2..], ["EVALSHA", "EVAL"]);
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_before_the_end() {
    for refusal in [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    ] {
        let notes = (Arc::default(), Arc::default());
        let fake = refusing_first(refusal, &notes.0, &notes.1).await;
        let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
        let call = conn.run(echo("x"));
        let outcome = refused_while_closing(&conn, conn.close(), call, notes).await;
        assert_eq!(outcome.unwrap(), "done");
    }
}

/// Its lanes are told to end while leased sockets are still out.
#[tokio::test]
async fn what_is_refused_for_now_is_sent_again_before_the_end_of_a_pool() {
    let notes = (Arc::default(), Arc::default());
    let fake = refusing_first(
        "-LOADING Redis is loading the dataset in memory\r\n",
        &notes.0,
        &notes.1,
    )
    .await;
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let call = async {
        let outcome = pool.run(echo("x")).await;
        drop(lease);
        outcome
    };
    let outcome = refused_while_closing(&pool, pool.close(), call, notes).await;
    assert_eq!(outcome.unwrap(), "done");
}

#[tokio::test]
async fn a_call_that_still_pauses_at_the_deadline_of_the_end_has_failed() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "ECHO" => "-LOADING Redis is loading the dataset in memory\r\n".into(),
        _ => "+OK\r\n".into(),
    });
    let fake = fake.await.unwrap();
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
    let mut call = Box::pin(conn.run(echo("x")).into_future());
    assert!(poll_once(&mut call).await.is_none());
    until("it is refused", || conn.in_flight() == 0).await;
    assert!(poll_once(&mut call).await.is_none());
    let closing = conn.close().within(Duration::from_millis(20));
    let closed = soon("the end", closing).await;
    assert_eq!((closed.failed, closed.is_clean()), (1, false));
    let error = failed(soon("the call", call).await);
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
}

/// Whoever has given up does not hold up the end.
#[tokio::test]
async fn a_call_that_is_dropped_amid_its_pause_does_not_delay_the_end() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "ECHO" => "-LOADING Redis is loading the dataset in memory\r\n".into(),
        _ => "+OK\r\n".into(),
    });
    let fake = fake.await.unwrap();
    for looks in [false, true] {
        let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
        let mut call = Box::pin(conn.run(echo("x")).into_future());
        assert!(poll_once(&mut call).await.is_none());
        until("it is refused", || conn.in_flight() == 0).await;
        if looks {
            assert!(poll_once(&mut call).await.is_none());
        }
        let mut closing = Box::pin(conn.close().within(Duration::MAX).into_future());
        assert!(poll_once(&mut closing).await.is_none());
        settle().await;
        assert!(poll_once(&mut closing).await.is_none());
        drop(call);
        assert!(soon("the end", closing).await.is_clean());
    }
}

/// Nobody else wakes the task of the socket then: neither a command that is sent nor a timer.
#[tokio::test]
async fn the_end_comes_once_the_last_call_has_taken_its_refusal_or_is_dropped() {
    for takes in [true, false] {
        let (sent, told) = (Arc::default(), Arc::default());
        let fake = refusing_first("-NOSCRIPT none\r\n", &sent, &told).await;
        let config = at(fake.addr()).protocol(Protocol::Resp2);
        let conn = connect(config.liveness(None).command_timeout(None)).await;
        let evalsha = raw("EVALSHA").arg("00").arg("0").reply::<String>();
        let mut call = Box::pin(conn.run(evalsha).into_future());
        assert!(poll_once(&mut call).await.is_none());
        soon("the call is sent", sent.notified()).await;
        let mut closing = Box::pin(conn.close().within(Duration::MAX).into_future());
        assert!(poll_once(&mut closing).await.is_none());
        settle().await;
        told.notify_one();
        until("it is refused", || conn.in_flight() == 0).await;
        settle().await;
        if takes {
            assert!(soon("the call", call).await.is_err());
        } else {
            drop(call);
        }
        assert!(soon("the end", closing).await.is_clean());
    }
}

#[tokio::test]
async fn a_pipeline_of_scripts_that_is_answered_does_not_delay_the_end() {
    let fake = Fake::answering(|_| "+done\r\n".into()).await.unwrap();
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
    let script = Script::new("return 1");
    let scripts = || {
        let chain = conn.pipeline();
        let chain = chain.run(script.call::<String>((), ()));
        chain.run(script.call::<String>((), ()))
    };
    // Whoever has loaded a script calls it by its digest.
    soon("both", scripts()).await.unwrap();
    let sent = scripts().send();
    until("it is answered", || conn.in_flight() == 0).await;
    let closed = soon("the end", conn.close().within(Duration::MAX)).await;
    assert!(closed.is_clean(), "{closed:?}");
    assert_eq!(
        soon("both", sent).await.unwrap(),
        ("done".to_owned(), "done".to_owned())
    );
}
