use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis::prelude::*;
use typedis_recipes::{Election, ElectionEvent, Error, LossCause};
use typedis_testkit::ServerKind;

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::support::*;

fn election(conn: &Connection, candidate: &str) -> Election {
    Election::new(conn, "a", candidate).retry_every(Duration::from_millis(5))
}

#[tokio::test]
async fn one_candidate_leads_and_another_one_follows_when_it_resigns() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let first = election(&conn, "first: one").ttl(FOR_EVER);
        let second = election(&conn, "second").ttl(FOR_EVER);
        assert_eq!(first.leader().await.unwrap(), None);
        let leadership = first.campaign().await.unwrap();
        let leader = second.leader().await.unwrap();
        assert_eq!(leader.as_deref(), Some("first: one"));
        let token = leadership.token();
        let next = tokio::spawn(async move { second.campaign().await });
        leadership.resign().await.unwrap();
        let next = soon("the second is elected", next).await.unwrap().unwrap();
        assert!(next.token() > token && next.is_held());
        let leader = first.leader().await.unwrap();
        assert_eq!(leader.as_deref(), Some("second"));
    }
}

#[tokio::test]
async fn elected_and_lost_take_turns() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let mut events = election(&conn, "node-1").ttl(RENEWED).events();
    let mut last = 0;
    for _ in 0..2 {
        let event = soon("it is elected", events.next()).await;
        let ElectionEvent::Elected { token } = event else {
            panic!("{event:?}")
        };
        assert!(token > last);
        last = token;
        assert!(events.leadership().is_some_and(|it| it.token() == token));
        bench.direct.del(["{election:a}"]).await.unwrap();
        let event = soon("it is lost", events.next()).await;
        let ElectionEvent::Lost(lost) = event else {
            panic!("{event:?}")
        };
        assert!(matches!(lost.cause(), LossCause::Gone), "{lost}");
        assert!(events.leadership().is_none());
    }
    let event = soon("it is elected again", events.next()).await;
    assert!(matches!(event, ElectionEvent::Elected { .. }), "{event:?}");
    proxy.black_hole();
    let event = soon("it is told", events.next()).await;
    assert!(matches!(event, ElectionEvent::Lost(_)), "{event:?}");
    proxy.heal();
    // What was swallowed stays lost: the connection has to be made again.
    proxy.cut_all(typedis_testkit::proxy::Cut::Reset);
    let again = async { while !matches!(events.next().await, ElectionEvent::Elected { .. }) {} };
    soon("it is elected after the fault", again).await;
}

#[tokio::test]
async fn a_call_for_the_next_event_may_be_dropped_at_any_time() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let mut events = election(&conn, "node-1").ttl(FOR_EVER).events();
    let elected = async {
        loop {
            // Each call has a little time, and is dropped then.
            let time = Duration::from_micros(fastrand::u64(0..5_000));
            let event = tokio::time::timeout(time, events.next()).await.ok();
            match event {
                Some(ElectionEvent::Elected { .. }) => return,
                Some(event) => panic!("{event:?}"),
                None => {}
            }
        }
    };
    soon("it is elected all the same", elected).await;
    let other = election(&conn, "node-2").ttl(FOR_EVER);
    drop(events);
    let next = soon("dropping the events resigns", other.campaign()).await;
    assert!(next.unwrap().is_held());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_candidates_lead_with_one_token_while_connections_fail() {
    const CANDIDATES: usize = 8;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let tokens = Arc::new(Mutex::new(BTreeSet::new()));
    let tasks: Vec<_> = (0..CANDIDATES)
        .map(|task| {
            let name = format!("node-{task}");
            let election = election(&connections[task % 4], &name).ttl(Duration::from_secs(20));
            let (tokens, direct) = (tokens.clone(), bench.direct.clone());
            let faults = chaos.faults();
            tokio::spawn(async move {
                for round in 0..12 {
                    if round == 6 {
                        faults.come().await;
                    }
                    let leadership = insist!(election.campaign());
                    let leader = direct.hget::<String>("{election:a}", "owner").await;
                    let leader = leader.unwrap().unwrap();
                    assert!(leader.ends_with(&name), "{leader} leads, not {name}");
                    assert!(tokens.lock().unwrap().insert(leadership.token()));
                    // A reply may be lost; then the leadership ends by itself.
                    let _ = leadership.resign().await;
                }
            })
        })
        .collect();
    for task in tasks {
        soon("a candidate", task).await.unwrap();
    }
    chaos.end().await;
    assert_eq!(tokens.lock().unwrap().len(), CANDIDATES * 12);
}

#[tokio::test]
async fn a_leader_goes_on_after_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let election = Election::new(&failing.cluster, "a", "node-1").ttl(Duration::from_secs(30));
    let leadership = election.campaign().await.unwrap();
    failing.hand_over("{election:a}").await;
    let leader = insist!(election.leader());
    assert_eq!(leader.as_deref(), Some("node-1"));
    assert!(leadership.is_held());
    soon("it resigns", leadership.resign()).await.unwrap();
}

#[tokio::test]
async fn a_crash_loses_a_leader_that_the_replica_did_not_have_and_the_next_one_has_a_larger_token()
{
    let failing = Failing::start().await;
    let [other] = failing
        .beside("{election:a}", |name| format!("{{election:{name}}}"))
        .await;
    let candidate =
        |name: &str, candidate| Election::new(&failing.cluster, name, candidate).ttl(FOR_EVER);
    let kept = candidate("a", "node-1").campaign().await.unwrap();
    failing.cut_replica_off("{election:a}").await;
    let first = candidate(&other, "node-1").campaign().await.unwrap();
    failing.kill("{election:a}").await;

    let leader = insist!(candidate("a", "node-2").leader());
    assert_eq!(leader.as_deref(), Some("node-1"));
    soon("it resigns", kept.resign()).await.unwrap();
    assert_eq!(insist!(candidate(&other, "node-2").leader()), None);
    let second = insist!(candidate(&other, "node-2").campaign());
    assert!(
        first.is_held() && second.is_held(),
        "the first is not told yet"
    );
    assert!(second.token() > first.token());
    let told = soon("it is told", first.resign()).await.unwrap_err();
    assert!(
        matches!(&told, Error::Lost(lost) if matches!(lost.cause(), LossCause::Gone)),
        "{told}"
    );
    soon("it resigns", second.resign()).await.unwrap();
}
