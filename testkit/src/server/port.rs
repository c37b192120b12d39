//! The ports of servers: [`Port`], which belongs to one server of the test kit until it is dropped.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

use crate::error::{Doing, Result};

/// How often another port is tried when one is taken.
const ATTEMPTS: u32 = 20;

/// The range for the ports of servers. A server must be found on the same port after a restart, so the system must not
/// give these ports to other programs, nor those for the other nodes of a cluster, which are 10,000 higher.
const PORTS: Range<u16> = 12_000..22_000;

/// How much higher the port for the other nodes is.
const BUS_OFFSET: u16 = 10_000;

/// A port of 127.0.0.1. As long as this lives, no server of the test kit gets the same one, in any process, also while the
/// server that it belongs to is down.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: u16,
    /// The sign that the port is taken: nobody uses UDP. A TCP socket could not hold the port of a server that was killed,
    /// whose last connections the kernel still knows.
    _taken: UdpSocket,
}

impl Port {
    /// A port that is free, and for a cluster the one for the other nodes too.
    pub(super) fn choose(cluster: bool) -> Result<Self> {
        Self::any(cluster).doing(|| "find a free port on 127.0.0.1".to_owned())
    }

    fn any(cluster: bool) -> io::Result<Self> {
        let mut last = io::ErrorKind::AddrInUse.into();
        for _ in 0..ATTEMPTS {
            match Self::take(any_of(PORTS), cluster) {
                Ok(port) => return Ok(port),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// This port, if it is free.
    fn take(number: u16, cluster: bool) -> io::Result<Self> {
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, number))?;
        check(number)?;
        if cluster {
            check(number + BUS_OFFSET)?;
        }
        Ok(Self {
            number,
            _taken: taken,
        })
    }
}

/// Whether nobody listens on a port.
fn check(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

/// A random number: each `RandomState` has keys of its own.
fn any_of(range: Range<u16>) -> u16 {
    let hash = RandomState::new().build_hasher().finish();
    let length = u64::from(range.end - range.start).max(1);
    range.start + u16::try_from(hash % length).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Server, ServerKind};

    #[test]
    fn the_port_of_a_server_that_is_down_is_given_to_no_other() {
        let server = Server::start(ServerKind::default()).unwrap();
        let port = server.port();
        server.kill().unwrap();
        let taken = Port::take(port, false).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        server.restart().unwrap();
        assert_eq!(server.port(), port);
    }
}
