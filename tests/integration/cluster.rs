//! The typed commands on a cluster: the same methods, on many nodes.

use typedis::prelude::*;
use typedis::{AnyClient, ErrorKind, Job, Phase, Result, Script, Worker};
use typedis_testkit::{Cluster as Servers, KeySpace, ServerKind, shared_cluster};

use crate::support::soon;

fn url(servers: &Servers) -> String {
    let addresses: Vec<String> = servers.addrs().iter().map(ToString::to_string).collect();
    format!("redis://{}", addresses.join(","))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("the work does not panic")
}

#[tokio::test]
async fn commands_on_many_keys_are_split_and_joined() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let keys: Vec<String> = (0..20).map(|number| space.key(number)).collect();
    let pairs: Vec<(&str, usize)> = keys.iter().map(String::as_str).zip(0..).collect();
    cluster.mset(&pairs).await.unwrap();
    let values = cluster.mget::<usize>(&keys).await.unwrap();
    assert_eq!(values, (0..20).map(Some).collect::<Vec<_>>());
    assert_eq!(cluster.exists(&keys).await.unwrap(), 20);
    let mut found = cluster.keys::<String>(space.pattern()).await.unwrap();
    let mut expected = keys.clone();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(cluster.unlink(&keys).await.unwrap(), 20);
}

/// Any other node would say that there are none.
#[tokio::test]
async fn who_asks_for_the_keys_of_a_slot_is_answered_by_its_primary() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    for number in 0..12 {
        let key = space.key(number);
        cluster.set(&key, 1).await.unwrap();
        let slot = typedis::cluster::slot(&key);
        assert!(cluster.cluster_countkeysinslot(slot).await.unwrap() > 0);
        let keys = cluster.cluster_getkeysinslot::<String>(slot, 1000);
        assert!(keys.await.unwrap().contains(&key));
        let raw = typedis::raw("CLUSTER COUNTKEYSINSLOT").arg(slot);
        let each = cluster.pipeline().cluster_countkeysinslot(slot);
        let (typed, raw) = each.run(raw.reply::<u64>()).await.unwrap();
        assert!(typed > 0 && raw > 0, "{typed}, {raw}");
    }
    let error = cluster.cluster_countkeysinslot(16_384).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "ERR", "{error}");
}

#[tokio::test]
async fn what_must_be_atomic_is_refused_on_two_slots_before_it_is_sent() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let (one, other) = (space.key("one"), space.key("other"));
    let error = cluster.rename(&one, &other).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let error = cluster.msetnx([(&one, 1), (&other, 2)]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let script = Script::new("return redis.call('GET', KEYS[1])");
    let call = script.call::<Option<i64>>([&one, &other], [0; 0]);
    let error = cluster.run(call).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

#[tokio::test]
async fn a_script_is_brought_to_the_node_that_lacks_it() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for round in 1..=2 {
        for number in 0..10 {
            let call = script.call::<i64>([space.key(number)], [5]);
            assert_eq!(cluster.run(call).await.unwrap(), 5 * round);
        }
    }
}

#[tokio::test]
async fn what_concerns_all_nodes_is_asked_of_all() {
    let servers = blocking(|| Servers::start(ServerKind::Valkey9).unwrap()).await;
    let cluster = typedis::cluster(url(&servers)).await.unwrap();
    for number in 0..100 {
        cluster.set(format!("k{number}"), number).await.unwrap();
    }
    assert_eq!(cluster.dbsize().await.unwrap(), 100);
    let sha1 = cluster.script_load("return 7").await.unwrap();
    assert_eq!(cluster.script_exists([&sha1]).await.unwrap(), [true]);
    cluster.flushall().await.unwrap();
    assert_eq!(cluster.dbsize().await.unwrap(), 0);
    // A number of one node would say nothing.
    let error = cluster.randomkey::<String>().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

/// A key with the tag of a test, so that all of its keys have one slot.
fn tagged(space: &KeySpace, name: &str) -> String {
    format!("{{{}}}{name}", space.key("tag"))
}

#[tokio::test]
async fn pipelines_of_typed_commands_go_to_all_nodes_and_transactions_to_one() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let space = blocking(move || shared_cluster(kind)).await;
        let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
        let keys: Vec<String> = (0..300).map(|number| space.key(number)).collect();
        let set =
            cluster.pipeline_each(keys.iter().zip(0..), |c, (key, number)| c.set(key, number));
        set.await.unwrap();
        let get = cluster.pipeline_each(&keys, |c, key| c.get::<u32>(key));
        let values = get.await.unwrap();
        assert_eq!(values, (0..300).map(Some).collect::<Vec<_>>());
        let (n, all, length) = cluster
            .pipeline()
            .incr(&keys[7])
            .mget::<i64>(&keys)
            .strlen(&keys[299])
            .await
            .unwrap();
        assert_eq!((n, all[7], all[299], length), (8, Some(8), Some(299), 3));
        let (a, b) = (tagged(&space, "a"), tagged(&space, "b"));
        let (x, ()) = cluster
            .transaction()
            .incr(&a)
            .set(&b, 2)
            .ex(50)
            .await
            .unwrap();
        assert_eq!(x, 1);
        let error = cluster
            .transaction()
            .incr(&a)
            .incr(&keys[0])
            .await
            .unwrap_err();
        assert_eq!((error.phase(), error.index()), (Phase::NotSent, Some(1)));
        let (sold,) = cluster
            .watch([&a], |tx| {
                let a = a.clone();
                async move {
                    let stock = tx.get::<i64>(&a).await?.unwrap_or(0);
                    Ok(tx.transaction().incrby(&a, stock * 10))
                }
            })
            .await
            .unwrap();
        assert_eq!(sold, 11);
    }
}

