//! Opening a socket, with the options that keep it honest.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{Address, Config};

/// Anything that carries bytes both ways.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Connects; a name is resolved anew each time, and all its addresses are tried.
pub(crate) async fn open(config: &Config) -> io::Result<Box<dyn Transport>> {
    match &config.address {
        Address::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            set_options(&stream, config.liveness)?;
            Ok(Box::new(stream))
        }
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
    }
}

/// How many bytes that were not sent the kernel takes before it says that the socket is full.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;

/// Small writes go out at once, and the kernel notices a dead peer within about `liveness` even while a blocking
/// command keeps us from asking.
fn set_options(stream: &TcpStream, liveness: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let liveness = liveness.unwrap_or(Duration::from_secs(60));
    let half = (liveness / 2).max(Duration::from_secs(1));
    let probes = 3;
    let interval = (half / probes).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(half)
            .with_interval(interval)
            .with_retries(probes),
    )?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        socket.set_tcp_user_timeout(Some(liveness))?;
        // A large value goes to the kernel piece by piece, so that a slow line is seen to make progress.
        socket.set_tcp_notsent_lowat(UNSENT)?;
    }
    Ok(())
}
