//! Users who may not do what they ask for, on either side of a redirect.

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Error, Phase, Run, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::cluster::Node;
use typedis_testkit::fake::{Answer, FakeCluster};

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
        let servers = start(kind, 0).await;
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
            change(&servers, move |servers| {
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
