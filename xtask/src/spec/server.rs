//! Asks the server at a URL for its commands.

use std::net::ToSocketAddrs as _;

use typedis_testkit::ServerCommands;
use typedis_testkit::raw::RawConnection;

use crate::Result;

/// Asks the server at a URL.
pub(crate) fn ask(url: &str) -> Result<ServerCommands> {
    Ok(ServerCommands::ask(&mut connect(url)?)?)
}

/// Connects to `redis://[[username]:password@]host[:port]`.
fn connect(url: &str) -> Result<RawConnection> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let place = match place.rsplit_once(':') {
        Some(_) => place.to_owned(),
        None => format!("{place}:6379"),
    };
    let address = place
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next());
    let address = address.ok_or_else(|| format!("{place} is no address of a server"))?;
    let mut conn = RawConnection::connect(address)
        .map_err(|error| format!("cannot connect to {place}: {error}"))?;
    match login.split_once(':').unwrap_or(("", login)) {
        (_, "") => {}
        ("", password) => drop(conn.call(&["AUTH", password])?),
        (username, password) => drop(conn.call(&["AUTH", username, password])?),
    }
    Ok(conn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_server_is_found_by_its_url() {
        let server = typedis_testkit::shared(typedis_testkit::ServerKind::default());
        assert_eq!(ask(&server.url()).unwrap().name, "valkey");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert!(
            ask("redis://nowhere.invalid")
                .unwrap_err()
                .to_string()
                .contains("no address")
        );
    }
}
