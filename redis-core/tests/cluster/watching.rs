//! Transactions on a cluster that depend on what they have read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Phase, Result, Run, Script, Watched, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::load::{Load, Tally};
use crate::support::*;

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

/// Reads a number and writes the next one.
async fn count_up(cluster: &Cluster, key: &str) -> Result<i64> {
    let key = key.to_owned();
    let counted = cluster.watch([key.clone()], move |tx| {
        let key = key.clone();
        async move {
            let value = tx.run(get(&key)).await?;
            let next = value.map_or(0, |value| value.parse::<i64>().unwrap()) + 1;
            let now = raw("INCRBY").key(&key).arg(0).reply::<i64>();
            Ok(tx.transaction().run(set(&key, &next.to_string())).run(now))
        }
    });
    let ((), now) = counted.await?;
    Ok(now)
}

#[tokio::test]
async fn no_count_is_lost_among_many_on_every_server() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let key = space.key(format_args!("{protocol:?}"));
            let many: Vec<_> = (0..8)
                .map(|_| {
                    let (cluster, key) = (cluster.clone(), key.clone());
                    tokio::spawn(async move {
                        for _ in 0..5 {
                            count_up(&cluster, &key).await.unwrap();
                        }
                    })
                })
                .collect();
            for one in many {
                soon("a task", one).await.unwrap();
            }
            assert_eq!(cluster.run(get(&key)).await.unwrap().unwrap(), "40");
        }
    }
}

/// EXEC ends the watch also if the script is missing, so what is sent again would overwrite a change.
#[tokio::test]
async fn a_script_that_the_node_lost_meanwhile_overwrites_no_change() {
    let executed = AtomicUsize::new(0);
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "EVALSHA" => Answer::Reply(b"+QUEUED\r\n".to_vec()),
        "EXEC" => match executed.fetch_add(1, Ordering::Relaxed) {
            1 => Answer::Reply(b"*1\r\n-NOSCRIPT No matching script.\r\n".to_vec()),
            _ => Answer::Reply(b"*1\r\n+OK\r\n".to_vec()),
        },
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let script = Script::new("return redis.call('SET', KEYS[1], ARGV[1])");
    let write = async || {
        let write = |tx: Watched| {
            let call = script.call::<()>([KEY], 1);
            async move { Ok(tx.transaction().run(call)) }
        };
        cluster.watch([KEY], write).await
    };
    write().await.unwrap();
    let error = write().await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "NOSCRIPT", "{error}");
    assert_eq!((fake.count(0, "WATCH"), fake.count(0, "EXEC")), (2, 2));
    assert_eq!(fake.count(0, "SCRIPT"), 2, "it is brought each time");
}

