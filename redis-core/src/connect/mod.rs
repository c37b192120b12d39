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
//! - `attempt`: one attempt to reach one server; `resolve`, `transport`, `tls`, `handshake/`: its steps
//! - `replies`: what a socket without a driver answers; `refusal`: why a socket cannot be used
//! - `sentinel/`: the servers of a service that Sentinels watch, and its failovers

use std::io;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::config::{Address, Config, Credentials};
use crate::runtime::from_now;

mod attempt;
mod handshake;
mod refusal;
mod replies;
mod resolve;
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
mod transport;

use attempt::{Attempt, share, within};
pub(crate) use attempt::{Boxed, Opened, Ready};
pub(crate) use handshake::current_credentials;
pub(crate) use refusal::Refusal;
pub(crate) use sentinel::guard;

/// Connects to the new place of a server that is known as `origin`, because it said that it goes there.
pub(crate) fn connect_to<'a>(
    config: &'a Config,
    address: &'a Address,
    origin: &'a Address,
    opened: Opened<'a>,
) -> Boxed<'a, Box<Ready>> {
    Box::pin(async move {
        let end = from_now(config.connect_timeout);
        let credentials = login(config, end).await?;
        try_one(config, address, origin, credentials.as_ref(), end, opened).await
    })
}

/// What to log in with.
async fn login(config: &Config, end: Instant) -> Result<Option<Credentials>, Refusal> {
    let silent = "the provider of credentials gave none";
    within(end, config, silent, async {
        current_credentials(config)
            .await
            .map_err(Refusal::Credentials)
    })
    .await
}

/// Tries the configured servers in order, until one accepts the connection.
pub(crate) fn connect<'a>(config: &'a Config, opened: Opened<'a>) -> Boxed<'a, Box<Ready>> {
    Box::pin(try_all(config, opened))
}

async fn try_all(config: &Config, opened: Opened<'_>) -> Result<Box<Ready>, Refusal> {
    let end = from_now(config.connect_timeout);
    let credentials = login(config, end).await?;
    if let Some(service) = config.service() {
        return sentinel::connect_to_service(config, service, credentials.as_ref(), end, opened)
            .await;
    }
    let mut refusal = None;
    let places: Vec<(Address, &Address)> = config
        .addresses()
        .flat_map(|origin| places(config, origin))
        .collect();
    let count = places.len();
    for (index, (address, origin)) in places.iter().enumerate() {
        // Each place gets its share of the time that is left.
        let end = share(end, count - index);
        match try_one(config, address, origin, credentials.as_ref(), end, opened).await {
            Ok(ready) => return Ok(ready),
            Err(last) if last.holds_everywhere() => return Err(last),
            // The configured address is next, and is what counts.
            Err(_) if address != *origin => {}
            Err(last) => refusal = Some(Refusal::graver(refusal.take(), last)),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::Io(io::ErrorKind::NotFound.into())))
}

/// Where the server at a configured address may be reached: first where it said that it goes.
fn places<'a>(
    config: &Config,
    origin: &'a Address,
) -> impl Iterator<Item = (Address, &'a Address)> {
    let detour = config.maintenance.detours.of(origin);
    detour
        .into_iter()
        .chain([origin.clone()])
        .map(move |address| (address, origin))
}

async fn try_one(
    config: &Config,
    address: &Address,
    origin: &Address,
    credentials: Option<&Credentials>,
    end: Instant,
    opened: Opened<'_>,
) -> Result<Box<Ready>, Refusal> {
    let attempt = Attempt {
        config,
        address,
        host: certified_name(address, origin),
        end,
        credentials,
        opened,
    };
    let greeted = attempt.run().await.inspect_err(|refusal| {
        // What is refused there for good is not tried again, as long as nobody says once more that the server is there.
        if refusal.is_final() {
            config.maintenance.detours.forget(origin, address);
        }
    })?;
    let ready = Ready::new(greeted, address.clone(), origin.clone(), credentials);
    Ok(Box::new(ready))
}

/// The name in the certificate of a server that went from `origin` to `address`: certificates have no IP addresses, as
/// a rule.
fn certified_name<'a>(address: &'a Address, origin: &'a Address) -> Option<&'a str> {
    let is_number = |host: &str| host.parse::<IpAddr>().is_ok();
    match address.host() {
        Some(host) if is_number(host) => origin.host().or(Some(host)),
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::certified_name;
    use crate::config::Address;

    #[test]
    fn a_number_is_certified_by_the_name_that_it_came_from() {
        let tcp = |host: &str| Address::Tcp(host.to_owned(), 6379);
        for (address, origin, name) in [
            ("10.0.0.7", "db.example", "db.example"),
            ("::1", "db.example", "db.example"),
            ("new.example", "db.example", "new.example"),
            ("10.0.0.7", "10.0.0.6", "10.0.0.6"),
            ("db.example", "db.example", "db.example"),
        ] {
            let (address, origin) = (tcp(address), tcp(origin));
            assert_eq!(certified_name(&address, &origin), Some(name));
        }
        let socket = Address::Unix("/run/db".into());
        assert_eq!(certified_name(&socket, &socket), None);
        assert_eq!(certified_name(&tcp("10.0.0.7"), &socket), Some("10.0.0.7"));
    }
}
