//! Blocking calls whose callers have gone away or were told that their time is over, on a pool that reports what they got.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use typedis_core::{CommandInfo, Phase, Pool, Protocol, Request, Timeout};
use typedis_testkit::fake::{Fake, Peer};

use crate::support::*;

type Popped = Option<(String, String)>;

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1);

fn blpop(pool: &Pool) -> Request<&Pool, Popped> {
    Request::new(pool, &BLPOP, |args| {
        let timeout = Timeout::from(0);
        args.key("key", "jobs");
        args.block(&timeout);
        args.arg("timeout", &timeout);
    })
}

fn element(text: &str) -> String {
    format!("*2\r\n$4\r\njobs\r\n${}\r\n{text}\r\n", text.len())
}

/// Answers the handshake, and commands up to a BLPOP.
async fn until_blpop(peer: &mut Peer) -> io::Result<()> {
    after_handshake(peer).await?;
    peer.answer_until("BLPOP", ":7\r\n").await.map(drop)
}

/// What a server does with one call that ends before its reply, and what is left of it.
#[derive(Default)]
struct Story {
    waits: Notify,
    unblock: Notify,
    is_closed: AtomicBool,
}

/// A server that hands an element to such a call after it was asked to end the wait. It gives `answer` to that
/// request, and nothing more on that socket if there is none.
async fn server(story: Arc<Story>, answer: Option<&'static str>) -> Fake {
    Fake::start(move |mut peer| {
        let story = story.clone();
        async move {
            match peer.number() {
                0 => {
                    after_handshake(&mut peer).await?;
                    peer.answer_until("CLIENT", "+OK\r\n").await?;
                    story.unblock.notify_one();
                    if let Some(answer) = answer {
                        peer.send(answer).await?;
                    }
                    peer.until_closed().await
                }
                1 => {
                    until_blpop(&mut peer).await?;
                    story.waits.notify_one();
                    story.unblock.notified().await;
                    peer.send(element("first")).await?;
                    if peer.answer_until("BLPOP", ":7\r\n").await.is_err() {
                        story.is_closed.store(true, Ordering::Relaxed);
                        return Ok(());
                    }
                    peer.send(element("second")).await?;
                    peer.until_closed().await
                }
                _ => {
                    until_blpop(&mut peer).await?;
                    peer.send(element("second")).await?;
                    peer.until_closed().await
                }
            }
        }
    })
    .await
    .unwrap()
}

/// How a call ends before its reply.
#[derive(Clone, Copy)]
enum End {
    Dropped,
    Late,
}

/// Has a call end, and returns the pool's elements after that: the reported one, and the next popped one.
async fn end_a_call(end: End, story: &Story, fake: &Fake) -> [String; 2] {
    // Much longer than the test takes: only the clock that is set forward reaches it.
    const DEADLINE: Duration = Duration::from_secs(3_600);
    let config = at(fake.addr()).protocol(Protocol::Resp2).leases(1);
    // Nothing else ends when the clock is set forward.
    let config = config.command_timeout(None).liveness(None);
    let pool = Pool::open(config.lanes(1)).await.unwrap();
    let (sender, mut reports) = mpsc::unbounded_channel();
    pool.on_unclaimed(move |unclaimed| {
        let popped = unclaimed.decode::<Popped>().unwrap().unwrap();
        sender.send(popped.1).unwrap();
    });
    let call = blpop(&pool).deadline(DEADLINE);
    let mut call = Box::pin(std::future::IntoFuture::into_future(call));
    tokio::select! {
        popped = &mut call => panic!("nothing is there to pop: {popped:?}"),
        () = soon("BLPOP is sent", story.waits.notified()) => {}
    }
    match end {
        End::Dropped => drop(call),
        End::Late => {
            tokio::time::pause();
            tokio::time::advance(DEADLINE).await;
            tokio::time::resume();
            let error = failed(soon("the call", call).await);
            assert!(error.is_timeout(), "{error}");
            assert_eq!(error.phase(), Phase::MaybeApplied);
            assert_eq!(error.command(), Some("BLPOP"));
        }
    }
    let reported = soon("the report", reports.recv()).await.unwrap();
    let (_, popped) = soon("the next BLPOP", blpop(&pool)).await.unwrap().unwrap();
    [reported, popped]
}

/// Its answer is late, and by then its element may have come. The request may still be carried out, so the socket that
/// it names must not be lent again.
#[tokio::test]
async fn an_element_is_reported_while_the_request_to_end_the_wait_has_no_answer() {
    for end in [End::Dropped, End::Late] {
        let story = Arc::new(Story::default());
        let fake = server(story.clone(), None).await;
        assert_eq!(end_a_call(end, &story, &fake).await, ["first", "second"]);
        assert!(story.is_closed.load(Ordering::Relaxed));
    }
}

