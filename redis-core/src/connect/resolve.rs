//! From a name to addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::config::Config;

/// All addresses of a host, at least one.
pub(crate) async fn resolve(config: &Config, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = match (&config.resolver, host.parse::<IpAddr>()) {
        // An IP address is not a name, so no resolver is asked.
        (_, Ok(ip)) => return Ok(vec![(ip, port).into()]),
        (Some(resolver), _) => resolver(host, port).await,
        (None, _) => tokio::net::lookup_host((host, port))
            .await
            .map(Iterator::collect),
    }
    .map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the name cannot be resolved: {error}"),
        )
    })?;
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name leads to no address",
        ));
    }
    Ok(addresses)
}
