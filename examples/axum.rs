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
use typedis::{Error, Prefixed, arg};

/// How long a link lives.
const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What every handler gets: one connection for all requests, whose commands are pipelined by themselves.
#[derive(Clone)]
struct Links {
    redis: Prefixed<Connection>,
}

/// The service, for `main` and for tests.
pub fn app(redis: &Connection) -> Router {
    let redis = redis.with_prefix("links:");
    Router::new()
        .route("/{name}", get(follow))
        .route("/links/{name}", put(create).get(visits))
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

/// Why a request cannot be answered.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("{}", self.0);
        // What may pass is worth another try of the client.
        if self.0.is_connection() || self.0.is_timeout() {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        } else {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or("redis://localhost".into());
    // `connect_lazy`: the service starts even if the server is down, and answers 503 until it is there.
    let redis = typedis::connect_lazy(url)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app(&redis)).await?;
    Ok(())
}
