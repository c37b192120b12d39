//! Every read of keys that are on their way to another shard, through a view that reads from replicas: it is answered as it
//! was before they went. Replicas of Redis answer as if such keys did not exist.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use typedis::cluster::slot;
use typedis::prelude::*;
use typedis::{Cluster, Config, Exclusive, Frame, Protocol, Value};
use typedis_testkit::cluster::Node;

use crate::cases::{Case, cases};
use crate::clustered::{Came, TAG, in_slot, tagged};
use crate::exceptions::{Exception, Exceptions};
use crate::own::arrangement;
use crate::seeds::{Found, MAY_FAIL, seeds};
use crate::server::{Edition, REDIS_6, REDIS_STACK, VALKEY_9};

macro_rules! tests {
    ($($name:ident: $edition:expr, $protocol:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            static EDITION: Edition = $edition;
            read_all(&EDITION, $protocol).await;
        }
    )*};
}

tests! {
    reads_from_replicas_of_redis_6_find_keys_that_move_in_resp2: REDIS_6, Protocol::Resp2;
    reads_from_replicas_of_redis_6_find_keys_that_move_in_resp3: REDIS_6, Protocol::Newest;
    reads_from_replicas_of_redis_8_find_keys_that_move_in_resp2: REDIS_STACK, Protocol::Resp2;
    reads_from_replicas_of_redis_8_find_keys_that_move_in_resp3: REDIS_STACK, Protocol::Newest;
    reads_from_replicas_of_valkey_9_find_keys_that_move_in_resp3: VALKEY_9, Protocol::Newest;
}

/// Reads that are answered otherwise by another server, replica or not.
const OTHERWISE: &[Exception] = &[
    (
        "OBJECT FREQ | OBJECT IDLETIME",
        "",
        "it depends on the settings of the server",
    ),
    (
        "TDIGEST.INFO",
        "Redis 8",
        "a copy has merged what the original has yet to merge",
    ),
];

/// Reads that tell when their keys expire. MIGRATE sends how long a key has yet to live, so with its new owner it expires a
/// little later.
const MOMENTS: &str = "EXPIRETIME | PEXPIRETIME";

async fn read_all(edition: &'static Edition, protocol: Protocol) {
    if !edition.is_here() {
        return;
    }
    let servers = tokio::task::spawn_blocking(|| edition.start_cluster_with_replicas());
    let servers = servers.await.unwrap();
    let all = cases();
    let reads = all.iter().filter(|case| edition.makes(case));
    let reads = reads.filter(|case| is_read(case) && arrangement(case).is_none());
    let reads: Vec<&Case> = reads.collect();
    let place = format!("{} in {protocol:?}", edition.name());
    let mut otherwise = Exceptions::of(OTHERWISE, &place, &reads);
    let reader = Reader::new(&servers, protocol).await;
    let (mut found, mut wrong) = (0, Vec::new());
    for case in reads {
        match reader.compare(case).await {
            Compared::Same => found += 1,
            Compared::Other(_) if otherwise.excuse(case) => {}
            Compared::Other(fault) => wrong.push(format!("{}: {fault}", case.line())),
            Compared::Nothing => {}
        }
    }
    wrong.extend(otherwise.unused());
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
    assert!(found > 80, "{place}: only {found} reads found their keys");
}

fn is_read(case: &Case) -> bool {
    let info = (case.build)().info();
    info.readonly && !info.blocking && info.state.is_none() && !case.keys.is_empty()
}

/// Longer than the servers may take for what they are asked.
const LONG: Duration = Duration::from_secs(120);

/// Makes the reads, while the slot of all keys moves.
struct Reader {
    replicas: Cluster,
    from: Exclusive,
    to: Exclusive,
    from_id: String,
    to_id: String,
    to_port: u16,
}

/// What came of a read.
enum Compared {
    Same,
    Other(String),
    /// Not all of its keys were there to move.
    Nothing,
}

