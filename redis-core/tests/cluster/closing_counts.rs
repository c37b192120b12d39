//! What closing a cluster counts, and what it does not wait for.

use std::future::{IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use typedis_core::Closed;
use typedis_core::Run;
use typedis_core::cluster::Cluster;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::closing::{KEY, begin_to_close, fake, there};
use crate::support::*;

/// Too short for any reply that does not come.
const SHORT: Duration = Duration::from_millis(50);

/// It was one that only redirects named, and has slots now.
#[tokio::test]
async fn a_node_that_came_by_a_redirect_is_counted_once() {
    let has_moved = Arc::new(AtomicBool::new(false));
    let fake = fake(&has_moved, |asked, has_moved| match asked.node {
        2 if has_moved => Answer::moved(12_182, asked.addr(3)),
        2 => Answer::ask(12_182, asked.addr(3)),
        _ => there(),
    })
    .await;
    let cluster = connect(&fake).await;
    soon("after ASK", cluster.run(get(KEY))).await.unwrap();
    has_moved.store(true, Ordering::SeqCst);
    fake.assign(12_182..=12_182, 3);
    soon("after MOVED", cluster.run(get(KEY))).await.unwrap();
    let lease = soon("a lease", cluster.exclusive_for(KEY)).await.unwrap();
    let sent = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(incr(KEY)).await }
    });
    until("it was sent", || fake.count(3, "INCR") == 1).await;
    assert_eq!(cluster.in_flight(), 1);
    let closed = soon("the end", cluster.close().within(SHORT)).await;
    assert_eq!((closed.failed, closed.leased), (1, 1), "{closed:?}");
    assert!(soon("an error", sent).await.unwrap().is_err());
    drop(lease);
}

/// One node. Once this says so, it does not tell the map; it never answers INCR, and refuses GET before.
async fn falls_silent(is_silent: &Arc<AtomicBool>) -> FakeCluster {
    let is_silent = is_silent.clone();
    let script = move |asked: &typedis_testkit::fake::Asked<'_>| {
        let is_silent = is_silent.load(Ordering::SeqCst);
        match asked.command.name().as_str() {
            "INCR" => Answer::Silence,
            "CLUSTER" if is_silent => Answer::Silence,
            "GET" if is_silent => there(),
            "GET" => Answer::error("CLUSTERDOWN Hash slot not served"),
            _ => Answer::Usual,
        }
    };
    FakeCluster::start(1, script).await.unwrap()
}

async fn without_liveness(fake: &FakeCluster) -> Cluster {
    // The answer to a PING would be taken for that to the command.
    let config = config(&fake.node(0).url()).liveness(None);
    Cluster::open(config).await.unwrap()
}

fn questions(fake: &FakeCluster) -> usize {
    fake.count(0, "CLUSTER")
}

#[tokio::test]
async fn the_questions_for_the_map_are_not_counted_as_lost() {
    let is_silent = Arc::new(AtomicBool::new(true));
    is_silent.store(false, Ordering::SeqCst);
    let fake = falls_silent(&is_silent).await;
    let cluster = without_liveness(&fake).await;
    is_silent.store(true, Ordering::SeqCst);
    let before = questions(&fake);
    let sent = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(incr(KEY)).await }
    });
    // A node that owes a reply for long has the map asked for.
    until("the map is asked for", || questions(&fake) >= before + 2).await;
    assert_eq!(cluster.in_flight(), 1);
    let closed = soon("the end", cluster.close().within(SHORT)).await;
    assert_eq!(
        (closed.failed, closed.answered, closed.leased),
        (1, 0, 0),
        "{closed:?}"
    );
    assert!(soon("an error", sent).await.unwrap().is_err());
}

#[tokio::test]
async fn nothing_waits_for_the_questions_for_the_map() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let fake = falls_silent(&is_silent).await;
    let cluster = without_liveness(&fake).await;
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("it is refused", || fake.count(0, "GET") > 0).await;
    let before = questions(&fake);
    is_silent.store(true, Ordering::SeqCst);
    soon("the reply", call).await.unwrap().unwrap();
    until("the map is asked for", || questions(&fake) >= before + 2).await;
    assert_eq!(cluster.in_flight(), 0);
    // Much longer than this test takes.
    let closed = soon("the end", cluster.close().within(LONG * 10)).await;
    assert_eq!(closed, Closed::default());
    until("its sockets are closed", || {
        fake.node(0).open_connections() == 0
    })
    .await;
}

/// Who closed it first, and what waits for its end with it, was on a runtime that ends while others wait.
#[tokio::test]
async fn a_cluster_closes_although_the_runtime_that_began_to_close_it_has_ended() {
    let is_closing = Arc::new(AtomicBool::new(false));
    let fake = fake(&is_closing, |_, is_closing| match is_closing {
        false => Answer::error("CLUSTERDOWN Hash slot not served"),
        true => there(),
    })
    .await;
    let cluster = connect(&fake).await;
    let call = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.run(get(KEY)).await }
    });
    until("it is refused", || fake.count(2, "GET") > 1).await;
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let other = cluster.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(async {
            let mut closing = pin!(other.close().into_future());
            poll_fn(|cx| {
                assert!(closing.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        });
        begun.send(()).unwrap();
        let _ = ends.recv();
    });
    blocking(move || has_begun.recv().unwrap()).await;
    let closing = begin_to_close(&cluster).await;
    drop(end);
    blocking(move || thread.join().unwrap()).await;
    is_closing.store(true, Ordering::SeqCst);
    soon("the reply", call).await.unwrap().unwrap();
    // It gives up only after that time.
    let closed = tokio::time::timeout(LONG / 2, closing).await.unwrap();
    assert!(closed.unwrap().is_clean());
}
