//! Users who may not do what they ask for, on either side of a redirect, or not ask for the map.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Error, ErrorKind, Phase, Run, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::cluster::Node;
use typedis_testkit::fake::{Answer, Asked, FakeCluster};
use typedis_testkit::proxy::Proxy;

use crate::support::*;

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

const REFUSAL: &str = "NOPERM User bob has no permissions to run the 'incr' command";

fn assert_refused(error: &Error, what: &str) {
    let refusal = error.server().unwrap_or_else(|| panic!("{what}: {error}"));
    assert_eq!(refusal.code(), "NOPERM", "{what}: {error}");
    assert_eq!(error.phase(), Phase::Refused, "{what}: {error}");
}

#[tokio::test]
async fn a_refusal_before_or_after_a_redirect_is_the_callers_and_ends_the_way() {
    for word in ["", "MOVED", "ASK"] {
        let fake = FakeCluster::start(3, move |asked| {
            match (asked.command.name().as_str(), asked.node) {
                ("INCR" | "BLPOP", 2) if !word.is_empty() => {
                    Answer::error(format_args!("{word} 12182 {}", asked.addr(0)))
                }
                ("INCR" | "BLPOP", _) => Answer::error(REFUSAL),
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        let (way, cluster) = (1 + usize::from(!word.is_empty()), connect(&fake).await);
        let sent = |name: &str| (0..3).map(|node| fake.count(node, name)).sum::<usize>();
        let single = soon("a command", cluster.run(incr(KEY))).await;
        assert_refused(&single.unwrap_err(), word);
        assert_eq!(sent("INCR"), way, "{word}");
        // From now on a slot that has moved is asked for where it is.
        let known = if word == "ASK" { way } else { 1 };
        let chain = cluster.pipeline().run(set("k0", "1")).run(incr(KEY));
        let chain = soon("a pipeline", chain).await.unwrap_err();
        assert_refused(&chain, word);
        assert_eq!(chain.index(), Some(1), "{word}");
        assert_eq!(sent("INCR"), way + known, "{word}");
        let wait = raw("BLPOP").key(KEY).arg(5).blocks_for(5).reply::<()>();
        let wait = soon("a wait", cluster.run(wait)).await.unwrap_err();
        assert_refused(&wait, word);
        assert_eq!(sent("BLPOP"), known, "{word}");
    }
}

/// Lets a user do everything with a key on a node, or nothing.
fn allow(node: &Node, is_allowed: bool) {
    let keys = if is_allowed { "~{t}*" } else { "~none" };
    let words = [
        "ACL", "SETUSER", "bob", "reset", "on", ">pass", "+@all", keys,
    ];
    node.call(&words).unwrap();
}

/// Servers look at the permission before they send a command elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whom_one_node_alone_refuses_gets_what_the_node_that_is_asked_last_says() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let servers = start_steady(kind, 0).await;
        let url = servers.url().replacen("://", "://bob:pass@", 1);
        let key = "{t}key";
        for (source_allows, target_allows) in [(true, false), (false, true), (true, true)] {
            change(&servers, |servers| {
                servers.nodes().iter().for_each(|node| allow(node, true));
            })
            .await;
            let cluster = Cluster::open(config(&url)).await.unwrap();
            assert!(cluster.run(incr(key)).await.is_ok(), "{kind}");
            // The client still takes the source for the owner.
            change_agreed(&servers, move |servers| {
                let source = servers.owner_of(slot("t")).unwrap();
                let target = servers.other_primary(slot("t")).unwrap();
                servers.move_slot(slot("t"), &target).unwrap();
                allow(&source, source_allows);
                allow(&target, target_allows);
            })
            .await;
            let outcome = soon("a command", cluster.run(incr(key))).await;
            let may = source_allows && target_allows;
            match outcome {
                Ok(_) => assert!(may, "{kind}: {source_allows} {target_allows}"),
                Err(error) => {
                    assert!(!may, "{kind}: {source_allows} {target_allows}: {error}");
                    assert_refused(&error, "a moved slot");
                }
            }
        }
    }
}

/// What a node says in place of the map, and the kind of the error.
const NO_MAPS: [(&str, bool); 2] = [
    (
        "-NOPERM User bob has no permissions to run the 'cluster|slots' command\r\n",
        true,
    ),
    ("+there is no map\r\n", false),
];

fn is_told(error: &Error, is_refused: bool) -> bool {
    match error.kind() {
        ErrorKind::Server(refusal) => is_refused && refusal.code() == "NOPERM",
        ErrorKind::Decode(_) => !is_refused,
        _ => false,
    }
}

/// What it says until it is allowed.
async fn tells_no_map(text: &'static str, is_allowed: &Arc<AtomicBool>) -> FakeCluster {
    let is_allowed = is_allowed.clone();
    let script = move |asked: &Asked<'_>| match asked.command.name().as_str() {
        "CLUSTER" if !is_allowed.load(Ordering::SeqCst) => Answer::Reply(text.into()),
        _ => Answer::Usual,
    };
    FakeCluster::start(1, script).await.unwrap()
}

#[tokio::test]
async fn who_may_not_ask_for_the_map_is_told_so_at_once_and_it_is_tried_again() {
    for (text, is_refused) in NO_MAPS {
        let is_allowed = Arc::new(AtomicBool::new(false));
        let fake = tells_no_map(text, &is_allowed).await;
        let cluster = Cluster::lazy(config(&fake.url()).command_timeout(None)).unwrap();
        for _ in 0..2 {
            let call = soon("the refusal", cluster.run(set("foo", "1"))).await;
            let error = call.unwrap_err();
            assert!(is_told(&error, is_refused), "{error:?}");
            assert_eq!(error.phase(), Phase::NotSent);
        }
        is_allowed.store(true, Ordering::SeqCst);
        let accepted = async {
            while cluster.run(set("foo", "1")).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        soon("the map", accepted).await;
    }
}

/// Whichever server was asked last.
#[tokio::test]
async fn a_refused_map_counts_for_more_than_a_server_that_is_not_there() {
    for (text, is_refused) in NO_MAPS {
        let fake = tells_no_map(text, &Arc::default()).await;
        let proxy = Proxy::start(fake.node(0).addr()).await.unwrap();
        proxy.refuse(true);
        let (there, gone) = (fake.node(0).addr(), proxy.addr());
        for url in [
            format!("redis://{there},{gone}"),
            format!("redis://{gone},{there}"),
        ] {
            let error = soon("an error", Cluster::open(config(&url))).await;
            let error = error.unwrap_err();
            assert!(is_told(&error, is_refused), "{error:?}");
        }
    }
}
