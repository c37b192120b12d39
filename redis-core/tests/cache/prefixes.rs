//! Which keys the broadcasting mode keeps something about: those with its prefixes.

use typedis_core::cache::Origin;
use typedis_core::cluster::Cluster;
use typedis_core::{Cache, Cached, Config, Connection, Pool};
use typedis_testkit::fake::{Answer, Fake, FakeCluster, Words};

use crate::support::*;

/// Reads a key with the prefix `k` and one without it, each twice by GET and twice by MGET: only the former is kept.
async fn keeps_only_what_is_covered<C: Origin>(handle: C, cached: Cached<C>) {
    for key in ["k1", "other"] {
        for _ in 0..2 {
            get(&cached, key).await.unwrap();
        }
        for _ in 0..2 {
            mget(&cached, &[key]).await.unwrap();
        }
    }
    let stats = cached.stats();
    assert_eq!((stats.hits, stats.replies), (2, 2), "{handle:?}");
}

#[tokio::test]
async fn broadcasting_covers_only_keys_with_the_prefixes() {
    let answer = |words: &Words| match words.name().as_str() {
        "GET" => Some(b"$1\r\n1\r\n".to_vec()),
        "MGET" => Some(b"*1\r\n$1\r\n1\r\n".to_vec()),
        _ => None,
    };
    let settings = || Cache::default().broadcast(["k"]);
    let fake = Fake::answering(move |words| answer(words).unwrap_or(b"+OK\r\n".to_vec()));
    let fake = fake.await.unwrap();
    let port = fake.addr().port();
    let conn = Connection::open(at(port)).await.unwrap();
    keeps_only_what_is_covered(conn.clone(), conn.cached(settings()).unwrap()).await;
    let pool = Pool::open(at(port)).await.unwrap();
    keeps_only_what_is_covered(pool.clone(), pool.cached(settings()).unwrap()).await;
    let nodes = FakeCluster::start(1, move |asked| {
        answer(asked.command).map_or(Answer::Usual, Answer::Reply)
    });
    let nodes = nodes.await.unwrap();
    let config = Config::from_url(&nodes.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    keeps_only_what_is_covered(cluster.clone(), cluster.cached(settings()).unwrap()).await;
    let error = conn.cached(Cache::default().broadcast(["ab", "a"]));
    assert!(error.unwrap_err().to_string().contains("prefix"));
}
