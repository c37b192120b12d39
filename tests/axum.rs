//! The service of `examples/axum.rs`, on a real server and behind a proxy that breaks the connection. This is how a program that
//! uses typedis can be tested: `docs/guide/testing.md`.

#![allow(clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use typedis::Config;
use typedis::prelude::*;
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Database, ServerKind, database};

#[path = "../examples/axum.rs"]
#[allow(dead_code, unreachable_pub)]
mod service;

/// Longer than anything here takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(60);

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

/// Sends a request until its status is another than 503: the service waits for its server for a second, which may be too short on a busy machine. The
/// status, and whether one was a 503.
async fn insist(to: SocketAddr, line: &str, body: &str) -> (u16, bool) {
    let attempts = async {
        let mut was_late = false;
        loop {
            match request(to, line, body).await.0 {
                503 => was_late = true,
                status => return (status, was_late),
            }
        }
    };
    let status = tokio::time::timeout(LONG, attempts).await;
    status.expect("its server answers in the end")
}

#[tokio::test]
async fn a_link_is_made_once_and_its_visits_are_counted() {
    let database = database(ServerKind::Valkey9);
    let config = Config::from_url(&database.url()).expect("the kit makes good URLs");
    // What is sent twice would count twice, so each request has time.
    let redis = typedis::connect_lazy(config.command_timeout(LONG)).expect("it is a good one");
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

/// The URL of a database behind a proxy.
fn behind(proxy: &Proxy, database: &Database) -> String {
    format!("{}/{}", proxy.url(), database.number())
}

#[tokio::test]
async fn a_service_starts_without_its_server_and_answers_503_until_it_is_there() {
    let database = database(ServerKind::Valkey9);
    let proxy = Proxy::start(database.server().addr())
        .await
        .expect("a port is free");
    proxy.refuse(true);
    let redis = service::connect(&behind(&proxy, &database)).expect("the kit makes good URLs");
    // Nobody waits as long as commands do by default.
    let url = redis.config().to_url();
    assert!(url.contains("command_timeout=1s"), "{url}");
    let service = serve(&redis).await;
    assert_eq!(request(service, "GET /health/live", "").await.0, 204);
    assert_eq!(request(service, "GET /health/ready", "").await.0, 503);
    assert_eq!(request(service, "GET /v", "").await.0, 503);

    proxy.refuse(false);
    // It connects again by itself.
    assert_eq!(insist(service, "GET /health/ready", "").await.0, 204);
    assert_eq!(insist(service, "GET /v", "").await.0, 404);
    assert!(redis.close().await.is_clean());
    assert_eq!(request(service, "GET /v", "").await.0, 503);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_a_503_and_no_hang() {
    let database = database(ServerKind::Valkey9);
    let proxy = Proxy::start(database.server().addr())
        .await
        .expect("a port is free");
    let redis = service::connect(&behind(&proxy, &database)).expect("the kit makes good URLs");
    let service = serve(&redis).await;
    assert_eq!(insist(service, "GET /v", "").await.0, 404);
    assert_eq!(insist(service, "GET /health/ready", "").await.0, 204);

    // Nothing comes back any more, and the connection stays open.
    proxy.to_client().hold();
    assert_eq!(request(service, "GET /v", "").await.0, 503);
    assert_eq!(request(service, "GET /health/ready", "").await.0, 503);
    assert_eq!(request(service, "GET /health/live", "").await.0, 204);
    proxy.to_client().resume();
    // The late reply is passed over, and the next one is the right one. What was answered with 503 may have been done.
    let (status, was_late) = insist(service, "PUT /links/v", "https://valkey.io/").await;
    assert!(status == 201 || was_late && status == 409, "{status}");
}

#[tokio::test]
async fn a_transaction_that_a_loading_server_refuses_is_a_503() {
    let fake = Fake::answering(|command| match command.name().as_str() {
        "MULTI" | "SET" | "EXEC" => b"-LOADING the data\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    });
    let fake = fake.await.expect("a port is free");
    let redis = service::connect(&fake.url()).expect("the kit makes good URLs");
    let refused = redis.transaction().set("a", 1).set("b", 2).await;
    let error = refused.expect_err("the server is loading");
    assert!(!error.is_connection() && !error.is_timeout(), "{error}");
    let answer = service::Failure::from(error).into_response();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}
