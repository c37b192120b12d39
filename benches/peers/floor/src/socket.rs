//! The blocking socket, with TLS or without: [`Socket`].

use std::io::{self, Read, Write};
use std::net::TcpStream;

use peers_common::{Arguments, Result};

/// A connection to the server.
pub enum Socket {
    /// As it is.
    Plain(TcpStream),
    /// By the library that the clients use, too.
    #[cfg(feature = "tls")]
    Tls(Box<native_tls::TlsStream<TcpStream>>),
}

impl Socket {
    pub fn open(arguments: &Arguments) -> Result<Self> {
        Self::to(arguments.address(), arguments)
    }

    /// To this address.
    pub fn to(address: &str, arguments: &Arguments) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        if arguments.is_tls() {
            return Self::encrypt(arguments, socket);
        }
        Ok(Self::Plain(socket))
    }

    #[cfg(feature = "tls")]
    fn encrypt(arguments: &Arguments, socket: TcpStream) -> Result<Self> {
        let address = arguments.address();
        let host = address.split_once(':').map_or(address, |(host, _)| host);
        let stream = native_tls::TlsConnector::new()?.connect(host, socket)?;
        Ok(Self::Tls(Box::new(stream)))
    }

    #[cfg(not(feature = "tls"))]
    fn encrypt(_: &Arguments, _: TcpStream) -> Result<Self> {
        Err(peers_common::Unsupported.into())
    }

    /// The socket beneath.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}
