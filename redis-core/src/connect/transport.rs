//! Opening a socket, with the options that show when its peer is dead.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::{Address, Config, Transport};
use crate::connect::resolve;

/// How long to wait for an address of a name before the next address is tried as well.
const STAGGER: Duration = Duration::from_millis(250);

/// An open socket.
pub(crate) struct Socket {
    pub(crate) stream: Box<dyn Transport>,
    /// Where it leads, if that is known.
    pub(crate) place: Option<Place>,
}

/// Where a socket leads.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// Whether the name has other addresses as well.
    pub(crate) is_choice: bool,
}

/// Connects to an address, without TLS: to `place`, if it is known from before. Otherwise a name is resolved again, and all its
/// addresses are tried. Those at which the last handshake failed come last.
pub(crate) async fn open(
    config: &Config,
    address: &Address,
    place: Option<Place>,
) -> io::Result<Socket> {
    let unknown = |stream| Socket {
        stream,
        place: None,
    };
    if let Some(connect) = &config.connector {
        return connect(address).await.map(unknown);
    }
    match address {
        Address::Tcp(host, port) => {
            let (stream, is_choice) = match place {
                Some(place) => (connect_tcp(place.address, config).await?, place.is_choice),
                None => resolve_and_race(config, host, *port).await?,
            };
            let peer = stream.peer_addr().ok();
            Ok(Socket {
                stream: Box::new(stream),
                place: peer.map(|address| Place { address, is_choice }),
            })
        }
        Address::Unix(path) => Ok(unknown(Box::new(UnixStream::connect(path).await?))),
    }
}

/// A socket to the first address of a name that accepts one, and whether the name has several.
async fn resolve_and_race(config: &Config, host: &str, port: u16) -> io::Result<(TcpStream, bool)> {
    let mut addresses = resolve::resolve(config, host, port).await?;
    config.failing.put_last(&mut addresses);
    let several = addresses.len() > 1;
    Ok((race(addresses, config).await?, several))
}

/// Tries all addresses: the next one as soon as one fails or takes too long. The first that connects wins.
async fn race(addresses: Vec<SocketAddr>, config: &Config) -> io::Result<TcpStream> {
    if let [only] = addresses[..] {
        return connect_tcp(only, config).await;
    }
    let count = addresses.len();
    let mut rest = addresses.into_iter();
    let mut attempts = Attempts {
        config,
        begun: Vec::new(),
    };
    let mut failures = Vec::new();
    loop {
        match rest.next() {
            Some(address) => attempts.begin(address),
            None if attempts.begun.is_empty() => return Err(all_failed(count, &failures)),
            None => {}
        }
        let ended = if rest.len() > 0 {
            match timeout(STAGGER, attempts.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            attempts.next().await
        };
        match ended {
            (_, Ok(stream)) => return Ok(stream),
            (address, Err(error)) => failures.push((address, error)),
        }
    }
}

async fn connect_tcp(address: SocketAddr, config: &Config) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    prepare(&SockRef::from(&socket), config)?;
    let stream = socket.connect(address).await?;
    watch(&SockRef::from(&stream), config)?;
    Ok(stream)
}

/// Sockets that are connecting to the addresses of a name, in the order in which they began.
struct Attempts<'a> {
    config: &'a Config,
    begun: Vec<(SocketAddr, Pin<Box<Opening<'a>>>)>,
}

type Opening<'a> = dyn Future<Output = io::Result<TcpStream>> + Send + 'a;

