//! Every call through the handle of a cluster of three nodes, beside the same call on the node of its keys: what the one
//! is answered with, the other is too.

use std::time::Duration;

use typedis::cluster::slot;
use typedis::prelude::*;
use typedis::{Args, Cluster, Config, ErrorKind, Exclusive, Frame, Protocol};
use typedis_core::{Keys, RequestPolicy};
use typedis_testkit::Cluster as Servers;

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::own::arrangement;
use crate::seeds::{Found, MAY_FAIL, seeds};
use crate::server::{Edition, REDIS_STACK, VALKEY_9};

/// How long a call may take: none gets near it, on a busy machine neither.
const WITHIN: Duration = Duration::from_secs(30);

/// The tag that gives all keys of a call one slot.
pub(crate) const TAG: &str = "{t}";

macro_rules! tests {
    ($($name:ident: $edition:expr, $protocol:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            static EDITION: Edition = $edition;
            call_all(&EDITION, $protocol).await;
        }
    )*};
}

tests! {
    a_cluster_of_valkey_9_answers_as_its_nodes_do_in_resp2: VALKEY_9, Protocol::Resp2;
    a_cluster_of_valkey_9_answers_as_its_nodes_do_in_resp3: VALKEY_9, Protocol::Newest;
    a_cluster_of_redis_8_answers_as_its_nodes_do_in_resp2: REDIS_STACK, Protocol::Resp2;
    a_cluster_of_redis_8_answers_as_its_nodes_do_in_resp3: REDIS_STACK, Protocol::Newest;
}

/// Calls that would harm the cluster, or the connections of this test.
const HARM: &str =
    "CLIENT PAUSE | CLIENT KILL | CLIENT KILL 127.0.0.1:1 | DEBUG | FAILOVER | MODULE";

/// Calls that the handle answers otherwise than a node does.
const OTHERWISE: &[Exception] = &[(
    "FUNCTION DELETE",
    "",
    "the library is loaded on the node of the other call alone, and the handle deletes it from all",
)];

async fn call_all(edition: &'static Edition, protocol: Protocol) {
    if !edition.is_here() {
        return;
    }
    let servers = edition.start_cluster();
    let place = format!("{} in {protocol:?}", edition.name());
    let caller = Caller::new(&servers, protocol).await;
    let all = cases();
    let node = edition.node();
    let is_made = |case: &&Case| edition.makes(case) || node.makes(case);
    let is_harmless = |case: &&Case| arrangement(case).is_none() && !case.is(HARM);
    let made: Vec<&Case> = all.iter().filter(is_made).filter(is_harmless).collect();
    assert!(made.len() > 500, "{}", made.len());
    let mut otherwise = Exceptions::of(OTHERWISE, &place, &made);
    let mut wrong = Vec::new();
    for case in made {
        let faults = [caller.compare(case).await, caller.spread(case).await];
        for fault in faults.into_iter().flatten() {
            if !otherwise.excuse(case) {
                wrong.push(format!("{}: {fault}", case.line()));
            }
        }
    }
    wrong.extend(otherwise.unused());
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
}

/// Makes the calls.
struct Caller {
    cluster: Cluster,
    /// The node of the slot that all keys have.
    node: Config,
    nodes: Vec<Config>,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// A reply of the declared type.
    Reply,
    /// An error of the server, with this code.
    Error(String),
    /// It was not sent.
    NotSent(String),
    /// Anything else.
    Other(String),
}

impl Came {
    pub(crate) fn of(case: &Case, reply: typedis::Result<Frame>) -> Self {
        match reply.and_then(|frame| (case.decode)(&frame)) {
            Ok(()) => Self::Reply,
            Err(error) => match error.kind() {
                ErrorKind::Server(refusal) => Self::Error(refusal.code().to_owned()),
                ErrorKind::Usage(text) => Self::NotSent(text.to_string()),
                _ => Self::Other(error.to_string()),
            },
        }
    }

    /// An error that says that a call came to the wrong node.
    fn is_astray(&self) -> bool {
        let Self::Error(code) = self else {
            return false;
        };
        ["MOVED", "ASK", "CROSSSLOT", "TRYAGAIN", "CLUSTERDOWN"].contains(&code.as_str())
    }
}

