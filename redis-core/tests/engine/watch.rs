//! Optimistic transactions: nothing is lost, whoever else writes, and no watch is left behind.

use tokio::task::JoinSet;
use typedis_core::{
    ArgError, ArgWriter, Connection, Error, ErrorKind, Exclusive, Pool, Run, Script, ToArg, raw,
};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

async fn pool() -> Pool {
    Pool::open(on(&db()).leases(16)).await.unwrap()
}

/// Adds one by reading and writing.
async fn add(pool: &Pool) -> typedis_core::Result<()> {
    pool.watch(["n"], |tx| async move {
        let n: Option<i64> = known(&tx, &GET, &["n"]).await?;
        let next = (n.unwrap_or(0) + 1).to_string();
        Ok(known::<_, ()>(tx.transaction(), &SET, &["n", &next]))
    })
    .attempts(100_000)
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_addition_is_lost() {
    let pool = pool().await;
    let rounds = size("TYPEDIS_WATCHES", 5);
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let adding = pool.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                add(&adding).await.unwrap();
            }
        });
        let counting = pool.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                counting.run(incr("n")).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    let n = pool.run(get("n")).await.unwrap();
    assert_eq!(n, Some(i64::try_from(64 * rounds).unwrap()));
    assert_eq!(pool.available(), 16);
}

#[tokio::test]
async fn it_gives_up_after_so_many_attempts() {
    let pool = pool().await;
    let tries = std::sync::atomic::AtomicU32::new(0);
    let error = failed(
        pool.watch(["n"], |tx| {
            tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let pool = &pool;
            async move {
                // Somebody else is always faster.
                pool.run(incr("n")).await?;
                Ok(known::<_, ()>(tx.transaction(), &SET, &["n", "0"]))
            }
        })
        .attempts(5)
        .await,
    );
    assert!(
        matches!(error.kind(), ErrorKind::WatchedKeyChanged),
        "{error}"
    );
    assert_eq!(tries.into_inner(), 5);
    assert_eq!(pool.run(get("n")).await.unwrap(), Some(5));
}

/// The socket of the next lease, on which nothing may be watched.
async fn is_clean(pool: &Pool, used: i64) {
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(
        id(&lease).await,
        used,
        "the socket was closed, though it was clean"
    );
    pool.run(incr("n")).await.unwrap();
    let result = known::<_, i64>(lease.transaction(), &INCR, &["m"]).await;
    result.expect("a key is still watched");
}

#[tokio::test]
async fn a_users_error_is_handed_through_and_leaves_the_lease_clean() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    let error = failed(
        pool.watch(["n"], |tx| async move {
            let _: Option<i64> = known(&tx, &GET, &["n"]).await?;
            if true {
                return Err(Error::custom("sold out"));
            }
            Ok(known::<_, i64>(tx.transaction(), &INCR, &["n"]))
        })
        .await,
    );
    assert!(matches!(error.kind(), ErrorKind::Custom(_)));
    assert_eq!(error.to_string(), "sold out");
    is_clean(&pool, used).await;
}

#[tokio::test]
async fn an_empty_transaction_leaves_the_lease_clean() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    let () = pool
        .watch(["n"], |tx| async move { Ok(tx.transaction()) })
        .await
        .unwrap();
    is_clean(&pool, used).await;
}

struct Unsendable;

impl ToArg for Unsendable {
    fn write_arg(&self, _: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        Err(ArgError::new("not this one"))
    }
}

#[tokio::test]
async fn a_transaction_that_cannot_be_encoded_leaves_the_lease_clean() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    let error = failed(
        pool.watch(["n"], |tx| async move {
            let write = |args: &mut typedis_core::Args| args.arg("value", &Unsendable);
            Ok(typedis_core::Request::<_, ()>::new(
                tx.transaction(),
                &SET,
                write,
            ))
        })
        .await,
    );
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    is_clean(&pool, used).await;
}

#[tokio::test]
async fn a_success_leaves_the_lease_clean() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    add(&pool).await.unwrap();
    is_clean(&pool, used).await;
}

#[tokio::test]
async fn a_raw_command_that_changes_the_socket_has_it_closed() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    pool.watch(["n"], |tx| async move {
        tx.run(raw("SELECT").arg(0).reply::<()>()).await?;
        Ok(known::<_, i64>(tx.transaction(), &INCR, &["typedis-watch"]))
    })
    .await
    .unwrap();
    assert_ne!(id(&pool.exclusive().await.unwrap()).await, used);
}