impl Attempts<'_> {
    fn begin(&mut self, address: SocketAddr) {
        let attempt = connect_tcp(address, self.config);
        self.begun.push((address, Box::pin(attempt)));
    }

    /// The first that ends; there has to be at least one.
    async fn next(&mut self) -> (SocketAddr, io::Result<TcpStream>) {
        poll_fn(|cx| {
            let ended =
                self.begun
                    .iter_mut()
                    .enumerate()
                    .find_map(|(index, attempt)| match attempt.1.as_mut().poll(cx) {
                        Poll::Ready(ended) => Some((index, ended)),
                        Poll::Pending => None,
                    });
            match ended {
                Some((index, ended)) => Poll::Ready((self.begun.remove(index).0, ended)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// One error for all addresses of a name.
fn all_failed(count: usize, failures: &[(SocketAddr, io::Error)]) -> io::Error {
    let Some((_, last)) = failures.last() else {
        return io::Error::new(io::ErrorKind::NotFound, "the name leads to no address");
    };
    let each: Vec<String> = failures
        .iter()
        .map(|(address, error)| format!("{address}: {error}"))
        .collect();
    io::Error::new(
        last.kind(),
        format!(
            "none of {count} addresses could be reached: {}",
            each.join("; ")
        ),
    )
}

/// The number of unsent bytes at which the kernel says that the socket is full. It is so small that even the slowest
/// usable connection shows progress within the bound, and large enough to keep a fast one busy.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unsent(bound: Duration) -> u32 {
    const SLOWEST: u128 = 100 * 1024;
    const LEAST: u128 = 64 * 1024;
    const MOST: u128 = 1024 * 1024;
    let bytes = bound.as_millis().saturating_mul(SLOWEST) / 1000;
    u32::try_from(bytes.clamp(LEAST, MOST)).unwrap_or(u32::MAX)
}

/// Small writes are sent at once, and the kernel notices a dead peer even while a blocking command keeps us from
/// sending a PING. Set before the socket connects, because setting the limit of unsent bytes later wakes the task
/// that waits for the socket.
fn prepare(socket: &SockRef<'_>, config: &Config) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(bound) = config.liveness {
        socket.set_tcp_notsent_lowat(unsent(bound))?;
    }
    if let Some(silence) = config.keep_alive {
        const PROBES: u32 = 3;
        // The kernel counts in seconds, up to this many.
        const LONGEST: Duration = Duration::from_secs(i16::MAX as u64);
        let least = Duration::from_secs(1);
        let silence = silence.min(LONGEST);
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(silence.max(least))
                .with_interval((silence / PROBES).max(least))
                .with_retries(PROBES),
        )?;
    }
    Ok(())
}

/// Limits how long the kernel waits for a peer that acknowledges nothing. Connecting has a separate time limit,
/// so this is set after the socket has connected. A server that may announce maintenance is waited for as long as then.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn watch(socket: &SockRef<'_>, config: &Config) -> io::Result<()> {
    // The longest that the kernel can count.
    const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);
    let Some(mut bound) = config.liveness else {
        return Ok(());
    };
    if config.maintenance.is_asked_for() {
        bound = bound.saturating_add(config.maintenance.extra_time);
    }
    socket.set_tcp_user_timeout(Some(bound.min(LONGEST)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn watch(_: &SockRef<'_>, _: &Config) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        // It has the port, and does not listen.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let closed = socket.local_addr().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::tcp("localhost", 1);
        let addresses = vec![closed, closed, open.local_addr().unwrap()];
        let stream = race(addresses, &config).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        let error = race(vec![closed, closed], &config).await.unwrap_err();
        assert!(
            error.to_string().starts_with("none of 2 addresses"),
            "{error}"
        );
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_does_not_hold_up_the_next() {
        // With a full backlog, the kernel drops new connections.
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let silent = socket.local_addr().unwrap().as_socket().unwrap();
        let _filling: Vec<_> = (0..2)
            .map(|_| {
                let filler =
                    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                        .unwrap();
                filler.set_nonblocking(true).unwrap();
                let _ = filler.connect(&silent.into());
                filler
            })
            .collect();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::tcp("localhost", 1);
        let attempt = race(vec![silent, open.local_addr().unwrap()], &config);
        let stream = timeout(Duration::from_secs(5), attempt)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
    }

    #[tokio::test]
    async fn the_kernel_watches_the_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::tcp("localhost", 1)
            .keep_alive(Duration::from_secs(9))
            .liveness(Duration::from_secs(30));
        let stream = connect_tcp(listener.local_addr().unwrap(), &config)
            .await
            .unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(9));
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                Duration::from_secs(3)
            );
            assert_eq!(
                socket.tcp_user_timeout().unwrap(),
                Some(Duration::from_secs(30))
            );
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), 1024 * 1024);
        }
    }
    #[cfg(target_os = "linux")]
    #[test]
    fn a_line_of_100_kib_a_second_shows_progress_within_the_bound() {
        for (seconds, kibibytes) in [(1, 100), (5, 500), (60, 1024)] {
            assert_eq!(unsent(Duration::from_secs(seconds)), kibibytes * 1024);
        }
        assert_eq!(unsent(Duration::from_millis(1)), 64 * 1024);
        assert_eq!(unsent(Duration::MAX), 1024 * 1024);
    }
}
