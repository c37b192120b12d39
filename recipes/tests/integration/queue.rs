use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis::Phase;
use typedis::prelude::*;
use typedis_recipes::{Queue, Retry};
use typedis_testkit::proxy::Cut;
use typedis_testkit::{ServerKind, shared_cluster};

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::support::*;

/// The first key of the queue that the tests use: when jobs are due.
const DUE: &str = "{queue:a}";

/// Lets the time of a job pass by the clock of the server: it is due at its beginning.
async fn make_due(conn: &Connection, id: &str) {
    conn.zadd(DUE, [(1.0, id)]).await.unwrap();
}

#[tokio::test]
async fn jobs_come_in_the_order_in_which_they_are_due() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a");
        queue.push("first").await.unwrap();
        queue.push("second").await.unwrap();
        queue.push_as("later", "third", FOR_EVER).await.unwrap();
        for payload in ["first", "second"] {
            let job = queue.take::<String>().await.unwrap().expect("it is due");
            assert_eq!((job.payload.as_str(), job.deliveries), (payload, 1));
            assert!(job.done().await.unwrap());
            assert!(job.done().await.unwrap(), "the call may be repeated");
        }
        assert!(queue.take::<String>().await.unwrap().is_none());
        make_due(&conn, "later").await;
        let job = queue
            .take::<String>()
            .await
            .unwrap()
            .expect("its time came");
        assert_eq!(job.id, "later");
        assert!(job.done().await.unwrap());
        assert_eq!(conn.dbsize().await.unwrap(), 0, "nothing is left behind");
    }
}

#[tokio::test]
async fn a_job_is_due_after_its_delay_and_not_before() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let queue = Queue::new(&conn, "a").poll_every(Duration::from_millis(2));
    let delay = Duration::from_millis(200);
    let pushed = server_time(&conn).await;
    queue.push_in("x", delay).await.unwrap();
    let job = soon("it is due", queue.next::<String>()).await.unwrap();
    assert!(server_time(&conn).await >= pushed + delay.as_micros() as u64);
    assert!(job.done().await.unwrap());
}

#[tokio::test]
async fn a_waiting_worker_gets_a_new_job() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let queue = Queue::new(&conn, "a").poll_every(Duration::from_millis(2));
    let waiting = queue.clone();
    let waiting = tokio::spawn(async move { waiting.next::<String>().await });
    queue.push("x").await.unwrap();
    let job = soon("it is delivered", waiting).await.unwrap().unwrap();
    assert_eq!(job.payload, "x");
}

#[tokio::test]
async fn a_job_that_is_not_done_is_delivered_again_after_its_visibility_timeout() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a").visibility(FOR_EVER);
        queue.push_as("x", "job", Duration::ZERO).await.unwrap();
        let first = queue.take::<String>().await.unwrap().expect("it is due");
        assert!(queue.take::<String>().await.unwrap().is_none(), "invisible");
        let now = server_time(&conn).await as f64;
        let due = conn.zscore(DUE, "x").await.unwrap().expect("it is there");
        let visibility = FOR_EVER.as_micros() as f64;
        assert!(due <= now + visibility && due > now, "{due} {now}");

        make_due(&conn, "x").await;
        let second = queue.take::<String>().await.unwrap().expect("again");
        assert_eq!((second.id.as_str(), second.deliveries), ("x", 2));
        assert!(!first.done().await.unwrap(), "the second delivery decides");
        assert!(!first.extend().await.unwrap());
        assert_eq!(first.failed("late").await.unwrap(), Retry::TooLate);
        assert!(second.extend().await.unwrap());
        assert!(second.done().await.unwrap());
        assert!(!second.extend().await.unwrap());
    }
}