impl Reader {
    async fn new(servers: &typedis_testkit::Cluster, protocol: Protocol) -> Self {
        let config = Config::from_url(&servers.url()).unwrap().protocol(protocol);
        let from = servers.owner_of(slot(TAG)).unwrap();
        let others = servers.primaries().unwrap();
        let to = others.iter().find(|node| node.id() != from.id()).unwrap();
        let connect = async |node: &Arc<Node>| {
            let config = Config::tcp("127.0.0.1", node.addr().port()).protocol(protocol);
            typedis::exclusive(config).await.unwrap()
        };
        Self {
            replicas: typedis::cluster(config).await.unwrap().replicas(),
            from: connect(&from).await,
            to: connect(to).await,
            from_id: from.id().to_owned(),
            to_id: to.id().to_owned(),
            to_port: to.addr().port(),
        }
    }

    async fn compare(&self, case: &Case) -> Compared {
        self.set_slot(&self.from, &["STABLE"]).await;
        self.set_slot(&self.to, &["STABLE"]).await;
        self.from.flushall().await.unwrap();
        self.to.flushall().await.unwrap();
        self.seed(case).await;
        let there: BTreeSet<String> = self.from.keys("*").await.unwrap().into_iter().collect();
        let wanted = case
            .keys
            .iter()
            .map(|place| in_slot(case, &case.text()[*place]));
        if !wanted.into_iter().all(|key| there.contains(&key)) {
            return Compared::Nothing;
        }
        let before = self.from.execute(tagged(case)).await;
        self.set_slot(&self.to, &["IMPORTING", &self.from_id]).await;
        self.set_slot(&self.from, &["MIGRATING", &self.to_id]).await;
        self.migrate(&there).await;
        let after = self.replicas.execute(tagged(case)).await;
        let contents = [&before, &after].map(|reply| reply.as_ref().ok().map(content));
        let is_function_of_its_keys = (case.build)().info().cacheable && !case.is(MOMENTS);
        let [(there, told), (here, now)] = [before, after].map(|reply| {
            let text = format!("{reply:?}");
            (Came::of(case, reply), text)
        });
        if there == here && (!is_function_of_its_keys || contents[0] == contents[1]) {
            Compared::Same
        } else {
            Compared::Other(format!("{now}, before {told}"))
        }
    }

    async fn set_slot(&self, node: &Exclusive, how: &[&str]) {
        let command = raw("CLUSTER").arg("SETSLOT").arg(slot(TAG)).args(how);
        node.run(command.reply::<()>()).await.unwrap();
    }

    async fn seed(&self, case: &Case) {
        for line in seeds(case, Found::Hit) {
            let words: Vec<String> = line.iter().map(|word| in_slot(case, word)).collect();
            let name = words[0].trim_start_matches(MAY_FAIL);
            // Some of them have other keys, which are elsewhere.
            let seed = raw(name).args(&words[1..]).reply::<Value>();
            let _ = self.from.run(seed).await;
        }
    }

    /// Moves the keys that have the slot, and waits until the replica knows that they are gone.
    async fn migrate(&self, keys: &BTreeSet<String>) {
        let keys = keys.iter().filter(|key| slot(key.as_str()) == slot(TAG));
        let keys: Vec<&String> = keys.collect();
        let there = ("127.0.0.1", self.to_port);
        let moved = self.from.migrate_keys(there.0, there.1, 0, 30_000, keys);
        moved.replace().deadline(LONG).await.unwrap();
        let told = self.from.wait(1, 60_000).deadline(LONG).await;
        assert_eq!(told.unwrap(), 1, "the replica does not know");
    }
}

/// What a reply holds, whatever the order: another server may keep a set in another.
fn content(reply: &Frame) -> Vec<Vec<u8>> {
    let bytes = reply.as_bytes().split(|byte| *byte == b'\n');
    let mut lines: Vec<Vec<u8>> = bytes.map(<[u8]>::to_vec).collect();
    lines.sort();
    lines
}
