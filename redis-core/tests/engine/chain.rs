//! Pipelines and transactions: every reply is of its command, every failure names its command.

use tokio::task::JoinSet;
use typedis_core::{
    CommandInfo, Connection, ErrorKind, Exclusive, Phase, Run, Script, ServerError, raw,
};
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

#[tokio::test]
async fn tuples_up_to_sixteen_are_flat_and_nest_beyond() {
    let conn = connect(on(&db())).await;
    let one = conn.pipeline().run(incr("n")).await.unwrap();
    assert_eq!(one, (1,));
    let ten = conn
        .pipeline()
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"));
    let ten = ten
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"));
    let sixteen = ten
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"));
    let sixteen = sixteen
        .run(incr("n"))
        .run(incr("n"))
        .run(incr("n"))
        .run(echo("last"));
    let eighteen = sixteen.run(incr("n")).run(echo("more"));
    let ((a, b, .., o, p), q, r) = eighteen.await.unwrap();
    assert_eq!(
        (a, b, o, p.as_str(), q, r.as_str()),
        (2, 3, 16, "last", 17, "more")
    );
}

#[tokio::test]
async fn an_empty_pipeline_sends_nothing() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    let sent = proxy.to_server().passed();
    let () = conn.pipeline().await.unwrap();
    let () = conn.transaction().await.unwrap();
    let none: Vec<i64> = conn
        .pipeline_each([0; 0], |c, _| c.run(incr("n")))
        .await
        .unwrap();
    let batch = conn.batch().execute().await;
    assert!(none.is_empty() && batch.is_ok());
    ping_works(&conn).await;
    assert!(proxy.to_server().passed() - sent < 64);
}

fn wrong(key: &str) -> typedis_core::Raw<i64> {
    raw("LLEN").key(key).reply()
}

#[tokio::test]
async fn the_first_error_is_that_of_the_whole_and_names_its_command() {
    for protocol in BOTH {
        let conn = connect(on(&db()).protocol(protocol)).await;
        let calls = conn
            .pipeline()
            .run(incr("n"))
            .run(wrong("n"))
            .run(incr("n"));
        let error = failed(calls.await);
        assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
        assert_eq!((error.command(), error.index()), (Some("LLEN"), Some(1)));
        assert_eq!(error.phase(), Phase::Refused);
        // The others were carried out all the same.
        assert_eq!(counter(&conn, "n").await, 2);
        conn.run(raw("FLUSHDB").reply::<()>()).await.unwrap();
    }
}

#[tokio::test]
async fn an_attempt_is_a_value_of_its_own() {
    let conn = connect(on(&db())).await;
    let calls = conn
        .pipeline()
        .run(incr("n"))
        .attempt()
        .run(wrong("n"))
        .attempt();
    let (first, second, third) = calls.run(incr("n")).await.unwrap();
    assert_eq!((first.unwrap(), third), (1, 2));
    let error = failed(second);
    assert_eq!((error.command(), error.index()), (Some("LLEN"), Some(1)));

    let calls = conn.transaction().run(incr("n")).run(wrong("n")).attempt();
    let (n, refused, m) = calls.run(incr("n")).await.unwrap();
    assert_eq!((n, m), (3, 4));
    assert_eq!(failed(refused).server().unwrap().code(), "WRONGTYPE");
}