#[tokio::test]
async fn a_job_that_fails_too_often_is_put_aside_with_the_reason() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a").max_deliveries(2);
        queue.push_as("x", "job", Duration::ZERO).await.unwrap();
        let job = queue.take::<String>().await.unwrap().expect("it is due");
        assert_eq!(job.failed("no route").await.unwrap(), Retry::Again);
        let job = queue.take::<String>().await.unwrap().expect("again");
        assert_eq!(job.failed("no host").await.unwrap(), Retry::Dead);
        assert_eq!(job.failed("no host").await.unwrap(), Retry::Dead);
        assert!(queue.take::<String>().await.unwrap().is_none());
        let dead = queue.dead::<String>(10).await.unwrap();
        let [job] = dead.as_slice() else {
            panic!("{dead:?}")
        };
        assert_eq!(
            (job.id.as_str(), job.reason.as_str(), job.payload.as_str()),
            ("x", "no host", "job")
        );
        // It is still known, so it is not put in twice.
        queue.push_as("x", "other", Duration::ZERO).await.unwrap();
        assert!(queue.revive("x").await.unwrap());
        assert!(!queue.revive("x").await.unwrap());
        let job = queue.take::<String>().await.unwrap().expect("revived");
        assert_eq!((job.deliveries, job.payload.as_str()), (1, "job"));
        assert!(job.done().await.unwrap());
        assert_eq!(conn.dbsize().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_dead_job_stays_dead_also_for_a_program_with_another_limit() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a");
        queue.push_as("x", "job", Duration::ZERO).await.unwrap();
        let job = queue.take::<String>().await.unwrap().expect("it is due");
        // Another program, with a lower limit, has put it aside.
        conn.zrem(DUE, ["x"]).await.unwrap();
        conn.zadd("{queue:a}:dead", [(1.0, "x")]).await.unwrap();
        assert_eq!(job.failed("no route").await.unwrap(), Retry::Dead);
        assert!(queue.take::<String>().await.unwrap().is_none(), "{kind:?}");
        assert!(queue.revive("x").await.unwrap());
        let job = queue.take::<String>().await.unwrap().expect("revived");
        assert!(job.done().await.unwrap());
    }
}

#[tokio::test]
async fn a_job_whose_workers_die_is_put_aside_too_and_can_be_discarded() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a")
            .max_deliveries(1)
            .visibility(FOR_EVER);
        queue.push_as("x", "deadly", Duration::ZERO).await.unwrap();
        queue.push_as("y", "good", FOR_EVER).await.unwrap();
        drop(queue.take::<String>().await.unwrap().expect("it is due"));
        make_due(&conn, "x").await;
        make_due(&conn, "y").await;
        let job = queue.take::<String>().await.unwrap().expect("the other");
        assert_eq!(job.id, "y", "the dead one does not hold it up");
        assert!(job.done().await.unwrap());
        let dead = queue.dead::<String>(10).await.unwrap();
        assert_eq!(dead.len(), 1);
        assert!(dead[0].reason.contains("visibility timeout"), "{dead:?}");
        assert!(queue.discard("x").await.unwrap());
        assert!(!queue.discard("x").await.unwrap());
        assert_eq!(conn.dbsize().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_job_that_is_done_before_the_reply_to_push_is_lost_is_not_put_in_again() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let worker = Queue::new(&bench.direct, "a");
    let queue = Queue::new(&conn, "a");
    let work = async || {
        let job = worker.take::<String>().await.unwrap().expect("it is due");
        assert!(job.done().await.unwrap());
    };
    // From here on the server has the scripts.
    queue.push("first").await.unwrap();
    work().await;
    proxy.to_client().hold();
    let push = tokio::spawn(async move { queue.push("second").await });
    let is_there = async || bench.direct.zcard(DUE).await.unwrap() == 1;
    until("the job is put in", is_there).await;
    work().await;
    // The reply is lost with its connection.
    proxy.refuse(true);
    proxy.to_client().black_hole();
    proxy.cut_all(Cut::Reset);
    proxy.wait_for_open(0, LONG).await.unwrap();
    proxy.heal();
    proxy.refuse(false);
    let error = soon("the call", push).await.unwrap().unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    soon("the next connection", conn.ping()).await.unwrap();
    assert_eq!(bench.direct.dbsize().await.unwrap(), 0);
}

#[tokio::test]
async fn a_payload_of_another_type_is_an_error_and_the_job_stays() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let queue = Queue::new(&conn, "a").max_deliveries(3);
    queue
        .push_as("x", "no number", Duration::ZERO)
        .await
        .unwrap();
    let error = queue.take::<u64>().await.unwrap_err();
    assert_eq!(error.phase(), Phase::Applied, "{error}");
    make_due(&conn, "x").await;
    let job = queue.take::<String>().await.unwrap().expect("it is there");
    assert_eq!(job.deliveries, 2);
}

