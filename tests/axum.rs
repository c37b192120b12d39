//! The service of `examples/axum.rs`, on a real server and behind a proxy that breaks the connection. This is how a program that
//! uses typedis can be tested: `docs/guide/testing.md`.

#![allow(clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use typedis::Config;
use typedis::prelude::*;
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{ServerKind, database};

#[path = "../examples/axum.rs"]
#[allow(dead_code, unreachable_pub)]
mod service;

/// Starts the service on a free port.
async fn serve(redis: &Connection) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let app = service::app(redis);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends a request; the status, and the whole answer.
async fn request(to: SocketAddr, line: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(to).await.expect("the service listens");
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(text.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    socket
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.expect("a status comes first"), answer)
}

#[tokio::test]
async fn a_link_is_made_once_and_its_visits_are_counted() {
    let database = database(ServerKind::Valkey9);
    let redis = typedis::connect(database.url())
        .await
        .expect("the server is there");
    let service = serve(&redis).await;

    let url = "https://valkey.io/";
    assert_eq!(request(service, "GET /v", "").await.0, 404);
    assert_eq!(request(service, "PUT /links/v", url).await.0, 201);
    assert_eq!(
        request(service, "PUT /links/v", "https://other").await.0,
        409
    );
    for _ in 0..2 {
        let (status, answer) = request(service, "GET /v", "").await;
        assert_eq!(status, 307);
        assert!(answer.contains(&format!("location: {url}")), "{answer}");
    }
    let (_, answer) = request(service, "GET /links/v", "").await;
    assert!(answer.ends_with("\r\n\r\n2"), "{answer}");
    // What it stored, as others see it.
    let stored: Option<String> = redis.get("links:url:v").await.expect("it answers");
    assert_eq!(stored.as_deref(), Some(url));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_503_and_no_hang() {
    let database = database(ServerKind::Valkey9);
    let proxy = Proxy::start(database.server().addr())
        .await
        .expect("a port is free");
    let config = Config::from_url(&proxy.url()).expect("the kit makes good URLs");
    let config = config.database(database.number());
    let config = config.command_timeout(Some(Duration::from_secs(2)));
    let redis = typedis::connect(config).await.expect("the server is there");
    let service = serve(&redis).await;
    assert_eq!(request(service, "GET /v", "").await.0, 404);

    // Nothing comes back any more, and the connection stays open.
    proxy.to_client().hold();
    assert_eq!(request(service, "GET /v", "").await.0, 503);
    proxy.to_client().resume();
    // The late reply is passed over, and the next one is the right one.
    assert_eq!(
        request(service, "PUT /links/v", "https://valkey.io/")
            .await
            .0,
        201
    );
}