impl Caller {
    async fn new(servers: &Servers, protocol: Protocol) -> Self {
        let addresses: Vec<String> = servers.addrs().iter().map(ToString::to_string).collect();
        let url = format!("redis://{}", addresses.join(","));
        let config = Config::from_url(&url).unwrap().protocol(protocol);
        let cluster = typedis::cluster(config).await.unwrap();
        let owner = servers.owner_of(slot(TAG)).unwrap();
        let at = |port| Config::tcp("127.0.0.1", port).protocol(protocol);
        Self {
            cluster,
            node: at(owner.addr().port()),
            nodes: servers.addrs().iter().map(|addr| at(addr.port())).collect(),
        }
    }

    /// The same call through the handle and on the node; what is wrong, if anything is.
    async fn compare(&self, case: &Case) -> Option<String> {
        let node = self.seeded(case).await;
        let there = Came::of(case, node.execute(tagged(case)).await);
        drop(self.seeded(case).await);
        let here = Came::of(case, self.cluster.execute(tagged(case)).await);
        let info = (case.build)().info();
        let is_keyless = case.keys.is_empty();
        let is_special = info.request_policy != RequestPolicy::Default && is_keyless;
        match (&here, info.state.is_some()) {
            (Came::NotSent(_), is_state) if is_state || is_special => None,
            (_, true) => Some(format!(
                "it is sent, though it changes its connection: {here:?}"
            )),
            // Modules redirect by names that are not keys, which the handle follows.
            (here, false) if there.is_astray() && !here.is_astray() => None,
            (here, false) if *here == there => None,
            // Without keys it goes to any primary, and what was made for it may be on the other node alone.
            (here, false)
                if is_keyless && !is_special && self.is_answer_of_a_node(case, here).await =>
            {
                None
            }
            (here, false) => Some(format!("{here:?}, on the node {there:?}")),
        }
    }

    /// Whether one of the primaries answers like this.
    async fn is_answer_of_a_node(&self, case: &Case, here: &Came) -> bool {
        for node in &self.nodes {
            let node = typedis::exclusive(node).await.unwrap();
            if Came::of(case, node.execute(tagged(case)).await) == *here {
                return true;
            }
        }
        false
    }

    /// The call with keys of several slots: it is split, or not sent.
    async fn spread(&self, case: &Case) -> Option<String> {
        let slots = case.keys.iter().map(|place| slot(&case.words[*place]));
        let slots: std::collections::BTreeSet<u16> = slots.collect();
        if slots.len() < 2 {
            return None;
        }
        let mut args = (case.build)();
        args.set_deadline(WITHIN);
        let is_state = args.info().state.is_some();
        let is_split = args.info().request_policy == RequestPolicy::MultiShard;
        let came = Came::of(case, self.cluster.execute(args).await);
        match &came {
            Came::NotSent(text) if is_state || text.contains("has slot") => None,
            Came::Reply | Came::Error(_) if is_split && !came.is_astray() => None,
            _ => Some(format!("with keys of several slots: {came:?}")),
        }
    }

    /// A connection to the node, which holds what the call asks for.
    async fn seeded(&self, case: &Case) -> Exclusive {
        let node = typedis::exclusive(&self.node).await.unwrap();
        node.flushall().await.unwrap();
        for line in seeds(case, Found::Hit) {
            let words: Vec<String> = line.iter().map(|word| in_slot(case, word)).collect();
            let name = words[0].trim_start_matches(MAY_FAIL);
            // Some of them have other keys, which are elsewhere; both calls then find the same.
            let _ = node
                .run(raw(name).args(&words[1..]).reply::<typedis::Value>())
                .await;
        }
        node
    }
}

/// A word of a seed, with the tag if it is a key of the call.
pub(crate) fn in_slot(case: &Case, word: &str) -> String {
    let is_key = |place: &usize| case.words[*place] == word.as_bytes();
    if case.keys.iter().any(is_key) {
        format!("{TAG}{word}")
    } else {
        word.to_owned()
    }
}

/// The call with keys that have one slot.
pub(crate) fn tagged(case: &Case) -> Args {
    let built = (case.build)();
    let mut args = Args::new(built.info(), Keys::Noted);
    let name = built.info().words as usize;
    for (place, word) in case.words.iter().enumerate().skip(name) {
        if case.keys.contains(&place) {
            let key = [TAG.as_bytes(), word].concat();
            args.key("key", &key);
        } else {
            args.arg("argument", word);
        }
    }
    args.set_deadline(WITHIN);
    args
}