#[tokio::test]
async fn queues_work_on_a_cluster() {
    let space = blocking(|| shared_cluster(ServerKind::Redis8)).await;
    let url = space.cluster().url();
    let cluster = typedis::cluster(config(&url)).await.unwrap();
    for name in ["a", "b", "c"] {
        let queue = Queue::new(&cluster, space.key(name)).max_deliveries(1);
        queue.push(name).await.unwrap();
        let job = queue.take::<String>().await.unwrap().expect("it is due");
        assert_eq!(job.failed("so").await.unwrap(), Retry::Dead);
        let dead = queue.dead::<String>(1).await.unwrap();
        assert!(queue.revive(&dead[0].id).await.unwrap());
        let job = queue.take::<String>().await.unwrap().expect("revived");
        assert!(job.done().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_while_connections_fail() {
    const PRODUCERS: usize = 6;
    const EACH: usize = 40;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let queue = |task: usize| {
        Queue::new(&connections[task % 4], "a")
            .visibility(Duration::from_millis(300))
            .poll_every(Duration::from_millis(5))
    };
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|task| {
            let (queue, faults) = (queue(task), chaos.faults());
            tokio::spawn(async move {
                for number in 0..EACH {
                    if number == EACH / 2 {
                        faults.come().await;
                    }
                    let id = format!("{task}-{number}");
                    insist!(queue.push_as(&id, &id, Duration::ZERO));
                }
            })
        })
        .collect();
    let worked = Arc::new(Mutex::new(BTreeSet::new()));
    let deliveries = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..8)
        .map(|task| {
            let queue = queue(task);
            let (worked, deliveries) = (worked.clone(), deliveries.clone());
            let is_over = is_over.clone();
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let Some(job) = insist!(queue.take::<String>()) else {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    assert_eq!(job.id, job.payload);
                    let count = deliveries.fetch_add(1, Ordering::Relaxed);
                    if count % 7 == 3 {
                        // A worker that dies.
                        continue;
                    }
                    if count % 7 == 5 {
                        insist!(job.failed("as it happens"));
                        continue;
                    }
                    worked.lock().unwrap().insert(job.id.clone());
                    insist!(job.done());
                }
            })
        })
        .collect();
    for task in producers {
        soon("a producer", task).await.unwrap();
    }
    let is_empty = async || bench.direct.zcard(DUE).await.unwrap() == 0;
    until("all jobs are done", is_empty).await;
    is_over.store(true, Ordering::Relaxed);
    for task in workers {
        soon("a worker", task).await.unwrap();
    }
    chaos.end().await;
    let worked = worked.lock().unwrap();
    let all =
        (0..PRODUCERS).flat_map(|task| (0..EACH).map(move |number| format!("{task}-{number}")));
    assert_eq!(*worked, all.collect());
    assert!(deliveries.load(Ordering::Relaxed) > PRODUCERS * EACH);
}

#[tokio::test]
async fn a_queue_survives_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let queue = Queue::new(&failing.cluster, "a").visibility(FOR_EVER);
    for number in 0..20 {
        queue.push(number).await.unwrap();
    }
    let taken = queue.take::<u64>().await.unwrap().expect("it is due");
    failing.hand_over(DUE).await;
    assert!(insist!(taken.done()), "the new primary knows the delivery");
    let mut left = BTreeSet::new();
    let rest = async {
        while let Some(job) = insist!(queue.take::<u64>()) {
            assert!(insist!(job.done()));
            left.insert(job.payload);
        }
    };
    soon("the rest is taken", rest).await;
    assert_eq!(
        left,
        (0..20).filter(|number| *number != taken.payload).collect()
    );
}

#[tokio::test]
async fn a_crash_loses_jobs_that_the_replica_did_not_have_and_delivers_again_what_it_did_not_know_as_done()
 {
    let failing = Failing::start().await;
    let queue = Queue::new(&failing.cluster, "a").visibility(FOR_EVER);
    for number in 0..10 {
        queue.push(number).await.unwrap();
    }
    failing.cut_replica_off(DUE).await;
    for number in 10..20 {
        queue.push(number).await.unwrap();
    }
    let done = queue.take::<u64>().await.unwrap().expect("it is due");
    assert!(done.done().await.unwrap());
    assert!(done.payload < 10, "the oldest job comes first");
    failing.kill(DUE).await;

    let mut left = BTreeSet::new();
    let rest = async {
        while let Some(job) = insist!(queue.take::<u64>()) {
            assert!(insist!(job.done()));
            let is_new = left.insert(job.payload);
            assert!(is_new, "{} was delivered twice", job.payload);
        }
    };
    soon("the rest is taken", rest).await;
    assert_eq!(left, (0..10).collect());
}