#[tokio::test]
async fn asking_stands_before_watch_and_each_read_and_multi() {
    let fake = FakeCluster::start(3, |asked| {
        let name = asked.command.name();
        match (name.as_str(), asked.node) {
            ("WATCH", 2) => Answer::ask(12_182, asked.addr(0)),
            ("WATCH" | "GET" | "MULTI", 0) if !asked.asking => Answer::moved(12_182, asked.addr(2)),
            ("GET", 0) => Answer::Reply(b"$1\r\n4\r\n".to_vec()),
            ("SET" | "INCRBY", 0) => Answer::Reply(b"+QUEUED\r\n".to_vec()),
            ("EXEC", 0) => Answer::Reply(b"*2\r\n+OK\r\n:5\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    assert_eq!(count_up(&cluster, KEY).await.unwrap(), 5);
    assert_eq!((fake.count(0, "ASKING"), fake.count(0, "EXEC")), (3, 1));
    // The map has not changed by that, and the socket is lent again.
    assert_eq!(count_up(&cluster, KEY).await.unwrap(), 5);
    assert_eq!(fake.count(2, "WATCH"), 2);
}

#[tokio::test]
async fn exec_that_answers_moved_did_nothing_and_the_attempt_is_made_again_at_the_new_node() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", _) => Answer::Reply(b"$1\r\n4\r\n".to_vec()),
            ("SET" | "INCRBY", _) => Answer::Reply(b"+QUEUED\r\n".to_vec()),
            ("EXEC", 2) => Answer::moved(12_182, asked.addr(1)),
            ("EXEC", _) => Answer::Reply(b"*2\r\n+OK\r\n:5\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    assert_eq!(count_up(&cluster, KEY).await.unwrap(), 5);
    assert_eq!((fake.count(2, "EXEC"), fake.count(1, "EXEC")), (1, 1));
    assert_eq!(fake.count(1, "GET"), 1);
}

#[tokio::test]
async fn exec_that_is_lost_may_have_been_carried_out_and_is_not_repeated() {
    let fake = FakeCluster::start(1, |asked| match asked.command.name().as_str() {
        "GET" => Answer::Reply(b"$1\r\n4\r\n".to_vec()),
        "SET" | "INCRBY" => Answer::Reply(b"+QUEUED\r\n".to_vec()),
        "EXEC" => Answer::Close,
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let error = count_up(&connect(&fake).await, KEY).await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert_eq!(fake.count(0, "EXEC"), 1);
}

#[tokio::test]
async fn a_node_that_is_lost_before_exec_is_no_error() {
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "GET" if lost.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "GET" => Answer::Reply(b"$1\r\n4\r\n".to_vec()),
        "SET" | "INCRBY" => Answer::Reply(b"+QUEUED\r\n".to_vec()),
        "EXEC" => Answer::Reply(b"*2\r\n+OK\r\n:5\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    assert_eq!(count_up(&connect(&fake).await, KEY).await.unwrap(), 5);
}

/// A script in the transaction may choose any code for its error.
#[tokio::test]
async fn an_error_in_the_reply_of_exec_is_the_outcome_whatever_its_code() {
    for code in ["BUSY the lock is held", "READONLY mode", "MOVED 12182 @1"] {
        let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
            "GET" => Answer::Reply(b"$1\r\n4\r\n".to_vec()),
            "SET" | "INCRBY" => Answer::Reply(b"+QUEUED\r\n".to_vec()),
            "EXEC" => {
                let code = code.replace("@1", &asked.addr(1).to_string());
                Answer::Reply(format!("*2\r\n+OK\r\n-{code}\r\n").into_bytes())
            }
            _ => Answer::Usual,
        })
        .await
        .unwrap();
        fake.assign(0..=16_383, 0);
        let cluster = connect(&fake).await;
        let error = soon(code, count_up(&cluster, KEY)).await.unwrap_err();
        let refusal = error.server().unwrap();
        assert!(code.starts_with(refusal.code()), "{error}");
        assert_eq!(error.index(), Some(1), "{error}");
        let executed = (fake.count(0, "EXEC"), fake.count(1, "EXEC"));
        assert_eq!(executed, (1, 0), "{code}");
    }
}

/// It may have changed something each time.
#[tokio::test]
async fn a_script_that_the_closure_calls_is_not_repeated_for_a_code_that_it_chose() {
    let fake = FakeCluster::start(1, |asked| match asked.command.name().as_str() {
        "EVAL" | "EVALSHA" => Answer::error("BUSY the lock is held"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let script = Script::new("return redis.error_reply('BUSY the lock is held')");
    let watch = cluster.watch([KEY], |tx: Watched| {
        let call = script.call::<i64>([KEY], ());
        async move {
            tx.run(call).await?;
            Ok(tx.transaction().run(set(KEY, "1")))
        }
    });
    let error = soon("a transaction", watch).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "BUSY", "{error}");
    assert_eq!(fake.count(0, "WATCH"), 1);
}

/// The second delay comes when the deadline of the first is over; a server that answered lies between them.
#[tokio::test]
async fn each_delay_of_an_attempt_has_its_own_deadline() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let executed = AtomicUsize::new(0);
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "SET" => Answer::Reply(b"+QUEUED\r\n".to_vec()),
        "EXEC" => match executed.fetch_add(1, Ordering::Relaxed) {
            0 | 2 => Answer::error("CLUSTERDOWN The cluster is down"),
            1 => Answer::Reply(b"*-1\r\n".to_vec()),
            _ => Answer::Reply(b"*1\r\n+OK\r\n".to_vec()),
        },
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let config = config(&fake.node(0).url()).command_timeout(DEADLINE);
    let cluster = Cluster::open(config).await.unwrap();
    let attempts = AtomicUsize::new(0);
    let set_late = cluster.watch([KEY], async |tx: Watched| {
        if attempts.fetch_add(1, Ordering::Relaxed) == 2 {
            tokio::time::sleep(DEADLINE).await;
        }
        Ok(tx.transaction().run(set(KEY, "1")))
    });
    let ((),) = soon("a transaction", set_late).await.unwrap();
    assert_eq!(fake.count(0, "EXEC"), 4);
}

#[tokio::test]
async fn keys_of_two_slots_are_refused_and_a_key_elsewhere_is_an_error() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    let watch = cluster.watch(["foo", "bar"], |tx| async move {
        Ok(tx.transaction().run(set("foo", "1")))
    });
    let error = watch.await.unwrap_err();
    assert_is_wrong_call(&error);
    assert!(
        error.to_string().contains("`foo` has slot 12182"),
        "{error}"
    );
    // The transaction has a key on another node: it ends with what the server says.
    let watch = cluster.watch(["foo"], |tx| async move {
        Ok(tx.transaction().run(set("bar", "1")))
    });
    let error = soon("a transaction", watch).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "MOVED", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_right_while_the_slot_moves_and_its_primary_changes() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        let load = Load::start(3, |_, progress| {
            let cluster = cluster.clone();
            async move {
                let mut tally = Tally::default();
                while progress.goes_on() {
                    tally.note(count_up(&cluster, "{t}watched").await).unwrap();
                    progress.add(1);
                }
                tally
            }
        });
        for round in 0..8 {
            change_agreed(&servers, move |servers| match round % 4 {
                3 => servers.fail_over(slot("t")).unwrap(),
                _ => servers.move_slot_elsewhere(slot("t")).unwrap(),
            })
            .await;
            load.pass(10).await;
        }
        let tally: Tally = load.finish().await.into_iter().sum();
        let value = cluster.run(get("{t}watched")).await.unwrap();
        tally.check("the counter", value, true);
    }
}