/// Dropped or panicking between WATCH and EXEC.
#[tokio::test]
async fn one_that_is_cut_short_leaves_no_watch_behind() {
    let pool = pool().await;
    let used = id(&pool.exclusive().await.unwrap()).await;
    let never = pool.watch(["n"], |tx| async move {
        std::future::pending::<()>().await;
        Ok(known::<_, i64>(tx.transaction(), &INCR, &["n"]))
    });
    let short = std::time::Duration::from_millis(50);
    assert!(
        tokio::time::timeout(short, never.into_future())
            .await
            .is_err()
    );
    assert_ne!(id(&pool.exclusive().await.unwrap()).await, used);

    let panicking = pool.clone();
    let task = tokio::spawn(async move {
        panicking
            .watch(["n"], |tx| async move {
                if true {
                    panic!("as a user's closure might");
                }
                Ok(known::<_, i64>(tx.transaction(), &INCR, &["n"]))
            })
            .await
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(pool.available(), 16);
    let lease = pool.exclusive().await.unwrap();
    pool.run(incr("n")).await.unwrap();
    known::<_, i64>(lease.transaction(), &INCR, &["m"])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_failing_command_in_the_transaction_is_named() {
    let pool = pool().await;
    let error = failed(
        pool.watch(["n"], |tx| async move {
            let calls = known::<_, ()>(tx.transaction(), &SET, &["n", "text"]);
            Ok(known::<_, i64>(calls, &INCR, &["n"]))
        })
        .await,
    );
    assert_eq!((error.command(), error.index()), (Some("INCR"), Some(1)));
}

#[tokio::test]
async fn what_would_change_the_connection_is_refused() {
    static UNWATCH: typedis_core::CommandInfo =
        typedis_core::CommandInfo::new("UNWATCH", b"$7\r\nUNWATCH\r\n", 1)
            .state(typedis_core::StateChange::Watch);
    let pool = pool().await;
    let error = failed(
        pool.watch(["n"], |tx| async move {
            known::<_, ()>(&tx, &UNWATCH, &[]).await?;
            Ok(known::<_, i64>(tx.transaction(), &INCR, &["n"]))
        })
        .await,
    );
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

#[tokio::test]
async fn no_keys_are_refused() {
    let pool = pool().await;
    let none: [&str; 0] = [];
    let watch = pool.watch(none, |tx| async move { Ok(tx.transaction()) });
    let error = failed(watch.await);
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
}

const WRITE: &str = "return redis.call('SET', KEYS[1], ARGV[1])";

async fn flush(other: &Connection) {
    let flush = raw("SCRIPT").arg("FLUSH").reply::<()>();
    other.run(flush).await.unwrap();
}

/// How many transactions the server has executed.
async fn executed(other: &Connection) -> usize {
    let stats = raw("INFO").arg("commandstats").reply::<String>();
    let stats = other.run(stats).await.unwrap();
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_exec:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

/// Changes the key after this number of EXEC, and lets their replies through then.
async fn change_after(number: usize, other: &Connection, proxy: &Proxy) {
    until_async("EXEC", async || executed(other).await == number).await;
    other.run(incr("n")).await.unwrap();
    proxy.heal();
}

/// EXEC ends the watch also if the script is missing, so what is sent again would overwrite the change.
#[tokio::test]
async fn a_script_that_the_server_lost_meanwhile_overwrites_no_change() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let pool = Pool::open(at(proxy.addr())).await.unwrap();
    let other = connect(at(server.addr())).await;
    let script = Script::new(WRITE);
    let used = id(&pool.exclusive().await.unwrap()).await;
    let add = async |is_flushed| {
        let (script, proxy, other) = (&script, &proxy, &other);
        let added = pool.watch(["n"], |tx| async move {
            let n: Option<i64> = known(&tx, &GET, &["n"]).await?;
            if is_flushed {
                flush(other).await;
                proxy.to_client().hold();
            }
            let write = script.call::<()>(["n"], n.unwrap_or(0) + 1);
            Ok(tx.transaction().run(write))
        });
        added.await.unwrap();
    };
    // From here on the socket has loaded the script.
    add(false).await;
    tokio::join!(add(true), change_after(2, &other, &proxy));
    assert_eq!(id(&pool.exclusive().await.unwrap()).await, used);
    assert_eq!(other.run(get("n")).await.unwrap(), Some(3));
}

#[tokio::test]
async fn nor_does_it_on_a_socket_whose_user_watches() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let own = Exclusive::open(at(proxy.addr())).await.unwrap();
    let other = connect(at(server.addr())).await;
    let script = Script::new(WRITE);
    let write = |value| own.transaction().run(script.call::<()>(["n"], value));
    write(1).await.unwrap();
    let watch = raw("WATCH").key("n").reply::<()>();
    own.run(watch).await.unwrap();
    flush(&other).await;
    proxy.to_client().hold();
    let written = write(5).into_future();
    let (written, ()) = tokio::join!(written, change_after(2, &other, &proxy));
    written.unwrap();
    assert_eq!(other.run(get("n")).await.unwrap(), Some(6));
}
