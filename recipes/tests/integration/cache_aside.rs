use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis::prelude::*;
use typedis_recipes::{CacheAside, CacheError, Lock};
use typedis_testkit::{ServerKind, shared_cluster};

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::forked::Forked;
use crate::support::*;

/// A loader that counts how often it is called.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl Source {
    async fn load(&self) -> Result<u64, String> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) as u64 + 1)
    }

    fn loads(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_value_is_loaded_once_until_it_is_forgotten_or_ends() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let cache = CacheAside::new(&conn, "a").ttl(FOR_EVER);
        let source = Source::default();
        for _ in 0..3 {
            assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
        }
        cache.forget("x").await.unwrap();
        assert_eq!(cache.get("x", || source.load()).await.unwrap(), 2);
        assert_eq!(cache.get("y", || source.load()).await.unwrap(), 3);
        let short = CacheAside::new(&conn, "b").ttl(Duration::from_millis(20));
        let ended = async || short.get("x", || source.load()).await.unwrap() > 4;
        until("the value ends and is loaded again", ended).await;
    }
}

#[tokio::test]
async fn a_colon_in_a_name_is_no_part_of_a_key() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let source = Source::default();
    let names = [
        ("pay", "refund:7"),
        ("pay:refund", "7"),
        ("pay:", "refund:7"),
    ];
    for (load, (name, key)) in (1..).zip(names) {
        let cache = CacheAside::new(&conn, name).ttl(FOR_EVER);
        assert_eq!(cache.get(key, || source.load()).await.unwrap(), load);
    }
    let plain = conn.exists(["{cache:pay:refund:7}"]).await.unwrap();
    assert_eq!(plain, 1, "other names are written as they are");
}

#[tokio::test]
async fn a_value_of_another_type_is_loaded_and_replaced() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let cache = CacheAside::new(&conn, "a").ttl(FOR_EVER);
        let text = cache.get("x", || async { Ok::<_, String>("a text".to_owned()) });
        text.await.unwrap();
        let source = Source::default();
        for _ in 0..2 {
            assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
        }
        // It is no old value for a load that fails, either.
        let took = 1_000_000 * FOR_EVER.as_micros() as u64;
        let entry = [("value", "a text"), ("took", &took.to_string())];
        conn.hset("{cache:a:x}", entry).await.unwrap();
        let failing = cache.get::<u64, _, _, _>("x", || async { Err("no database") });
        assert!(
            matches!(failing.await, Err(CacheError::Load(_))),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn of_many_callers_who_miss_a_value_one_loads_it() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let source = Source::default();
        let (open, gate) = tokio::sync::watch::channel(false);
        let mut callers = Vec::new();
        for task in 0..20 {
            // Each as if in a program of its own.
            let conn = typedis::connect(bench.database.url()).await.unwrap();
            let cache = CacheAside::new(&conn, "a").load_within(FOR_EVER);
            let cache = cache.retry_every(Duration::from_millis(2));
            let (source, mut gate) = (source.clone(), gate.clone());
            callers.push(tokio::spawn(async move {
                let load = move || async move {
                    gate.wait_for(|open| *open).await.unwrap();
                    source.load().await
                };
                (task, cache.get("x", load).await.unwrap())
            }));
        }
        let is_loading = async || bench.direct.exists(["{cache:a:x}:load"]).await.unwrap() == 1;
        until("one loads", is_loading).await;
        assert!(callers.iter().all(|caller| !caller.is_finished()));
        open.send_replace(true);
        for caller in callers {
            let (task, value) = soon("a caller", caller).await.unwrap();
            assert_eq!(value, 1, "caller {task}");
        }
        assert_eq!(source.loads(), 1);
    }
}

#[tokio::test]
async fn a_value_is_refreshed_before_it_ends_by_one_caller() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let source = Source::default();
        let cache = CacheAside::new(&conn, "a").ttl(FOR_EVER);
        assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
        // As if the load had taken longer than the value has left.
        let took = 1_000_000 * FOR_EVER.as_micros() as u64;
        conn.hset("{cache:a:x}", [("took", took)]).await.unwrap();
        let never = cache.clone().eagerness(0.0);
        assert_eq!(never.get("x", || source.load()).await.unwrap(), 1);

        let refresh = async {
            // While this caller loads, another one gets the old value at once.
            assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
            source.load().await
        };
        assert_eq!(cache.get("x", || refresh).await.unwrap(), 2);
        assert_eq!(never.get("x", || source.load()).await.unwrap(), 2);
        assert_eq!(source.loads(), 2);
    }
}

