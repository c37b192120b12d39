//! What had arrived when a socket is lost: replies and messages still belong to those who wait for them.

use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use typedis_core::{Config, Connection, ErrorKind, Run, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::push;

use crate::fake::{greet, has_received, message};
use crate::support::{eventually, within};

/// A socket that takes no more bytes once it is told so.
struct Full {
    stream: TcpStream,
    is_full: Arc<AtomicBool>,
}

impl AsyncRead for Full {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Full {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_full.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// So many replies that came together are handed out in two halves.
const CALLS: usize = 192;

/// The socket is lost between the two halves, and a message stands in the second one.
#[tokio::test]
async fn replies_behind_a_message_are_not_lost_with_the_socket() {
    let is_full = Arc::new(AtomicBool::new(false));
    let fill = is_full.clone();
    let fake = Fake::start(move |mut peer| {
        let is_full = fill.clone();
        async move {
            greet(&mut peer).await?;
            // Many bytes make the client read many at once.
            let to_nobody = push!["message", "z", "x"].to_string();
            peer.send(to_nobody.repeat(5_000)).await?;
            peer.send(push!["subscribe", "a", 1]).await?;
            for _ in 0..CALLS {
                peer.command().await?;
            }
            is_full.store(true, Ordering::Relaxed);
            let (first, last) = (replies(0..150), replies(150..CALLS));
            peer.send(format!("{first}{}{last}", message())).await?;
            peer.command().await?;
            Ok(())
        }
    })
    .await
    .unwrap();
    let address = fake.addr();
    let config = Config::from_url(&fake.url()).unwrap().liveness(None);
    let config = config.transport(move |_| {
        let is_full = is_full.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Full { stream, is_full })
        }
    });
    let conn = Connection::open(config).await.unwrap();
    let mut channel = within(5, conn.subscribe("a")).await.unwrap();
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        calls.spawn(call(conn.clone(), number));
    }
    while let Some(call) = within(20, calls.join_next()).await {
        let (number, reply) = call.unwrap();
        assert_eq!(reply.unwrap(), number % 10);
    }
    let text: Option<String> = within(5, channel.get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("hi"));
    eventually(false, async || conn.is_connected()).await;
}

/// Replies of one digit each.
fn replies(numbers: Range<usize>) -> String {
    numbers
        .map(|number| format!(":{}\r\n", number % 10))
        .collect()
}

async fn call(conn: Connection, number: usize) -> (usize, typedis_core::Result<usize>) {
    let reply = conn.run(raw("ECHO").arg(number).reply()).await;
    if number == 0 {
        // This is written before the second half is handed out, which fails.
        let mut more = pin!(conn.run(raw("ECHO").arg("more").reply::<()>()));
        std::future::poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_ready())).await;
    }
    (number, reply)
}

#[tokio::test]
async fn a_reply_in_place_of_a_confirmation_gives_nobody_the_reply_of_another() {
    let fake = Fake::start(|mut peer| async move {
        greet(&mut peer).await?;
        if peer.number() > 0 {
            peer.send(push!["subscribe", "a", 1]).await?;
        } else {
            peer.expect(&["ECHO", "1"]).await?;
            peer.expect(&["ECHO", "2"]).await?;
            peer.send("+OK\r\n-ERR no\r\n:2\r\n").await?;
        }
        peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::open(fake.url()).await.unwrap();
    let echo = |number: i64| conn.run(raw("ECHO").arg(number).reply::<i64>());
    let mut subscribe = conn.subscribe("a");
    let pending =
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut subscribe).poll(cx).is_pending()));
    assert!(pending.await);
    has_received(&fake, "SUBSCRIBE").await;
    let (one, two) = tokio::join!(within(5, echo(1)), within(5, echo(2)));
    for outcome in [one, two] {
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
    }
    within(5, subscribe).await.unwrap();
}
