//! Transactions by hand.

use std::time::Duration;

use typedis_core::{ErrorKind, Exclusive, Phase, Pool, Run, raw};
use typedis_testkit::{ServerKind, database};

use crate::support::*;

const KINDS: [ServerKind; 3] = [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6];

async fn exclusive() -> Exclusive {
    Exclusive::open(on(&db())).await.unwrap()
}

#[tokio::test]
async fn replies_are_taken_by_what_queueing_gave_in_any_order() {
    for protocol in BOTH {
        let exclusive = Exclusive::open(on(&db()).protocol(protocol)).await.unwrap();
        let open = exclusive.begin().await.unwrap();
        let first = open.run(incr("n")).await.unwrap();
        let text = open.run(echo("x")).await.unwrap();
        let last = open.run(incr("n")).await.unwrap();
        let mut replies = open.exec().await.unwrap();
        assert_eq!(replies.len(), 3);
        assert_eq!(replies.take(last).unwrap(), 2);
        assert_eq!(replies.take(text).unwrap(), "x");
        assert_eq!(replies.take(first).unwrap(), 1);
    }
}

#[tokio::test]
async fn queued_at_once_they_keep_their_places() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let texts: Vec<_> = (0..50).map(|index| format!("text {index}")).collect();
    let queued = all(texts.iter().map(|text| open.run(echo(text)))).await;
    let mut replies = open.exec().await.unwrap();
    for (text, queued) in texts.iter().zip(queued) {
        assert_eq!(replies.take(queued.unwrap()).unwrap(), *text);
    }
}

#[tokio::test]
async fn what_is_discarded_is_not_executed() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let _ = open.run(incr("n")).await.unwrap();
    open.discard().await.unwrap();
    assert_eq!(exclusive.run(incr("n")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_command_that_cannot_be_queued_is_told_at_once_and_exec_does_nothing() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let _ = open.run(incr("n")).await.unwrap();
    let error = failed(open.run(raw("GET").reply::<()>()).await);
    assert_eq!(
        (error.command(), error.phase()),
        (Some("GET"), Phase::Refused)
    );
    let error = failed(open.exec().await);
    assert_eq!(error.server().unwrap().code(), "EXECABORT");
    assert_eq!(error.command(), Some("EXEC"));
    assert_eq!(exclusive.run(incr("n")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_watched_key_that_was_changed_is_told() {
    let db = db();
    let exclusive = Exclusive::open(on(&db)).await.unwrap();
    exclusive
        .run(raw("WATCH").key("n").reply::<()>())
        .await
        .unwrap();
    connect(on(&db)).await.run(incr("n")).await.unwrap();
    let open = exclusive.begin().await.unwrap();
    let _ = open.run(incr("n")).await.unwrap();
    let error = failed(open.exec().await);
    assert!(
        matches!(error.kind(), ErrorKind::WatchedKeyChanged),
        "{error}"
    );
}

/// Else the next command would be queued, and `QUEUED` be taken for its reply.
#[tokio::test]
async fn one_that_is_dropped_is_discarded() {
    let exclusive = exclusive().await;
    let before = id(&exclusive).await;
    for stage in 0..3 {
        match stage {
            0 => drop(exclusive.begin().await.unwrap()),
            1 => {
                let open = exclusive.begin().await.unwrap();
                let _ = open.run(incr("n")).await.unwrap();
            }
            _ => {
                let mut begin = Box::pin(exclusive.begin());
                poll_once(&mut begin).await;
            }
        }
        assert_eq!(exclusive.run(echo("x")).await.unwrap(), "x", "{stage}");
    }
    assert_eq!(exclusive.run(incr("n")).await.unwrap(), 1);
    assert_eq!(id(&exclusive).await, before);
}

#[tokio::test]
async fn a_second_one_is_refused_and_the_first_is_executed() {
    for kind in KINDS {
        let exclusive = Exclusive::open(on(&database(kind))).await.unwrap();
        let open = exclusive.begin().await.unwrap();
        let n = open.run(incr("n")).await.unwrap();
        for _ in 0..2 {
            let error = failed(exclusive.begin().await);
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
            assert_eq!(error.phase(), Phase::NotSent);
        }
        let mut replies = open.exec().await.unwrap();
        assert_eq!(replies.take(n).unwrap(), 1, "{kind:?}");
        // The end of each lets the next one begin.
        exclusive.begin().await.unwrap().discard().await.unwrap();
        drop(exclusive.begin().await.unwrap());
        let open = exclusive.begin().await.unwrap();
        open.exec().await.unwrap();
    }
}

#[tokio::test]
async fn a_multi_by_hand_is_not_ended_by_one_that_cannot_begin() {
    for kind in KINDS {
        let exclusive = Exclusive::open(on(&database(kind))).await.unwrap();
        let multi = raw("MULTI").reply::<()>();
        exclusive.run(multi).await.unwrap();
        let error = failed(exclusive.begin().await);
        assert_eq!(error.phase(), Phase::Refused, "{error}");
        let exec = raw("EXEC").reply::<Vec<String>>();
        match exclusive.run(exec).await {
            Ok(replies) => assert!(replies.is_empty()),
            // As newer servers do it.
            Err(error) => assert_eq!(error.server().unwrap().code(), "EXECABORT"),
        }
    }
}

#[tokio::test]
async fn a_leased_socket_with_an_open_transaction_is_not_lent_again() {
    let pool = Pool::open(on(&db())).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    let first = id(&lease).await;
    let open = lease.begin().await.unwrap();
    let _ = open.run(incr("n")).await.unwrap();
    drop(open);
    drop(lease);
    let lease = pool.exclusive().await.unwrap();
    assert_ne!(id(&lease).await, first);
    assert_eq!(lease.run(incr("n")).await.unwrap(), 1);
}

#[tokio::test]
async fn what_another_transaction_queued_is_refused() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let first = open.run(incr("n")).await.unwrap();
    let second = open.run(incr("n")).await.unwrap();
    open.discard().await.unwrap();
    let open = exclusive.begin().await.unwrap();
    let own = open.run(incr("n")).await.unwrap();
    let mut replies = open.exec().await.unwrap();
    // The place of the first is there, that of the second is not.
    for other in [first, second] {
        let error = failed(replies.take(other));
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        assert_eq!(error.command(), Some("INCR"));
    }
    assert_eq!(replies.take(own).unwrap(), 1);
}

#[tokio::test]
async fn the_failure_of_an_executed_command_has_its_name_and_place() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let _ = open.run(set("n", "text")).await.unwrap();
    let counted = open.run(incr("n")).await.unwrap();
    let mut replies = open.exec().await.unwrap();
    let error = failed(replies.take(counted));
    assert_eq!((error.command(), error.index()), (Some("INCR"), Some(1)));
    assert!(error.server().is_some(), "{error}");
}

/// The server queues in the order of sending, whatever is awaited first.
#[tokio::test]
async fn places_are_given_in_the_order_of_sending() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let first = open.run(echo("first")).send();
    let second = open.run(echo("second")).send();
    let second = second.await.unwrap();
    let first = first.await.unwrap();
    let mut replies = open.exec().await.unwrap();
    assert_eq!(replies.take(first).unwrap(), "first");
    assert_eq!(replies.take(second).unwrap(), "second");
}

/// Each poll of `join!` begins with another one of its futures.
#[tokio::test]
async fn joined_calls_keep_their_places() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let (a, b, c) = tokio::try_join!(
        open.run(echo("a")),
        open.run(echo("b")),
        open.run(echo("c"))
    )
    .unwrap();
    let mut replies = open.exec().await.unwrap();
    assert_eq!(replies.take(a).unwrap(), "a");
    assert_eq!(replies.take(b).unwrap(), "b");
    assert_eq!(replies.take(c).unwrap(), "c");
}

