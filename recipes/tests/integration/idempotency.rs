use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis::prelude::*;
use typedis_recipes::{Begun, Error, Idempotency, LossCause, RequestRun};
use typedis_testkit::{ServerKind, shared_cluster};

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::forked::Forked;
use crate::support::*;

fn run(begun: Begun<String>) -> RequestRun<String> {
    match begun {
        Begun::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_is_carried_out_once_and_its_result_is_replayed() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let requests = Idempotency::new(&conn, "a").run_ttl(FOR_EVER);
        let first = run(requests.begin("x").await.unwrap());
        let second = requests.begin::<String>("x").await.unwrap();
        let Begun::InProgress { retry_after } = second else {
            panic!("{second:?}")
        };
        assert!(retry_after <= FOR_EVER && !retry_after.is_zero());
        let _other = run(requests.begin("y").await.unwrap());
        first.finish(&"done".to_owned()).await.unwrap();
        first.finish(&"done".to_owned()).await.unwrap();
        drop(first);
        for _ in 0..3 {
            let again = requests.begin::<String>("x").await.unwrap();
            assert!(
                matches!(&again, Begun::Replay(result) if result == "done"),
                "{again:?}"
            );
        }
        requests.forget("x").await.unwrap();
        let _run = run(requests.begin("x").await.unwrap());
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_without_a_result_lets_the_next_one_run() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let requests = Idempotency::new(&conn, "a").run_ttl(FOR_EVER);
        drop(run(requests.begin("x").await.unwrap()));
        let next = async {
            loop {
                if let Begun::Run(run) = requests.begin::<String>("x").await.unwrap() {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let run = soon("the next one runs", next).await;
        assert!(run.is_held());
    }
}

#[tokio::test]
async fn a_call_that_arrives_after_its_run_was_ended_begins_none() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let forked = Forked::start(&bench).await;
    let requests = Idempotency::new(&forked.pool, "a").run_ttl(FOR_EVER);
    let begin = move |number: usize| {
        let requests = requests.clone();
        async move { run(requests.begin(&number.to_string()).await.unwrap()) }
    };
    let (late, other) = forked.drop_one(begin).await;
    let key = format!("{{idempotency:a:{late}}}");
    let is_free = async || bench.direct.exists([&key]).await.unwrap() == 0;
    until("the request can be carried out", is_free).await;
    let result = "done".to_owned();
    soon("it is stored", other.finish(&result)).await.unwrap();
}

#[tokio::test]
async fn a_result_lives_for_its_own_time_also_if_the_run_is_renewed_late() {
    let check = async |kind: ServerKind| {
        let conn = Bench::new(kind).await.direct;
        let requests = Idempotency::new(&conn, "a").run_ttl(RENEWED);
        let run = run(requests.begin("x").await.unwrap());
        run.finish(&"done".to_owned()).await.unwrap();
        // Several renewals would be due.
        outlast_renewed(&conn).await;
        assert!(run.is_held(), "there is nothing to lose any more");
        let left: i64 = conn
            .run(raw("PTTL").key("{idempotency:a:x}").reply())
            .await
            .unwrap();
        assert!(left > 3_600_000, "{left} ms are left of a day");
    };
    let [one, two, three] = KINDS.map(check);
    tokio::join!(one, two, three);
}

#[tokio::test]
async fn a_renewal_that_comes_right_after_the_result_reports_no_loss() {
    let check = async |kind: ServerKind| {
        let bench = Bench::new(kind).await;
        let conn = &bench.direct;
        let requests = Idempotency::new(conn, "a").run_ttl(RENEWED);
        let run = run(requests.begin("x").await.unwrap());
        // The result is stored, and the reply that says so has not come yet.
        let store = raw("HSET").key("{idempotency:a:x}");
        let keep = raw("PEXPIRE").key("{idempotency:a:x}");
        conn.transaction()
            .run(store.arg("result").arg("done").reply::<i64>())
            .run(keep.arg(3_600_000).reply::<bool>())
            .await
            .unwrap();
        // It is renewed several times.
        outlast_renewed(conn).await;
        assert!(run.is_held(), "{kind:?}");
        let left = raw("PTTL").key("{idempotency:a:x}").reply::<i64>();
        assert!(conn.run(left).await.unwrap() > 1_000_000, "{kind:?}");
        run.finish(&"done".to_owned()).await.unwrap();
    };
    let [one, two, three] = KINDS.map(check);
    tokio::join!(one, two, three);
}

#[tokio::test]
async fn a_run_whose_server_lost_it_cannot_finish() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let requests = Idempotency::new(&conn, "a").run_ttl(RENEWED);
    let first = run(requests.begin("x").await.unwrap());
    requests.forget("x").await.unwrap();
    let second = run(requests.begin("x").await.unwrap());
    let error = first.finish(&"first".to_owned()).await.unwrap_err();
    assert!(matches!(error, Error::Lost(_)), "{error}");
    let lost = soon("it is told", first.lost()).await;
    assert!(matches!(lost.cause(), LossCause::Gone), "{lost}");
    drop(first);
    second.finish(&"second".to_owned()).await.unwrap();
    let begun = requests.begin::<String>("x").await.unwrap();
    assert!(matches!(&begun, Begun::Replay(result) if result == "second"));
}

#[tokio::test]
async fn requests_work_on_a_cluster() {
    let space = blocking(|| shared_cluster(ServerKind::Redis8)).await;
    let url = space.cluster().url();
    let cluster = typedis::cluster(config(&url)).await.unwrap();
    let requests = Idempotency::new(&cluster, space.key("a"));
    for key in ["x", "y", "z"] {
        let run = run(requests.begin(key).await.unwrap());
        run.finish(&key.to_owned()).await.unwrap();
        let begun = requests.begin::<String>(key).await.unwrap();
        assert!(matches!(&begun, Begun::Replay(result) if result == key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_carried_out_once_while_connections_fail() {
    const REQUESTS: usize = 40;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let done: Arc<Vec<AtomicUsize>> =
        Arc::new((0..REQUESTS).map(|_| AtomicUsize::new(0)).collect());
    let tasks: Vec<_> = (0..12)
        .map(|task| {
            let requests = Idempotency::new(&connections[task % 4], "a");
            // Much longer than a task may stand still.
            let requests = requests.run_ttl(Duration::from_secs(20));
            let (done, faults) = (done.clone(), chaos.faults());
            tokio::spawn(async move {
                for number in 0..REQUESTS {
                    if number == REQUESTS / 2 {
                        faults.come().await;
                    }
                    let key = number.to_string();
                    loop {
                        match insist!(requests.begin::<String>(&key)) {
                            Begun::Run(run) => {
                                done[number].fetch_add(1, Ordering::SeqCst);
                                let result = format!("result of {number}");
                                loop {
                                    match run.finish(&result).await {
                                        Ok(()) => break,
                                        Err(Error::Client(error)) if passes(&error) => {}
                                        Err(error) => panic!("{error}"),
                                    }
                                }
                            }
                            Begun::Replay(result) => {
                                assert_eq!(result, format!("result of {number}"));
                                break;
                            }
                            Begun::InProgress { .. } => {
                                tokio::time::sleep(Duration::from_millis(2)).await;
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        soon("a task of the load", task).await.unwrap();
    }
    chaos.end().await;
    for (number, count) in done.iter().enumerate() {
        assert_eq!(count.load(Ordering::SeqCst), 1, "request {number}");
    }
}

#[tokio::test]
async fn results_survive_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let requests = Idempotency::new(&failing.cluster, "a").run_ttl(FOR_EVER);
    let first = run(requests.begin("x").await.unwrap());
    failing.hand_over("{idempotency:a:x}").await;
    let begun = insist!(requests.begin::<String>("x"));
    assert!(matches!(begun, Begun::InProgress { .. }), "{begun:?}");
    let result = "done".to_owned();
    soon("it is stored", first.finish(&result)).await.unwrap();
    let begun = insist!(requests.begin::<String>("x"));
    assert!(matches!(&begun, Begun::Replay(result) if result == "done"));
}

#[tokio::test]
async fn a_crash_loses_runs_and_results_that_the_replica_did_not_have() {
    let failing = Failing::start().await;
    let requests = Idempotency::new(&failing.cluster, "a").run_ttl(FOR_EVER);
    let [finished, running] = failing
        .beside("{idempotency:a:x}", |key| {
            format!("{{idempotency:a:{key}}}")
        })
        .await;
    let done = "done".to_owned();
    run(requests.begin("x").await.unwrap())
        .finish(&done)
        .await
        .unwrap();
    failing.cut_replica_off("{idempotency:a:x}").await;
    run(requests.begin(&finished).await.unwrap())
        .finish(&done)
        .await
        .unwrap();
    let first = run(requests.begin(&running).await.unwrap());
    failing.kill("{idempotency:a:x}").await;

    let kept = insist!(requests.begin::<String>("x"));
    assert!(
        matches!(&kept, Begun::Replay(result) if *result == done),
        "{kept:?}"
    );
    // Both are carried out once more. The one whose run is lost is told when it stores its result.
    let again = run(insist!(requests.begin(&finished)));
    let second = run(insist!(requests.begin(&running)));
    let told = soon("it is told", first.finish(&done)).await.unwrap_err();
    assert!(
        matches!(&told, Error::Lost(lost) if matches!(lost.cause(), LossCause::Gone)),
        "{told}"
    );
    soon("it is stored", again.finish(&done)).await.unwrap();
    soon("it is stored", second.finish(&done)).await.unwrap();
}