#[tokio::test]
async fn a_load_that_fails_lets_the_next_caller_load_and_an_old_value_stays() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let cache = CacheAside::new(&conn, "a")
        .ttl(FOR_EVER)
        .load_within(FOR_EVER);
    let error = cache.get::<u64, _, _, _>("x", || async { Err("no database") });
    let error = error.await.unwrap_err();
    assert!(matches!(error, CacheError::Load("no database")), "{error}");
    assert_eq!(error.load(), Some(&"no database"));
    assert!(error.client().is_none());
    let source = Source::default();
    let next = cache.get("x", || source.load());
    assert_eq!(soon("the next caller loads", next).await.unwrap(), 1);
    let took = 1_000_000 * FOR_EVER.as_micros() as u64;
    conn.hset("{cache:a:x}", [("took", took)]).await.unwrap();
    let old = cache.get::<u64, _, _, _>("x", || async { Err("no database") });
    assert_eq!(old.await.unwrap(), 1);
}

#[tokio::test]
async fn a_caller_that_is_dropped_lets_the_next_one_load() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let cache = CacheAside::new(&conn, "a").load_within(FOR_EVER);
    let stuck = cache.clone();
    let stuck = tokio::spawn(async move {
        let load = || std::future::pending::<Result<u64, String>>();
        stuck.get("x", load).await
    });
    let is_loading = async || conn.exists(["{cache:a:x}:load"]).await.unwrap() == 1;
    until("it loads", is_loading).await;
    stuck.abort();
    assert!(stuck.await.is_err());
    let source = Source::default();
    let next = cache.get("x", || source.load());
    assert_eq!(soon("the next caller loads", next).await.unwrap(), 1);
}

#[tokio::test]
async fn others_can_load_while_the_server_does_not_answer_that_a_call_was_given_up() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let (proxy, conn) = bench.proxied().await;
        let cache = CacheAside::new(&conn, "a").load_within(FOR_EVER);
        let lock = Lock::new(&conn, "a");
        // From now on the server knows the scripts: that of a lock lets others load.
        lock.acquire().await.unwrap().release().await.unwrap();
        let source = Source::default();
        assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
        cache.forget("x").await.unwrap();
        // What is sent arrives, and no reply comes.
        proxy.to_client().hold();
        let call = tokio::spawn(async move { cache.get("x", || source.load()).await });
        let key = "{cache:a:x}:load";
        let is_loading = async || bench.direct.exists([key]).await.unwrap() == 1;
        until("the server lets the call load", is_loading).await;
        call.abort();
        assert!(call.await.is_err(), "its reply was held back");
        let is_free = async || bench.direct.exists([key]).await.unwrap() == 0;
        until("others can load", is_free).await;
    }
}

#[tokio::test]
async fn a_call_that_arrives_after_it_was_dropped_keeps_nobody_from_loading() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let forked = Forked::start(&bench).await;
    let cache = CacheAside::new(&forked.pool, "a").load_within(FOR_EVER);
    let get = move |number: usize| {
        let (cache, source) = (cache.clone(), Source::default());
        async move {
            let load = || source.load();
            cache.get(&number.to_string(), load).await.unwrap()
        }
    };
    let (late, loaded) = forked.drop_one(get).await;
    assert_eq!(loaded, 1);
    let key = format!("{{cache:a:{late}}}:load");
    let is_free = async || bench.direct.exists([&key]).await.unwrap() == 0;
    until("others can load", is_free).await;
}

#[tokio::test]
async fn what_was_loaded_before_it_was_forgotten_is_not_stored() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let cache = CacheAside::new(&conn, "a").ttl(FOR_EVER);
    let source = Source::default();
    let load = || async {
        let old = source.load().await;
        // The database is changed now.
        cache.forget("x").await.unwrap();
        old
    };
    assert_eq!(cache.get("x", load).await.unwrap(), 1);
    assert_eq!(cache.get("x", || source.load()).await.unwrap(), 2);
}

