//! The end of a handle in good order, while reads of its cache have to be sent once more in the ordinary way.

use std::future::{IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::cache::Origin;
use typedis_core::cluster::Cluster;
use typedis_core::{Budget, Cache, Cached, Close, Closed, Config, Connection, ErrorKind, Pool};
use typedis_testkit::fake::{Answer, Fake, FakeCluster, Peer};

use crate::races::some;
use crate::support::*;
use crate::unpolled::{LATER, numbered};

const LOADING: &str = "-LOADING the data\r\n";
const CHANGED: &str = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n";

/// Between a test and its server: that the read has come which is to be held, and that it may be answered.
#[derive(Clone, Default)]
struct Gate {
    come: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn pass(&self) {
        self.come.notify_one();
        self.open.notified().await;
    }

    async fn until_come(&self) {
        soon("the read is sent", self.come.notified()).await;
    }
}

async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(LONG, future.into_future()).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

/// Lets everything run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// The future of [`Close`].
type Closing<'a> = Pin<Box<dyn Future<Output = Closed> + Send + 'a>>;

fn begin(close: Close<'_>) -> Closing<'_> {
    close.within(Duration::MAX).into_future()
}

/// A server that refuses the first GET for now, once the gate is open, and answers all later ones.
async fn refusing_first(gate: &Gate) -> Fake {
    let (gate, refused) = (gate.clone(), Arc::new(AtomicBool::new(false)));
    let fake = Fake::start(move |mut peer: Peer| {
        let (gate, refused) = (gate.clone(), refused.clone());
        async move {
            while let Some(words) = peer.command().await? {
                let reply = match words.name().as_str() {
                    "GET" if !refused.swap(true, Ordering::SeqCst) => {
                        gate.pass().await;
                        LOADING
                    }
                    "GET" => "$1\r\nv\r\n",
                    _ => "+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    });
    fake.await.unwrap()
}

/// Closes a handle while two wait for one read, which is refused for now; the second looks after the first has its reply.
async fn refused_while_closing<C: Origin>(
    cache: &Cached<C>,
    close: Close<'_>,
    in_flight: impl Fn() -> usize,
    gate: &Gate,
    both_look: bool,
) {
    let mut reads = [(); 2].map(|()| Box::pin(async { get(cache, "k").await }));
    for read in &mut reads {
        assert!(poll_once(read).await.is_none());
    }
    assert_eq!(cache.stats().shared, 1);
    gate.until_come().await;
    let mut closing = begin(close);
    assert!(poll_once(&mut closing).await.is_none());
    let new = get(cache, "new").await.unwrap_err();
    assert!(matches!(new.kind(), ErrorKind::Closed), "{new}");
    gate.open.notify_one();
    until("it is refused", || in_flight() == 0).await;
    settle().await;
    assert!(poll_once(&mut closing).await.is_none());
    let [first, second] = reads;
    assert_eq!(soon("the first", first).await.unwrap(), some("v"));
    settle().await;
    assert!(poll_once(&mut closing).await.is_none());
    if both_look {
        assert_eq!(soon("the second", second).await.unwrap(), some("v"));
    } else {
        drop(second);
    }
    let closed = soon("the end", closing).await;
    assert!(closed.is_clean(), "{closed:?}");
}

#[tokio::test]
async fn all_who_wait_for_a_read_that_is_refused_for_now_have_their_replies_before_the_end() {
    for both_look in [true, false] {
        for settings in [Cache::default(), Cache::default().server_ttl()] {
            let gate = Gate::default();
            let fake = refusing_first(&gate).await;
            let conn = Connection::open(at(fake.addr().port())).await.unwrap();
            let cache = conn.cached(settings).unwrap();
            let in_flight = || conn.in_flight();
            refused_while_closing(&cache, conn.close(), in_flight, &gate, both_look).await;
        }
    }
}

/// Only the lane of the read is kept, so the others have ended.
#[tokio::test]
async fn the_same_holds_for_the_lanes_of_a_pool() {
    for both_look in [true, false] {
        let gate = Gate::default();
        let fake = refusing_first(&gate).await;
        let pool = Pool::open(at(fake.addr().port()).lanes(4)).await.unwrap();
        let cache = pool.cached(Cache::default()).unwrap();
        let in_flight = || pool.in_flight();
        refused_while_closing(&cache, pool.close(), in_flight, &gate, both_look).await;
    }
}

#[tokio::test]
async fn the_same_holds_for_the_nodes_of_a_cluster() {
    let refused = AtomicBool::new(false);
    let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
        "GET" if !refused.swap(true, Ordering::SeqCst) => Answer::error("LOADING the data"),
        "GET" => Answer::Reply(b"$1\r\nv\r\n".to_vec()),
        _ => Answer::Usual,
    });
    let fake = fake.await.unwrap();
    let config = Config::from_url(&fake.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    let cache = cluster.cached(Cache::default()).unwrap();
    let mut reads = [(); 2].map(|()| Box::pin(async { get(&cache, "k").await }));
    for read in &mut reads {
        assert!(poll_once(read).await.is_none());
    }
    until("it is refused", || cluster.in_flight() == 0).await;
    let mut closing = begin(cluster.close());
    assert!(poll_once(&mut closing).await.is_none());
    let [first, second] = reads;
    assert_eq!(soon("the first", first).await.unwrap(), some("v"));
    // It is looked every few milliseconds whether everything is answered.
    for _ in 0..20 {
        assert!(!cluster.is_closed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(soon("the second", second).await.unwrap(), some("v"));
    assert!(soon("the end", closing).await.is_clean());
}

/// What was found in memory was changed while the rest was on its way, so all of it is asked for once more.
#[tokio::test]
async fn a_read_of_many_keys_that_has_to_be_sent_as_a_whole_is_sent_before_the_end() {
    let gate = Gate::default();
    let passed = gate.clone();
    let fake = Fake::start(move |mut peer: Peer| {
        let gate = passed.clone();
        async move {
            while let Some(words) = peer.command().await? {
                if words == ["MGET", "b"] {
                    gate.pass().await;
                    peer.send(CHANGED).await?;
                }
                let reply = match words.name().as_str() {
                    "MGET" if words.text(2).is_empty() => "*1\r\n$1\r\n1\r\n",
                    "MGET" => "*2\r\n$1\r\n2\r\n$1\r\n2\r\n",
                    _ => "+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    });
    let fake = fake.await.unwrap();
    let conn = Connection::open(at(fake.addr().port())).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    assert_eq!(mget(&cache, &["a"]).await.unwrap(), [some("1")]);
    let mut read = Box::pin(async { mget(&cache, &["a", "b"]).await });
    assert!(poll_once(&mut read).await.is_none());
    gate.until_come().await;
    let mut closing = begin(conn.close());
    assert!(poll_once(&mut closing).await.is_none());
    gate.open.notify_one();
    until("it is answered", || conn.in_flight() == 0).await;
    settle().await;
    assert!(poll_once(&mut closing).await.is_none());
    let read = soon("the read", read).await.unwrap();
    assert_eq!(read, [some("2"), some("2")]);
    assert!(soon("the end", closing).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn who_has_time_left_after_the_deadline_of_another_sends_his_own_read_before_the_end() {
    let conn = numbered(1, Budget::default()).await;
    let settings = Cache::default().max_unheard(LATER * 10);
    let cache = conn.cached(settings).unwrap();
    let first = get(&cache, "k").send();
    tokio::time::sleep(LATER / 3).await;
    let second = get(&cache, "k").send();
    assert_eq!(cache.stats().shared, 1);
    let mut closing = begin(conn.close());
    assert!(poll_once(&mut closing).await.is_none());
    assert!(first.await.unwrap_err().is_timeout());
    assert_eq!(second.await.unwrap(), some("2"));
    assert!(closing.await.is_clean());
}

/// Nothing is left to be sent for it, though its caller does not look.
#[tokio::test]
async fn a_read_that_is_answered_keeps_no_handle_from_its_end() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "MGET" => b"*2\r\n$1\r\n1\r\n$5\r\na\n-bc\r\n".to_vec(),
        "PTTL" => b":-1\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    });
    let fake = fake.await.unwrap();
    for settings in [Cache::default(), Cache::default().server_ttl()] {
        let conn = Connection::open(at(fake.addr().port())).await.unwrap();
        let cache = conn.cached(settings).unwrap();
        let one = get(&cache, "k").send();
        let many = mget(&cache, &["a", "b"]).send();
        until("they are answered", || conn.in_flight() == 0).await;
        assert!(soon("the end", begin(conn.close())).await.is_clean());
        assert_eq!(one.await.unwrap(), some("1"));
        assert_eq!(many.await.unwrap(), [some("1"), some("a\n-bc")]);
    }
}

/// A server that never answers the command by which a cache turns tracking on, and the configuration of a client that waits for ever.
async fn silent_on_ping() -> (Fake, Config) {
    let fake = Fake::start(|mut peer: Peer| async move {
        while let Some(words) = peer.command().await? {
            if words.name() != "PING" {
                peer.send("+OK\r\n").await?;
            }
        }
        Ok(())
    });
    let fake = fake.await.unwrap();
    let config = at(fake.addr().port()).liveness(None).command_timeout(None);
    (fake, config)
}

/// The number of PINGs that a server has read.
fn pings(fake: &Fake) -> usize {
    let all = (0..fake.connections()).flat_map(|number| fake.received(number));
    all.filter(|words| words.name() == "PING").count()
}

/// Closes a handle while its cache waits for servers to say that they report: no caller waits for that.
async fn closes_at_once<C: Origin>(
    cache: &Cached<C>,
    close: Close<'_>,
    in_flight: impl FnOnce() -> usize,
    is_asked: impl Fn() -> bool,
) {
    let _dropped = cache.dropped();
    until("the servers are asked", is_asked).await;
    assert_eq!(in_flight(), 0);
    let closed = soon("the end", begin(close)).await;
    assert!(closed.is_clean(), "{closed:?}");
}

fn broadcast() -> Cache {
    Cache::default().broadcast(["k"])
}

#[tokio::test]
async fn no_end_waits_until_a_server_says_that_it_reports() {
    let (fake, config) = silent_on_ping().await;
    let conn = Connection::open(config).await.unwrap();
    let cache = conn.cached(broadcast()).unwrap();
    closes_at_once(
        &cache,
        conn.close(),
        || conn.in_flight(),
        || pings(&fake) == 1,
    )
    .await;

    let (fake, config) = silent_on_ping().await;
    let pool = Pool::open(config.lanes(2)).await.unwrap();
    let cache = pool.cached(broadcast()).unwrap();
    closes_at_once(
        &cache,
        pool.close(),
        || pool.in_flight(),
        || pings(&fake) == 2,
    )
    .await;

    let fake = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "PING" if asked.node == 0 => Answer::Silence,
        _ => Answer::Usual,
    });
    let fake = fake.await.unwrap();
    let config = Config::from_url(&fake.url()).unwrap().liveness(None);
    let cluster = Cluster::open(config.command_timeout(None)).await.unwrap();
    let cache = cluster.cached(broadcast()).unwrap();
    let is_asked = || pings(fake.node(0)) == 1 && cache.stats().tracking == 1;
    closes_at_once(&cache, cluster.close(), || cluster.in_flight(), is_asked).await;
}

/// The socket is lost while the last reply is waited for. The next one is not told to report.
#[tokio::test]
async fn no_server_is_told_to_report_to_a_handle_that_takes_nothing_new() {
    let gate = Gate::default();
    let passed = gate.clone();
    let fake = Fake::start(move |mut peer: Peer| {
        let gate = passed.clone();
        async move {
            while let Some(words) = peer.command().await? {
                let reply = match words.name().as_str() {
                    "GET" => {
                        gate.pass().await;
                        if peer.number() == 0 {
                            return Ok(());
                        }
                        "$1\r\nv\r\n"
                    }
                    _ => "+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    });
    let fake = fake.await.unwrap();
    let conn = Connection::open(at(fake.addr().port())).await.unwrap();
    let cache = conn.cached(broadcast()).unwrap();
    let _dropped = cache.dropped();
    until("the server reports", || cache.stats().tracking == 1).await;
    let read = get(&conn, "k").send();
    gate.until_come().await;
    let mut closing = begin(conn.close());
    assert!(poll_once(&mut closing).await.is_none());
    gate.open.notify_one();
    gate.until_come().await;
    settle().await;
    gate.open.notify_one();
    assert_eq!(soon("the read", read).await.unwrap(), some("v"));
    assert!(soon("the end", closing).await.is_clean());
    until("nothing more comes", || fake.open_connections() == 0).await;
    assert_eq!((fake.connections(), pings(&fake)), (2, 1));
}
