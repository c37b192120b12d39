//! From a configuration to a socket that is ready for commands.
//!
//! ```text
//!   address ──► socket ──► TLS ──► handshake ──► ready
//!      ▲                               │ the peer knows RESP2 only
//!      └───────── another socket ◄─────┘
//! ```
//!
//! # Layout
//!
//! - `attempt`: one attempt to reach one server; `resolve`, `transport`, `tls`, `handshake`: its steps
//! - `sentinel/`: the servers of a service that Sentinels watch, and its failovers

use std::io;

use tokio::time::Instant;

use crate::config::{Config, Credentials, Protocol};

mod attempt;
mod handshake;
mod resolve;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
mod transport;

use attempt::{Attempt, share, within};
pub(crate) use attempt::{Boxed, Opened, Ready};
pub(crate) use handshake::{Refusal, current_credentials};
pub(crate) use sentinel::guard;

/// Tries the configured servers in order, until one accepts the connection.
pub(crate) fn connect<'a>(config: &'a Config, opened: Opened<'a>) -> Boxed<'a, Ready> {
    Box::pin(try_all(config, opened))
}

async fn try_all(config: &Config, opened: Opened<'_>) -> Result<Ready, Refusal> {
    let end = Instant::now() + config.connect_timeout;
    let credentials = within(
        end,
        config,
        "the provider of credentials gave none",
        async {
            current_credentials(config)
                .await
                .map_err(Refusal::Credentials)
        },
    )
    .await?;
    if let Some(service) = config.service() {
        return sentinel::connect_to_service(config, service, credentials.as_ref(), end, opened)
            .await;
    }
    let mut refusal = None;
    let count = config.addresses().count();
    for (index, address) in config.addresses().enumerate() {
        let attempt = Attempt {
            config,
            address,
            // Each server gets its share of the time that is left.
            end: share(end, count - index),
            credentials: credentials.as_ref(),
            opened,
        };
        match attempt.run().await {
            Ok((stream, protocol)) => {
                return Ok(Ready {
                    stream,
                    resp3: protocol == Protocol::Newest,
                    address: address.clone(),
                    renewal: credentials.as_ref().and_then(Credentials::renewal),
                });
            }
            // Another server would answer the same.
            Err(last) if last.is_final() => return Err(last),
            Err(last) => refusal = Some(last),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::Io(io::ErrorKind::NotFound.into())))
}
