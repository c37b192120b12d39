//! The proxy: each fault is what it says, for the bytes and at the byte that it says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use typedis_testkit::proxy::{Cut, Proxy};

/// For what must happen: long, as the machine may be busy.
const SOON: Duration = Duration::from_secs(60);
/// For what must not happen.
const MOMENT: Duration = Duration::from_millis(100);

/// A server that sends back what it gets, and its end.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    Proxy::start(echo().await).await.unwrap()
}

async fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn round_trip(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    timeout(SOON, client.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(back, bytes);
}

async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(MOMENT, client.read(&mut [0; 16])).await.is_err()
}

/// The clock stands still: only a timer would move it on.
#[tokio::test(start_paused = true)]
async fn without_rules_no_timer_holds_bytes_up() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    let start = tokio::time::Instant::now();
    for _ in 0..100 {
        client.write_all(b"hello").await.unwrap();
        client.read_exact(&mut [0; 5]).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn without_rules_all_passes() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    for _ in 0..2_000 {
        round_trip(&mut client, b"hello").await;
    }
    round_trip(&mut client, &vec![7; 1 << 20]).await;
    assert_eq!(proxy.to_server().passed(), 10_000 + (1 << 20));
    assert_eq!((proxy.accepted(), proxy.open()), (1, 1));
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
    proxy.wait_for_open(0, SOON).await.unwrap();
}

/// By a clock that only the delays move on.
#[tokio::test(start_paused = true)]
async fn delayed_bytes_arrive_late_but_together() {
    let proxy = proxy().await;
    proxy
        .to_client()
        .delay(Duration::from_millis(50), Duration::from_millis(60));
    let mut client = client(&proxy).await;
    let start = tokio::time::Instant::now();
    for sent in 1..=40 {
        client.write_all(b"x").await.unwrap();
        // One by one, so that the proxy reads the echo in many pieces.
        while proxy.to_server().passed() < sent {
            tokio::task::yield_now().await;
        }
    }
    client.read_exact(&mut [0; 40]).await.unwrap();
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(50), "{taken:?}");
    assert!(
        taken < Duration::from_millis(1_500),
        "the delays add up: {taken:?}"
    );
}

#[tokio::test]
async fn chunks_are_written_one_by_one() {
    let proxy = proxy().await;
    proxy.to_client().chunks(3);
    proxy.to_client().rate(30);
    let mut client = client(&proxy).await;
    client.write_all(b"abcdef").await.unwrap();
    let mut bytes = [0; 16];
    assert_eq!(client.read(&mut bytes).await.unwrap(), 3);
    assert_eq!(client.read(&mut bytes).await.unwrap(), 3);
}

#[tokio::test]
async fn the_rate_is_kept() {
    let proxy = proxy().await;
    proxy.to_server().chunks(1_000);
    proxy.to_server().rate(100_000);
    let mut client = client(&proxy).await;
    let start = Instant::now();
    round_trip(&mut client, &[1; 20_000]).await;
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(190), "{taken:?}");
}

#[tokio::test]
async fn held_bytes_arrive_after_the_hold() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    round_trip(&mut client, b"a").await;
    proxy.to_server().hold();
    client.write_all(b"held").await.unwrap();
    assert!(is_silent(&mut client).await);
    assert_eq!(proxy.to_server().passed(), 1);
    proxy.heal();
    let mut back = [0; 4];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"held");
}

#[tokio::test]
async fn a_hold_blocks_a_writer_that_goes_on() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    proxy.to_server().hold();
    let flood = vec![0; 64 << 20];
    assert!(timeout(5 * MOMENT, client.write_all(&flood)).await.is_err());
}

#[tokio::test]
async fn a_black_hole_swallows_bytes_and_ends() {
    let proxy = proxy().await;
    let mut client = client(&proxy).await;
    round_trip(&mut client, b"a").await;
    proxy.to_client().black_hole();
    client.write_all(b"lost").await.unwrap();
    // The server gets it, and its end is swallowed also.
    let passed = async {
        while proxy.to_server().passed() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, passed).await.unwrap();
    assert!(is_silent(&mut client).await);
    assert_eq!(proxy.to_server().passed(), 5);
    client.shutdown().await.unwrap();
    assert!(is_silent(&mut client).await);
    proxy.heal();
    assert_eq!(
        timeout(SOON, client.read(&mut [0; 16]))
            .await
            .unwrap()
            .unwrap(),
        0,
        "the end, and none of the bytes"
    );
}

#[tokio::test]
async fn a_cut_comes_exactly_at_its_byte() {
    let proxy = proxy().await;
    for at in [0_u64, 1, 7, 99] {
        proxy.to_client().cut_after(at, Cut::Close);
        let mut client = client(&proxy).await;
        client.write_all(&[9; 100]).await.unwrap();
        let mut bytes = Vec::new();
        timeout(SOON, client.read_to_end(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(bytes.len() as u64, at);
        // The rule is used up.
        let mut next = self::client(&proxy).await;
        round_trip(&mut next, &[9; 100]).await;
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let proxy = proxy().await;
    proxy.to_server().cut_after(3, Cut::Reset);
    let mut client = client(&proxy).await;
    client.write_all(b"abcdef").await.unwrap();
    let mut bytes = Vec::new();
    let error = timeout(SOON, client.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.to_server().passed(), 3);
}

#[tokio::test]
async fn a_half_close_leaves_the_other_direction() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = client(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    proxy.wait_for_open(1, SOON).await.unwrap();
    server.write_all(b"a").await.unwrap();
    client.read_exact(&mut [0; 1]).await.unwrap();
    proxy.to_client().half_close();
    assert_eq!(
        timeout(SOON, client.read(&mut [0; 16]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    client.write_all(b"still").await.unwrap();
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"still");
    drop((client, server));
    proxy.wait_for_open(0, SOON).await.unwrap();
}

#[tokio::test]
async fn all_connections_are_cut_and_new_ones_refused() {
    let proxy = proxy().await;
    let mut clients = [client(&proxy).await, client(&proxy).await];
    proxy.wait_for_accepted(2, SOON).await.unwrap();
    proxy.cut_all(Cut::Close);
    for client in &mut clients {
        assert_eq!(
            timeout(SOON, client.read(&mut [0; 16]))
                .await
                .unwrap()
                .unwrap(),
            0
        );
    }
    drop(clients);
    proxy.wait_for_open(0, SOON).await.unwrap();
    proxy.refuse(true);
    let mut refused = client(&proxy).await;
    assert!(
        timeout(SOON, refused.read(&mut [0; 16]))
            .await
            .unwrap()
            .is_err()
    );
    proxy.refuse(false);
    round_trip(&mut client(&proxy).await, b"back").await;
    assert_eq!(proxy.accepted(), 4);
}

#[tokio::test]
async fn another_server_takes_over() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(first.local_addr().unwrap()).await.unwrap();
    let _old = client(&proxy).await;
    first.accept().await.unwrap();
    proxy.set_upstream(echo().await);
    round_trip(&mut client(&proxy).await, b"new").await;
}

#[tokio::test]
async fn a_dropped_proxy_resets_its_clients() {
    let proxy = proxy().await;
    let address = proxy.addr();
    let mut client = client(&proxy).await;
    round_trip(&mut client, b"a").await;
    drop(proxy);
    assert!(
        timeout(SOON, client.read(&mut [0; 16]))
            .await
            .unwrap()
            .is_err()
    );
    assert!(TcpStream::connect(address).await.is_err());
}
