//! A small web service: short links whose visits are counted.
//!
//! `cargo run --example axum`, then
//! `curl -X PUT -d https://valkey.io localhost:3000/links/v` and `curl -i localhost:3000/v`
//!
//! `tests/axum.rs` tests it on a real server, and with one that fails.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, put};
use typedis::prelude::*;
use typedis::{Config, Error, Prefixed, arg};

/// What a request may wait for the server, also while there is none: then it is answered with 503. The default, 10 s, is too long for those who
/// wait for an answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// What a probe may wait.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the service waits for what was sent, when it ends.
const GOODBYE: Duration = Duration::from_secs(3);

/// How long a link lives.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What every handler gets: one connection for all requests, whose commands are pipelined by themselves.
#[derive(Clone)]
struct Links {
    redis: Prefixed<Connection>,
}

/// The connection, for `main` and for tests. Nothing is connected yet: the service starts even if the server is down, and answers 503 until
/// it is there.
pub fn connect(url: &str) -> typedis::Result<Connection> {
    let config = Config::from_url(url)?.command_timeout(COMMAND_TIMEOUT);
    typedis::connect_lazy(config)
}

/// The service, for `main` and for tests.
pub fn app(redis: &Connection) -> Router {
    let redis = redis.with_prefix("links:");
    Router::new()
        .route("/{name}", get(follow))
        .route("/links/{name}", put(create).get(visits))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(Links { redis })
}

async fn create(
    State(links): State<Links>,
    Path(name): Path<String>,
    url: String,
) -> Result<StatusCode, Failure> {
    // NX: nobody takes over the link of another. The reply is a `bool` because of it.
    let is_new = links
        .redis
        .set(arg!("url:{name}"), url)
        .nx()
        .ex(LIFE)
        .await?;
    Ok(match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::CONFLICT,
    })
}

async fn follow(State(links): State<Links>, Path(name): Path<String>) -> Result<Response, Failure> {
    let url: Option<String> = links.redis.get(arg!("url:{name}")).await?;
    let Some(url) = url else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    links.redis.hincrby("visits", name, 1).await?;
    Ok(Redirect::temporary(&url).into_response())
}

async fn visits(State(links): State<Links>, Path(name): Path<String>) -> Result<String, Failure> {
    let visits: Option<u64> = links.redis.hget("visits", name).await?;
    Ok(visits.unwrap_or(0).to_string())
}

/// Whether the process is well. It asks no server: a restart of all services would not help that server.
async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Whether requests can be answered now. `is_connected` would say no before the first command, because the connection is lazy.
async fn ready(State(links): State<Links>) -> StatusCode {
    match links.redis.ping().deadline(PROBE_TIMEOUT).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Why a request cannot be answered.
pub struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        eprintln!("{error}");
        // What may pass is worth another try of the client. After `close` the process is about to end, and the next try reaches another one.
        if error.is_retryable() || error.is_connection() || error.is_timeout() {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        } else {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Waits for the signal to stop: SIGINT (Ctrl-C), or SIGTERM, which process managers send.
async fn told_to_stop() {
    // Where there is no such signal, the service goes on until it is killed.
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or("redis://localhost".into());
    let redis = connect(&url)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    let service = axum::serve(listener, app(&redis));
    service.with_graceful_shutdown(told_to_stop()).await?;
    let closed = redis.close().within(GOODBYE).await;
    if !closed.is_clean() {
        eprintln!("{} commands were not answered", closed.failed);
    }
    Ok(())
}
