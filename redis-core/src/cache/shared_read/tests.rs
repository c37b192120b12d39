//! Reads over the node that had a slot before it moved.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::future::poll_fn;
use std::time::Duration;

use typedis_testkit::fake::{Answer, FakeCluster};

use super::*;
use crate::cache::store::CommandRef;
use crate::cache::{Cache, Cached};
use crate::cluster::{Cluster, slot};
use crate::command::{Keys, RequestPolicy, ResponsePolicy};
use crate::config::Config;
use crate::reply::KeptReply;
use crate::request::{Run, raw};

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .cacheable()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);

const KEY: &[u8] = b"k";

/// A cache over two nodes that know of no key. The first has the slot of [`KEY`] until `EXISTS` is sent to it, and reports changes.
async fn cache() -> (FakeCluster, Cached<Cluster>) {
    let nodes = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "GET" => Answer::Reply(b"_\r\n".to_vec()),
        "MGET" => Answer::Reply(b"*1\r\n_\r\n".to_vec()),
        "EXISTS" if asked.node == 0 => Answer::moved(slot(KEY), asked.addr(1)),
        "EXISTS" => Answer::Reply(b":0\r\n".to_vec()),
        _ => Answer::Usual,
    });
    let nodes = nodes.await.unwrap();
    nodes.assign(0..=16_383, 0);
    let config = Config::from_url(&nodes.url()).unwrap();
    let config = config.command_timeout(Duration::from_secs(20));
    let cache = Cluster::open(config).await.unwrap();
    let cache = cache.cached(Cache::default()).unwrap();
    outcome(&begin_whole(&cache, place(&cache, b"x"), b"x")).await;
    assert_eq!(cache.stats().tracking, 1);
    (nodes, cache)
}

async fn move_slot(nodes: &FakeCluster, cache: &Cached<Cluster>) {
    nodes.assign(slot(KEY)..=slot(KEY), 1);
    let exists = raw("EXISTS").key(KEY).reply::<u64>();
    cache.uncached().run(exists).await.unwrap();
    cache.inner().sources.keep_up();
}

fn place(cache: &Cached<Cluster>, key: &[u8]) -> Place {
    let inner = cache.inner();
    let hash = inner.shared.changes.hash(key);
    inner.sources.of(key, hash).unwrap()
}

fn get(key: &[u8]) -> Box<Args> {
    let mut args = Args::lease(&GET, Keys::Noted);
    args.key("key", key);
    args
}

fn begin_whole(cache: &Cached<Cluster>, place: Place, key: &[u8]) -> Arc<SharedRead> {
    let (inner, args) = (cache.inner(), get(key));
    let (bytes, _) = args.cacheable().unwrap();
    let id = inner.shared.changes.hash(bytes).0;
    SharedRead::whole(&inner.reads, place, id, args)
}

fn begin_each(cache: &Cached<Cluster>, place: Place, key: &[u8]) -> Arc<SharedRead> {
    let inner = cache.inner();
    let (bytes, _) = command_of(&MGET, key);
    let mut args = Args::lease(&MGET, Keys::Noted);
    let word = args.encoded_words().len();
    args.key("key", key);
    let wanted = WantedKey {
        id: inner.shared.changes.hash(&bytes).0,
        subject: place.subject,
        moves: place.moves,
        word,
    };
    SharedRead::each(&inner.reads, place.source, vec![wanted], args)
}

/// What is kept of a key that was read by MGET.
fn kept_element(cache: &Cached<Cluster>, key: &[u8]) -> Option<KeptReply> {
    let shared = &cache.inner().shared;
    let (bytes, _) = command_of(&MGET, key);
    let (key, bytes) = (shared.changes.hash(key), &bytes);
    let hash = key.into();
    let found = shared.find(key, &CommandRef { bytes, hash })?;
    Some(found.reply)
}

async fn outcome(read: &Arc<SharedRead>) -> Outcome {
    poll_fn(|cx| read.poll(cx)).await
}

/// The old node may not know of the move yet, and the new one takes writes already. Nobody reports that a key is absent no more.
#[tokio::test]
async fn what_the_node_that_had_a_slot_before_says_is_neither_kept_nor_joined() {
    for moves in [false, true] {
        let (nodes, cache) = cache().await;
        let place = place(&cache, KEY);
        if moves {
            move_slot(&nodes, &cache).await;
        }
        let read = begin_whole(&cache, place, KEY);
        assert_eq!(read.is_unchanged(0), !moves);
        assert!(matches!(outcome(&read).await, Outcome::Reply(reply) if reply.is_nil()));
        assert_eq!(nodes.count(0, "GET"), 2);
        assert_eq!(cache.inner().find(&get(KEY)).is_some(), !moves);
    }
}

#[tokio::test]
async fn neither_is_what_it_says_of_one_key_among_many() {
    for moves in [false, true] {
        let (nodes, cache) = cache().await;
        let place = place(&cache, KEY);
        if moves {
            move_slot(&nodes, &cache).await;
        }
        let read = begin_each(&cache, place, KEY);
        assert_eq!(read.is_unchanged(0), !moves);
        assert!(matches!(outcome(&read).await, Outcome::Elements(all) if all[0].is_nil()));
        assert_eq!(nodes.count(0, "MGET"), 1);
        assert_eq!(kept_element(&cache, KEY).is_some(), !moves);
    }
}
