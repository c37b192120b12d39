//! The end of handles and runtimes: nothing hangs, nothing is left open.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use typedis_core::pubsub::Monitor;
use typedis_core::{Connection, ErrorKind, Exclusive, IntoRepeat, Phase, Pool, Run, raw};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn when_the_runtime_is_dropped_callers_on_another_are_told() {
    let (first, second) = (runtime(), runtime());
    let (proxy, conn, before) = first.block_on(async {
        let (proxy, config) = proxied(&db()).await;
        let conn = connect(config.liveness(None)).await;
        let before = id(&conn).await;
        (proxy, conn, before)
    });
    // It works from the second runtime, as long as the first one lives.
    assert_eq!(second.block_on(id(&conn)), before);
    proxy.to_client().hold();
    let waiting = conn.clone();
    let (started, start) = std::sync::mpsc::channel();
    let task = second.spawn(async move {
        let mut call = waiting.run(incr("n"));
        poll_once(&mut call).await;
        started.send(()).unwrap();
        call.await
    });
    start.recv().unwrap();
    drop(first);
    let error = failed(second.block_on(soon("a caller", task)).unwrap());
    assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
    let error = failed(second.block_on(soon("a later caller", conn.run(incr("n")))));
    assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
    assert!(conn.is_closed());
}

#[test]
fn callers_in_line_are_told_too_when_the_runtime_is_dropped() {
    let (first, second) = (runtime(), runtime());
    let budget = typedis_core::Budget {
        commands: 1,
        ..Default::default()
    };
    let (proxy, conn) = first.block_on(async {
        let (proxy, config) = proxied(&db()).await;
        let config = config.liveness(None).command_timeout(None).budget(budget);
        (proxy, connect(config).await)
    });
    proxy.to_client().hold();
    let (started, start) = std::sync::mpsc::channel();
    let waiting = conn.clone();
    let task = second.spawn(async move {
        let mut calls: Vec<_> = (0..10).map(|_| waiting.run(incr("n"))).collect();
        for call in &mut calls {
            poll_once(call).await;
        }
        started.send(()).unwrap();
        all(calls).await
    });
    start.recv().unwrap();
    drop(first);
    for result in second.block_on(soon("callers", task)).unwrap() {
        assert!(matches!(failed(result).kind(), ErrorKind::RuntimeEnded));
    }
}

/// A blocking call whose reply would be reported runs in a task of its own, on the runtime that first polls it.
#[test]
fn a_caller_whose_task_ended_with_its_runtime_is_told_so() {
    let (first, second) = (runtime(), runtime());
    let pool = first.block_on(async {
        let pool = Pool::open(on(&db()).leases(1)).await.unwrap();
        // The next call finds this socket, and is under way after its first poll.
        drop(pool.exclusive().await.unwrap());
        pool
    });
    pool.on_unclaimed(|_| {});
    let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
    let mut call = pool.run(pop.reply::<Option<i64>>());
    assert!(second.block_on(poll_once(&mut call)).is_none());
    drop(second);
    let error = failed(first.block_on(soon("the caller", call)));
    assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
    assert_eq!(error.phase(), Phase::MaybeApplied);
}

#[test]
fn handles_can_be_dropped_outside_of_a_runtime() {
    let first = runtime();
    let (conn, pool, lease) = first.block_on(async {
        let db = db();
        let pool = Pool::open(on(&db)).await.unwrap();
        let lease = pool.exclusive().await.unwrap();
        (connect(on(&db)).await, pool, lease)
    });
    let call = conn.clone();
    let sent = call.run(incr("n")).send();
    drop(sent);
    drop((conn, call));
    drop(first);
    drop((pool, lease));
}

/// How many clients the server has besides the one that asks.
fn clients(server: &Server) -> usize {
    let list = server.connect().unwrap().call(&["CLIENT", "LIST"]).unwrap();
    list.lines()
        .filter(|line| line.contains("lib-name=typedis"))
        .count()
}

#[tokio::test]
async fn the_socket_is_closed_with_the_last_handle() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let conn = connect(at(server.addr())).await;
    let clone = conn.clone();
    drop(conn);
    ping_works(&clone).await;
    assert_eq!(clients(&server), 1);
    drop(clone);
    until("the socket is closed", || clients(&server) == 0).await;
    let pool = Pool::open(at(server.addr()).lanes(3)).await.unwrap();
    drop(pool.exclusive().await.unwrap());
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(clients(&server), 4);
    drop(pool);
    assert_eq!(
        known::<_, String>(&lease, &ECHO, &["x"]).await.unwrap(),
        "x"
    );
    drop(lease);
    until("all sockets are closed", || clients(&server) == 0).await;
}

/// What was sent without waiting is still carried out.
#[tokio::test]
async fn what_was_sent_before_the_last_handle_went_is_carried_out() {
    let db = db();
    let conn = connect(on(&db)).await;
    for _ in 0..10_000 {
        drop(conn.run(incr("n")).send());
    }
    drop(conn);
    let other = connect(on(&db)).await;
    until_async("all of it is carried out", async || {
        counter(&other, "n").await == 10_000
    })
    .await;
}