#[tokio::test]
async fn of_many_commands_each_has_its_own_outcome() {
    let conn = connect(on(&db())).await;
    conn.run(set("s", "x")).await.unwrap();
    let bad = [7, 2_500, 4_999];
    let each = conn.pipeline_each(0..5_000, |c, index| {
        let key = if bad.contains(&index) { "s" } else { "h" };
        c.run(raw("HSET").key(key).arg(index).arg(1).reply::<i64>())
            .attempt()
    });
    for (index, result) in each.await.unwrap().into_iter().enumerate() {
        if bad.contains(&index) {
            let error = failed(result);
            assert_eq!(
                (error.command(), error.index()),
                (Some("HSET"), Some(index))
            );
        } else {
            assert_eq!(result.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn a_reply_of_the_wrong_type_is_of_its_command_and_not_lost() {
    let conn = connect(on(&db())).await;
    let calls = conn
        .pipeline()
        .run(incr("n"))
        .run(echo("text").reply::<i64>());
    let error = failed(calls.run(incr("n")).await);
    assert!(matches!(error.kind(), ErrorKind::Decode(_)), "{error}");
    assert_eq!((error.index(), error.phase()), (Some(1), Phase::Applied));
    assert_eq!(error.into_reply().unwrap().as_str(), Some("text"));
    ping_works(&conn).await;
}

#[tokio::test]
async fn a_command_that_cannot_be_queued_aborts_the_transaction_and_is_named() {
    for protocol in BOTH {
        let conn = connect(on(&db()).protocol(protocol)).await;
        let calls = conn
            .transaction()
            .run(incr("n"))
            .run(raw("GET").reply::<()>());
        let error = failed(calls.run(incr("n")).await);
        let ErrorKind::TransactionAborted(cause) = error.kind() else {
            panic!("{error}")
        };
        assert!(cause.message().contains("wrong number of arguments"));
        assert_eq!((error.command(), error.index()), (Some("GET"), Some(1)));
        assert_eq!(error.phase(), Phase::Refused);
        assert_eq!(counter(&conn, "n").await, 0);
    }
}

#[tokio::test]
async fn an_error_inside_exec_is_of_its_command() {
    let conn = connect(on(&db())).await;
    let error = failed(conn.transaction().run(incr("n")).run(wrong("n")).await);
    assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
    assert_eq!((error.command(), error.index()), (Some("LLEN"), Some(1)));
}

#[tokio::test]
async fn a_watched_key_that_was_changed_is_told() {
    for protocol in BOTH {
        let db = db();
        let exclusive = Exclusive::open(on(&db).protocol(protocol)).await.unwrap();
        let other = connect(on(&db)).await;
        exclusive
            .run(raw("WATCH").key("n").reply::<()>())
            .await
            .unwrap();
        other.run(incr("n")).await.unwrap();
        let error = failed(exclusive.transaction().run(incr("n")).await);
        assert!(
            matches!(error.kind(), ErrorKind::WatchedKeyChanged),
            "{error}"
        );
        assert!(error.is_retryable());
        assert_eq!(exclusive.transaction().run(incr("n")).await.unwrap(), (2,));
    }
}

#[tokio::test]
async fn raw_commands_are_named_by_their_first_word() {
    let conn = connect(on(&db())).await;
    let error = failed(conn.run(raw("no.such").arg(1).reply::<()>()).await);
    assert_eq!(error.command(), Some("NO.SUCH"));
    let error = failed(conn.pipeline().run(raw("no.such").reply::<()>()).await);
    assert_eq!((error.command(), error.index()), (Some("NO.SUCH"), Some(0)));
}

/// Without MULTI the commands are executed one by one: that must not be called refused.
#[tokio::test]
async fn a_refused_multi_is_not_said_to_have_done_nothing() {
    let server = typedis_testkit::Server::builder(typedis_testkit::ServerKind::Valkey9)
        .line("user narrow on >pw ~* &* +@all -multi")
        .start()
        .unwrap();
    let conn = connect(at(server.addr()).credentials("narrow", "pw")).await;
    let error = failed(conn.transaction().run(incr("n")).await);
    assert_eq!(
        (error.command(), error.phase()),
        (Some("MULTI"), Phase::MaybeApplied)
    );
    assert_eq!(counter(&conn, "n").await, 1);
    let error = failed(conn.transaction().run(wrong("n")).await);
    assert_eq!(
        (error.command(), error.phase()),
        (Some("MULTI"), Phase::Refused)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_transactions_disturb_no_other_traffic() {
    let conn = connect(on(&db())).await;
    conn.run(set("s", "x")).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let conn = conn.clone();
        tasks.spawn(async move {
            for round in 0..100 {
                let text = format!("{task}-{round}");
                match (task + round) % 5 {
                    0 => {
                        let calls = conn
                            .transaction()
                            .run(incr("n"))
                            .run(raw("GET").reply::<()>());
                        assert_eq!(failed(calls.run(echo(&text)).await).index(), Some(1));
                    }
                    1 => {
                        let calls = conn.transaction().run(echo(&text)).run(incr("s"));
                        assert_eq!(failed(calls.await).index(), Some(1));
                    }
                    2 => {
                        let calls = conn.transaction().run(echo(&text)).run(incr("m"));
                        assert_eq!(calls.await.unwrap().0, text);
                    }
                    3 => {
                        let calls = conn.pipeline().run(wrong("s")).attempt().run(echo(&text));
                        assert_eq!(calls.await.unwrap().1, text);
                    }
                    _ => assert_eq!(conn.run(echo(&text)).await.unwrap(), text),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!((counter(&conn, "n").await, conn.in_flight()), (0, 0));
    assert_eq!(counter(&conn, "m").await, 16 * 20);
}

#[tokio::test]
async fn a_batch_gives_each_reply_by_its_handle() {
    let conn = connect(on(&db())).await;
    let mut batch = conn.batch();
    let first = batch.push(incr("n"));
    let refused = batch.push(wrong("n"));
    let text = batch.push(echo("x"));
    assert_eq!(batch.len(), 3);
    let mut other = conn.batch();
    let foreign = other.push(incr("n"));
    let mut replies = batch.execute().await.unwrap();
    assert_eq!(replies.take(text).unwrap(), "x");
    let error = failed(replies.take(refused));
    assert_eq!((error.command(), error.index()), (Some("LLEN"), Some(1)));
    let error = failed(replies.take(foreign));
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(replies.take(first).unwrap(), 1);
}

#[tokio::test]
async fn a_nested_error_is_a_value_where_it_is_asked_for() {
    let conn = connect(on(&db())).await;
    let script = "return {1, redis.pcall('LLEN')}";
    let call = raw("EVAL").arg(script).arg(0);
    let reply: (i64, Result<i64, ServerError>) = conn.run(call.reply()).await.unwrap();
    assert_eq!(reply.0, 1);
    assert!(reply.1.is_err());
}

async fn flush_scripts(conn: &Connection) {
    let flush = raw("SCRIPT").arg("FLUSH").reply::<()>();
    conn.run(flush).await.unwrap();
}

/// Otherwise the rest of the transaction would be carried out without the script.
#[tokio::test]
async fn a_transaction_that_waits_for_a_socket_loads_its_scripts_on_a_server_that_lost_them() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let conn = connect(at(proxy.addr())).await;
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    let (n,) = conn
        .pipeline()
        .run(script.call::<i64>(["n"], 1))
        .await
        .unwrap();
    assert_eq!(n, 1);
    let direct = connect(at(server.addr())).await;
    flush_scripts(&direct).await;
    proxy.refuse(true);
    proxy.cut_all(Cut::Close);
    proxy.wait_for_accepted(3, LONG).await.unwrap();
    let mut waiting = conn
        .transaction()
        .run(incr("n"))
        .run(script.call::<i64>(["n"], 1));
    poll_once(&mut waiting).await;
    proxy.refuse(false);
    assert_eq!(soon("the transaction", waiting).await.unwrap(), (2, 3));
}

/// What was carried out already must not be done once more; a read before it would see what it has done.
#[tokio::test]
async fn a_pipeline_that_has_written_is_not_sent_again_for_a_script_that_was_flushed() {
    static SET_AGAIN: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let conn = connect(at(server.addr())).await;
    let script = Script::new("return redis.call('GET', KEYS[1])").read_only();
    let call = || script.call::<Option<String>>(["k"], ());
    conn.pipeline().run(call()).await.unwrap();
    flush_scripts(&conn).await;
    let chain = known::<_, Option<String>>(conn.pipeline(), &GET, &["k"]);
    let chain = known::<_, ()>(chain, &SET_AGAIN, &["k", "new"]);
    let (before, (), after) = chain.run(call()).attempt().await.unwrap();
    assert_eq!(before, None);
    assert_eq!(failed(after).server().unwrap().code(), "NOSCRIPT");
    // The error has shown that the script is missing.
    let (after,) = conn.pipeline().run(call()).await.unwrap();
    assert_eq!(after.as_deref(), Some("new"));
}

fn read_by_script(text: &'static str) -> Script {
    Script::new(text).read_only()
}

/// One is loaded before the others, because it is new; another one was flushed meanwhile.
#[tokio::test]
async fn a_pipeline_that_reads_loads_all_its_scripts_if_one_of_them_was_flushed() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let conn = connect(at(server.addr())).await;
    let (new, known) = (read_by_script("return 1"), read_by_script("return 2"));
    conn.pipeline()
        .run(known.call::<i64>((), ()))
        .await
        .unwrap();
    flush_scripts(&conn).await;
    let chain = conn.pipeline().run(new.call::<i64>((), ()));
    let replies = chain.run(known.call::<i64>((), ())).await.unwrap();
    assert_eq!(replies, (1, 2));
}

/// The next server may be one that does not have it.
#[tokio::test]
async fn a_lost_call_of_a_script_is_repeated_on_a_server_that_lacks_it() {
    let [first, second] = [(); 2].map(|()| Server::start(ServerKind::Valkey9).unwrap());
    let proxy = Proxy::start(first.addr()).await.unwrap();
    let conn = connect(at(proxy.addr())).await;
    let script = read_by_script("return 2");
    let chain = || conn.pipeline().run(script.call::<i64>((), ()));
    chain().await.unwrap();
    let sent = proxy.to_server().passed();
    proxy.to_client().hold();
    let mut call = chain();
    assert!(poll_once(&mut call).await.is_none());
    until("it is sent", || proxy.to_server().passed() > sent).await;
    proxy.set_upstream(second.addr());
    proxy.cut_all(Cut::Reset);
    proxy.to_client().resume();
    assert_eq!(soon("the call", call).await.unwrap(), (2,));
}

#[tokio::test]
async fn a_transaction_that_a_busy_server_refuses_may_be_tried_again() {
    const LOADING: &str = "LOADING Valkey is loading the dataset in memory";
    let of_exec = format!("EXECABORT Transaction discarded because of: {LOADING}");
    let previous = "EXECABORT Transaction discarded because of previous errors.";
    for (queued, exec) in [
        (format!("-{LOADING}"), previous.to_owned()),
        ("+QUEUED".to_owned(), of_exec),
    ] {
        let fake = Fake::start(move |mut peer| {
            let (queued, exec) = (queued.clone(), exec.clone());
            async move {
                after_handshake(&mut peer).await?;
                while let Some(command) = peer.command().await? {
                    let reply = match command.name().as_str() {
                        "MULTI" => "+OK\r\n".to_owned(),
                        "EXEC" => format!("-{exec}\r\n"),
                        _ => format!("{queued}\r\n"),
                    };
                    peer.send(reply).await?;
                }
                Ok(())
            }
        })
        .await
        .unwrap();
        let conn = connect(at(fake.addr()).protocol(typedis_core::Protocol::Resp2)).await;
        let calls = conn.transaction().run(incr("n")).run(incr("n"));
        let error = failed(soon("the refusal", calls).await);
        assert_eq!(error.phase(), Phase::Refused);
        assert!(error.is_retryable(), "{error:?}");
    }
}

/// EXEC would do nothing all the same.
#[tokio::test]
async fn a_command_that_an_open_transaction_refuses_for_now_is_not_sent_again() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        while let Some(command) = peer.command().await? {
            let reply = match command.name().as_str() {
                "MULTI" => "+OK\r\n",
                "EXEC" => "-EXECABORT Transaction discarded because of previous errors.\r\n",
                _ => "-LOADING the data\r\n",
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let config = at(fake.addr()).protocol(typedis_core::Protocol::Resp2);
    let own = Exclusive::open(config).await.unwrap();
    let open = own.begin().await.unwrap();
    let refused = failed(soon("the refusal", open.run(incr("n"))).await);
    assert_eq!(refused.server().unwrap().code(), "LOADING");
    assert_eq!(refused.phase(), Phase::Refused);
    failed(soon("EXEC", open.exec()).await);
    let received = fake.received(0);
    let sent = received.iter().filter(|words| words.name() == "INCR");
    assert_eq!(sent.count(), 1);
}

/// Seed 10350 of the simulation: EXEC that times out behind a blocked write is never sent, so the transaction is still open.
#[tokio::test]
async fn what_follows_an_exec_that_was_not_sent_is_no_part_of_the_transaction() {
    let reads = std::sync::Arc::new(tokio::sync::Notify::new());
    let waits = reads.clone();
    let fake = Fake::start(move |mut peer| {
        let waits = waits.clone();
        async move {
            after_handshake(&mut peer).await?;
            let mut is_open = false;
            while let Some(command) = peer.command().await? {
                let reply = match command.name().as_str() {
                    "MULTI" => {
                        is_open = true;
                        peer.send("+OK\r\n").await?;
                        // From here on, nothing is read for a while.
                        waits.notified().await;
                        continue;
                    }
                    "DISCARD" => {
                        is_open = false;
                        "+OK\r\n"
                    }
                    _ if is_open => "+QUEUED\r\n",
                    _ => "$4\r\nlast\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    let config = at(fake.addr())
        .protocol(typedis_core::Protocol::Resp2)
        .command_timeout(std::time::Duration::from_secs(1));
    let own = Exclusive::open(config).await.unwrap();
    let open = own.begin().await.unwrap();
    // Longer than what the kernel takes of it.
    let long = "x".repeat(32 << 20);
    failed(soon("the long command", open.run(echo(&long))).await);
    let error = failed(soon("EXEC", open.exec()).await);
    assert_eq!(error.phase(), Phase::NotSent, "{error}");
    // The transaction is discarded, for which there is no deadline: this one passes, and later than that would.
    let error = failed(soon("what comes too late", own.run(echo("late"))).await);
    assert_eq!(error.phase(), Phase::NotSent, "{error}");
    reads.notify_one();
    let last = own
        .run(echo("last"))
        .deadline(std::time::Duration::from_secs(60));
    assert_eq!(soon("the last command", last).await.unwrap(), "last");
}