/// A function that knows no handle by name.
async fn bump<C: Client>(client: C, key: &str) -> Result<i64> {
    client.set(key, 1).nx().await?;
    let (n, base) = client.pipeline().incr(key).get::<i64>(key).await?;
    Ok(n + base.unwrap_or(0))
}

#[tokio::test]
async fn generic_code_takes_a_cluster() {
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let key = space.key("bump");
    assert_eq!(bump(&cluster, &key).await.unwrap(), 4);
    let task = tokio::spawn({
        let (cluster, key) = (cluster.clone(), key.clone());
        async move { bump(cluster, &key).await }
    });
    assert_eq!(task.await.unwrap().unwrap(), 6);
    assert_eq!(bump(AnyClient::new(cluster), &key).await.unwrap(), 8);
}

#[tokio::test]
async fn what_waits_does_so_on_the_node_of_its_keys() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let space = blocking(move || shared_cluster(kind)).await;
        let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
        let (jobs, urgent) = (tagged(&space, "jobs"), tagged(&space, "urgent"));
        assert_eq!(cluster.blpop::<String>([&jobs], 0.05).await.unwrap(), None);
        let mut listening = cluster.listen::<u32>([&urgent, &jobs]);
        for number in 0..5 {
            cluster.rpush(&jobs, number).await.unwrap();
            let (list, job) = soon(listening.next()).await.unwrap();
            assert_eq!((list.to_string(), job), (jobs.clone(), number));
        }
        let readings = tagged(&space, "readings");
        let mut tail = cluster.tail::<(String, u32)>([(readings.as_str(), "0")]);
        for number in 0..3_u32 {
            cluster
                .xadd(&readings, "*", [("value", number)])
                .await
                .unwrap();
            let (_, entry) = soon(tail.next()).await.unwrap();
            assert_eq!(entry.fields, ("value".to_owned(), number));
        }
        let error = cluster
            .blpop::<String>(["foo", "bar"], 1)
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    }
}

#[tokio::test]
async fn a_worker_works_on_a_stream_of_a_cluster() {
    #[derive(FromRedis, ToRedis)]
    struct Mail {
        to: String,
    }
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let cluster = typedis::cluster(url(space.cluster())).await.unwrap();
    let (mails, dead) = (tagged(&space, "mails"), tagged(&space, "dead"));
    for to in ["ada", "nobody", "grace"] {
        let mail = Mail { to: to.into() };
        cluster.xadd(&mails, "*", mail).await.unwrap();
    }
    let (over, ended) = tokio::sync::oneshot::channel::<()>();
    let mut over = Some(over);
    let mut left = 3;
    let worker = Worker::new(&cluster, &mails, "senders", "sender-1").dead_letter(&dead, 1);
    let work = worker.run_until(ended, |job: Job<Mail>| {
        left -= 1;
        if left == 0 {
            over.take().map(|over| over.send(()));
        }
        let is_known = job.fields.to != "nobody";
        async move { is_known.then_some(()).ok_or("nobody is there") }
    });
    let tally = soon(work).await.unwrap();
    assert_eq!((tally.done, tally.failed, tally.dead), (2, 1, 1));
    assert_eq!(cluster.xlen(&dead).await.unwrap(), 1);
}
