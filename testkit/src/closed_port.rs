//! A port at which nothing listens: [`ClosedPort`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that refuses connections. No other program gets it until this is dropped.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let nowhere = typedis_testkit::ClosedPort::new()?;
/// assert!(std::net::TcpStream::connect(nowhere.addr()).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClosedPort {
    address: SocketAddr,
    /// Has the port, and does not listen.
    _socket: TcpSocket,
}

impl ClosedPort {
    /// Takes a port.
    ///
    /// # Errors
    ///
    /// If the system gives none.
    pub fn new() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            address: socket.local_addr()?,
            _socket: socket,
        })
    }

    /// The address at which nothing listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }
}