#[tokio::test]
async fn a_socket_is_lent_again_once_the_request_to_end_the_wait_is_answered() {
    for end in [End::Dropped, End::Late] {
        let story = Arc::new(Story::default());
        let fake = server(story.clone(), Some(":0\r\n")).await;
        assert_eq!(end_a_call(end, &story, &fake).await, ["first", "second"]);
        assert!(!story.is_closed.load(Ordering::Relaxed));
        assert_eq!(fake.connections(), 2);
    }
}

/// The wait is ended over a lane, which accepts nothing else any more.
#[tokio::test]
async fn an_element_is_reported_while_the_pool_is_being_closed() {
    for waits_for_the_end in [true, false] {
        close_amid_a_call(waits_for_the_end).await;
    }
}

async fn close_amid_a_call(waits_for_the_end: bool) {
    let story = Arc::new(Story::default());
    let fake = server(story.clone(), Some(":1\r\n")).await;
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
    let (sender, mut reports) = mpsc::unbounded_channel();
    pool.on_unclaimed(move |unclaimed| {
        let popped = unclaimed.decode::<Popped>().unwrap().unwrap();
        sender.send(popped.1).unwrap();
    });
    let mut call = Box::pin(std::future::IntoFuture::into_future(blpop(&pool)));
    tokio::select! {
        popped = &mut call => panic!("nothing is there to pop: {popped:?}"),
        () = soon("BLPOP is sent", story.waits.notified()) => {}
    }
    let mut closing = Box::pin(std::future::IntoFuture::into_future(pool.close()));
    // From its first poll on it is being closed.
    let at_once = std::future::poll_fn(|cx| std::task::Poll::Ready(closing.as_mut().poll(cx)));
    assert!(at_once.await.is_pending());
    let closing = if waits_for_the_end {
        Some(closing)
    } else {
        drop(closing);
        None
    };
    drop(call);
    let reported = soon("the report", reports.recv());
    if let Some(closing) = closing {
        let (reported, closed) = tokio::join!(reported, closing);
        assert_eq!(reported.as_deref(), Some("first"));
        assert!(closed.is_clean(), "{closed:?}");
        // The question over the lane was the client's own.
        assert_eq!(closed.answered, 0);
    } else {
        assert_eq!(reported.await.as_deref(), Some("first"));
    }
    until("the end of its sockets", || fake.open_connections() == 0).await;
    assert!(pool.is_closed());
}

/// The same id is that of another client there.
#[tokio::test]
async fn nothing_is_unblocked_on_another_server_than_the_one_that_blocks() {
    let (gone, waits) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // Lets one client in, which is the lane.
    let first = Fake::start(|mut peer| async move {
        if peer.number() > 0 {
            peer.command().await?;
            return peer.send("-ERR max number of clients reached\r\n").await;
        }
        while peer.command().await?.is_some() {
            peer.send("+OK\r\n").await?;
        }
        Ok(())
    });
    let first = first.await.unwrap();
    let (waiting, closed) = (waits.clone(), gone.clone());
    let second = Fake::start(move |mut peer| {
        let (waiting, closed) = (waiting.clone(), closed.clone());
        async move {
            until_blpop(&mut peer).await?;
            waiting.notify_one();
            peer.until_closed().await?;
            closed.notify_one();
            Ok(())
        }
    });
    let second = second.await.unwrap();
    let url = format!("redis://{},{}", first.addr(), second.addr());
    let config = typedis_core::Config::from_url(&url).unwrap();
    let config = config.protocol(Protocol::Resp2).lanes(1).leases(1);
    let pool = Pool::open(config).await.unwrap();
    pool.on_unclaimed(|_| {});
    let mut call = Box::pin(std::future::IntoFuture::into_future(blpop(&pool)));
    tokio::select! {
        popped = &mut call => panic!("nothing is there to pop: {popped:?}"),
        () = soon("BLPOP is sent", waits.notified()) => {}
    }
    drop(call);
    soon("the end of its socket", gone.notified()).await;
    let mut sent = first.received(0).into_iter();
    assert!(!sent.any(|words| words.text(1) == "UNBLOCK"));
}

#[tokio::test]
async fn nothing_is_sent_for_a_call_without_time() {
    let fake = Fake::start(|mut peer| async move {
        while peer.command().await?.is_some() {
            peer.send("+OK\r\n").await?;
        }
        Ok(())
    });
    let fake = fake.await.unwrap();
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
    for reports in [false, true] {
        if reports {
            pool.on_unclaimed(|_| {});
        }
        // The call finds this socket, so it has no need to wait for one.
        drop(soon("a socket", pool.exclusive()).await.unwrap());
        let error = failed(blpop(&pool).deadline(Duration::ZERO).await);
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    }
    assert_eq!(fake.connections(), 2);
    let mut sent = fake.received(1).into_iter();
    assert!(!sent.any(|words| words.name() == "BLPOP"));
}