#[tokio::test]
async fn caches_work_on_a_cluster() {
    let space = blocking(|| shared_cluster(ServerKind::Redis8)).await;
    let url = space.cluster().url();
    let cluster = typedis::cluster(config(&url)).await.unwrap();
    let cache = CacheAside::new(&cluster, space.key("a")).ttl(FOR_EVER);
    let source = Source::default();
    for (key, value) in [("x", 1), ("y", 2), ("z", 3), ("x", 1)] {
        assert_eq!(cache.get(key, || source.load()).await.unwrap(), value);
    }
    cache.forget("x").await.unwrap();
    assert_eq!(cache.get("x", || source.load()).await.unwrap(), 4);
}

/// A register is changed, and its cached value forgotten after each change: nobody may read a value that is older than the last change that was
/// over before the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_old_is_read_and_loads_are_shared_while_connections_fail() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let register = Source::default();
    let (loads, reads) = (Source::default(), Arc::new(AtomicUsize::new(0)));
    let changed = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..12)
        .map(|task| {
            let cache = CacheAside::new(&connections[task % 4], "a").ttl(FOR_EVER);
            let cache = cache.retry_every(Duration::from_millis(2));
            let (register, loads) = (register.clone(), loads.clone());
            let (changed, reads) = (changed.clone(), reads.clone());
            let is_over = is_over.clone();
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let least = changed.load(Ordering::SeqCst);
                    let load = || async {
                        loads.load().await?;
                        Ok::<_, String>(register.loads() as u64)
                    };
                    match cache.get::<u64, _, _, _>("x", load).await {
                        Ok(value) => assert!(value >= least as u64, "{value} of {least}"),
                        Err(CacheError::Client(error)) if passes(&error) => continue,
                        Err(error) => panic!("{error}"),
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let cache = CacheAside::new(&connections[0], "a");
    for round in 0..40 {
        if round == 20 {
            chaos.faults().come().await;
        }
        let goal = reads.load(Ordering::Relaxed) + 40;
        let are_read = async || reads.load(Ordering::Relaxed) >= goal;
        until("the readers go on", are_read).await;
        let value = register.load().await.unwrap();
        insist!(cache.forget("x"));
        changed.store(value as usize, Ordering::SeqCst);
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        soon("a reader", reader).await.unwrap();
    }
    chaos.end().await;
    let (loads, reads) = (loads.loads(), reads.load(Ordering::Relaxed));
    assert!(loads * 4 < reads, "{loads} loads for {reads} reads");
}

/// The value, as soon as the connection is not at fault.
async fn read(cache: &CacheAside, key: &str, source: &Source) -> u64 {
    let read = async {
        loop {
            match cache.get(key, || source.load()).await {
                Ok(value) => return value,
                Err(CacheError::Client(error)) if passes(&error) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    soon("it is read", read).await
}

#[tokio::test]
async fn values_survive_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let cache = CacheAside::new(&failing.cluster, "a").ttl(FOR_EVER);
    let source = Source::default();
    assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
    failing.hand_over("{cache:a:x}").await;
    assert_eq!(read(&cache, "x", &source).await, 1);
}

#[tokio::test]
async fn a_crash_brings_back_what_was_forgotten_and_loses_what_was_stored_without_the_replica() {
    let failing = Failing::start().await;
    let cache = CacheAside::new(&failing.cluster, "a").ttl(FOR_EVER);
    let source = Source::default();
    let [other] = failing
        .beside("{cache:a:x}", |key| format!("{{cache:a:{key}}}"))
        .await;
    assert_eq!(cache.get("x", || source.load()).await.unwrap(), 1);
    failing.cut_replica_off("{cache:a:x}").await;
    cache.forget("x").await.unwrap();
    assert_eq!(cache.get("x", || source.load()).await.unwrap(), 2);
    assert_eq!(cache.get(&other, || source.load()).await.unwrap(), 3);
    failing.kill("{cache:a:x}").await;

    assert_eq!(read(&cache, "x", &source).await, 1, "the old value is back");
    assert_eq!(read(&cache, &other, &source).await, 4, "it is loaded again");
    assert_eq!(read(&cache, &other, &source).await, 4, "and stored again");
    insist!(cache.forget("x"));
    assert_eq!(read(&cache, "x", &source).await, 5);
}