/// The driver does not outlive the interest in a server that is gone for good.
#[tokio::test]
async fn a_connection_without_a_server_ends_with_its_last_handle() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    proxy.refuse(true);
    cut_and_return(&proxy).await;
    let mut call = conn.run(incr("n"));
    poll_once(&mut call).await;
    drop(call);
    drop(conn);
    let metrics = tokio::runtime::Handle::current().metrics();
    // The proxy's own task is left.
    until("the driver ends", || metrics.num_alive_tasks() <= 1).await;
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let db = db();
    for _ in 0..200 {
        let conn = connect(on(&db)).await;
        drop(
            conn.run(
                raw("BLPOP")
                    .key("k")
                    .arg(0)
                    .blocks_for(0)
                    .reply::<Option<i64>>(),
            )
            .send(),
        );
        conn.run(incr("n")).await.unwrap();
    }
    let metrics = tokio::runtime::Handle::current().metrics();
    until("all drivers end", || metrics.num_alive_tasks() == 0).await;
}

/// A worker that is blocked for longer than the bound of liveness is not the server's fault.
#[tokio::test]
async fn a_stalled_runtime_is_not_taken_for_a_dead_server() {
    // A busy machine may need longer than the first bound, by the server's fault as it were; a mistake shows with each.
    for milliseconds in [400, 1200, 3600] {
        if outlives_stalls(Duration::from_millis(milliseconds)).await {
            return;
        }
    }
    panic!("the connection was given up because the runtime stalled");
}

/// Whether a connection with this bound is still the same one after a few stalls.
async fn outlives_stalls(bound: Duration) -> bool {
    let (proxy, config) = proxied(&db()).await;
    let conn: Connection = connect(config.liveness(bound)).await;
    let before = id(&conn).await;
    for _ in 0..3 {
        let mut call = conn.run(incr("n"));
        poll_once(&mut call).await;
        std::thread::sleep(3 * bound);
        if call.await.is_err() {
            return false;
        }
    }
    // Also after the server was asked for a sign of life, which then comes late by our own fault.
    proxy.to_client().delay(bound / 3, bound / 3);
    for _ in 0..3 {
        let sent = proxy.to_server().passed();
        until("it is asked", || proxy.to_server().passed() > sent).await;
        std::thread::sleep(3 * bound);
        ping_works(&conn).await;
    }
    id(&conn).await == before
}

#[test]
fn handles_and_requests_can_go_to_other_threads() {
    fn goes<T: Send + Sync + Clone + 'static>() {}
    goes::<Connection>();
    goes::<Pool>();
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let runtime = runtime();
    runtime.block_on(async {
        let conn = connect(on(&db())).await;
        let spawned = conn.clone();
        let task = tokio::spawn(async move {
            let (n, text) = is_send(spawned.pipeline().run(incr("n")).run(echo("x"))).await?;
            Ok::<_, typedis_core::Error>((n, text))
        });
        assert_eq!(task.await.unwrap().unwrap(), (1, "x".to_owned()));
    });
}

/// The first poll, without a runtime.
fn poll_outside<F: Future>(future: F) -> F::Output {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for a runtime"),
    }
}

#[test]
fn nothing_is_connected_outside_of_a_runtime_and_the_error_says_what_to_do() {
    let url = "redis://127.0.0.1:1";
    let errors = [
        failed(Connection::lazy(url)),
        failed(Pool::lazy(url)),
        failed(poll_outside(Connection::open(url))),
        failed(poll_outside(Pool::open(url))),
        failed(poll_outside(Exclusive::open(url))),
        failed(poll_outside(Monitor::open(url))),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("runtime.enter()"), "{text}");
    }
    // What is wrong with the URL is said first.
    let error = failed(Connection::lazy("redos://x"));
    assert!(error.to_string().contains("redos"), "{error}");
    let runtime = runtime();
    let _guard = runtime.enter();
    assert!(Connection::lazy(url).is_ok());
}

/// The socket came from the runtime of another borrower.
#[test]
fn a_blocking_command_is_sent_on_another_socket_if_the_runtime_of_the_first_ends_before() {
    let second = runtime();
    for reports in [false, true] {
        let mut first = Builder::new_current_thread();
        let first = first.enable_all().build().unwrap();
        let pool = second.block_on(async {
            let pool = Pool::open(on(&db()).leases(1)).await.unwrap();
            let push = raw("LPUSH").key("jobs").arg(7).reply::<i64>();
            pool.run(push).await.unwrap();
            pool
        });
        if reports {
            pool.on_unclaimed(|_| {});
        }
        // From here on nothing is sent on this socket: its runtime does not run.
        first.block_on(async { drop(pool.exclusive().await.unwrap()) });
        let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
        let mut call = pool.run(pop.reply::<Option<(String, i64)>>());
        assert!(second.block_on(poll_once(&mut call)).is_none());
        drop(first);
        let popped = second.block_on(soon("the call", call)).unwrap();
        assert_eq!(popped, Some(("jobs".to_owned(), 7)), "{reports}");
    }
}

#[test]
fn a_stream_ends_with_the_runtime_of_its_socket() {
    let (first, second) = (runtime(), runtime());
    let socket = first.block_on(async { Exclusive::open(on(&db())).await.unwrap() });
    drop(first);
    second.block_on(async {
        let pop = raw("BLPOP").key("jobs").arg(0).blocks_for(0);
        let pop = socket.run(pop.reply::<Option<(String, i64)>>());
        let mut jobs = pop.repeat();
        let error = failed(soon("an item", jobs.next()).await);
        assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
        let error = failed(soon("the end", jobs.next()).await);
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    });
}