/// Nobody can say whether such a command is part of the transaction.
#[tokio::test]
async fn a_command_that_is_dropped_on_its_way_makes_exec_discard() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let mut dropped = open.run(incr("dropped"));
    assert!(poll_once(&mut dropped).await.is_none());
    drop(dropped);
    let _ = open.run(incr("n")).await.unwrap();
    let error = failed(open.exec().await);
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(
        (error.command(), error.phase()),
        (Some("EXEC"), Phase::Refused)
    );
    assert!(error.to_string().contains("was discarded"), "{error}");
    // The socket is as before: nothing was executed, and no transaction is open.
    assert_eq!(exclusive.run(incr("n")).await.unwrap(), 1);
    assert_eq!(exclusive.run(incr("dropped")).await.unwrap(), 1);
}

#[tokio::test]
async fn a_command_that_was_never_sent_may_be_dropped() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    drop(open.run(incr("dropped")));
    let n = open.run(incr("n")).await.unwrap();
    let mut replies = open.exec().await.unwrap();
    assert_eq!((replies.len(), replies.take(n).unwrap()), (1, 1));
}

/// A timeout leaves open whether the server has queued the command.
#[tokio::test]
async fn a_command_that_timed_out_makes_exec_discard() {
    let (proxy, config) = proxied(&db()).await;
    let exclusive = Exclusive::open(config.liveness(None)).await.unwrap();
    let open = exclusive.begin().await.unwrap();
    proxy.to_client().hold();
    let late = open.run(incr("late")).deadline(Duration::from_millis(1));
    assert!(failed(soon("a timeout", late).await).is_timeout());
    proxy.to_client().resume();
    let error = failed(soon("the end", open.exec()).await);
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(exclusive.run(incr("late")).await.unwrap(), 1);
}

/// It is queued too, so no reply could be told from another.
#[tokio::test]
async fn a_command_on_the_socket_itself_in_between_is_told_by_exec() {
    let exclusive = exclusive().await;
    let open = exclusive.begin().await.unwrap();
    let _ = failed(exclusive.run(incr("n")).await);
    let _ = open.run(incr("m")).await.unwrap();
    let error = failed(open.exec().await);
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(error.phase(), Phase::Applied);
    assert!(error.to_string().contains("2 replies to 1 commands"));
    assert!(!error.to_string().contains("nothing was sent"), "{error}");
    assert_eq!(exclusive.run(incr("n")).await.unwrap(), 2);
}
