//! A TCP proxy that injects faults: [`Proxy`] is between a client and a server, and causes the faults that a test
//! orders.
//!
//! # Layout
//!
//! - `lane`: the rules of one direction, changed while bytes flow
//! - `pump`: moves the bytes of one direction of one connection by those rules

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

use crate::accepting;

mod lane;
mod pump;

pub use lane::Lane;

/// How long the peer of a closed connection has to close it too.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As when the peer closes in good order: what was sent arrives, then the end of the stream (FIN).
    Close,
    /// As when the peer dies: the connection is reset (RST).
    Reset,
}

/// A proxy in front of a server. Dropping it closes its port and resets its connections.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use typedis_testkit::proxy::{Cut, Proxy};
/// use typedis_testkit::{Server, ServerKind};
///
/// let server = Server::start(ServerKind::default())?;
/// let proxy = Proxy::start(server.addr()).await?;
/// proxy.to_client().delay(Duration::from_millis(1), Duration::from_millis(5));
/// proxy.to_server().chunks(3);
/// // The first connection whose replies reach byte 100 is reset there.
/// proxy.to_client().cut_after(100, Cut::Reset);
/// let url = proxy.url(); // for the client under test
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// The common data of the proxy and its connections.
#[derive(Debug)]
struct Shared {
    to_server: Lane,
    to_client: Lane,
    upstream: watch::Sender<SocketAddr>,
    /// Whether new connections are reset at once.
    refusing: watch::Sender<bool>,
    /// The last order to cut all connections. Each change of it is one order.
    cut_all: watch::Sender<Option<Cut>>,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    accepted: usize,
    open: usize,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and connects each client to `upstream`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to_server: Lane::new(),
            to_client: Lane::new(),
            upstream: watch::Sender::new(upstream),
            refusing: watch::Sender::new(false),
            cut_all: watch::Sender::new(None),
            counts: watch::Sender::default(),
        });
        let accepting = tokio::spawn(Arc::clone(&shared).accept(listener));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients connect to. It has no password: see [`Proxy::addr`] to build another.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The direction from clients to the server.
    #[must_use]
    pub fn to_server(&self) -> &Lane {
        &self.shared.to_server
    }

    /// The direction from the server to clients.
    #[must_use]
    pub fn to_client(&self) -> &Lane {
        &self.shared.to_client
    }

    /// Both directions, for orders to both.
    #[must_use]
    pub fn lanes(&self) -> [&Lane; 2] {
        [self.to_server(), self.to_client()]
    }

    /// Swallows all bytes of both directions, and their ends, while connections stay open: as if a cable was pulled.
    pub fn black_hole(&self) {
        self.lanes().into_iter().for_each(Lane::black_hole);
    }

    /// Lets bytes through again, after [`Proxy::black_hole`] or a hold. What was swallowed stays lost.
    pub fn heal(&self) {
        self.lanes().into_iter().for_each(Lane::resume);
    }

    /// From now on, connects new clients to another server, as after a change of a DNS entry.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.upstream.send_replace(upstream);
    }

    /// While `true`, new connections are accepted and reset at once.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.send_replace(refusing);
    }

    /// Cuts all connections that are open now. New ones are not affected.
    pub fn cut_all(&self, cut: Cut) {
        self.shared.cut_all.send_replace(Some(cut));
    }

    /// How many connections clients have made so far, with the refused ones.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.counts.borrow().accepted
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.counts.borrow().open
    }

    /// Waits until clients have made `count` connections in total.
    ///
    /// # Errors
    ///
    /// If that takes longer than `limit`; the error says how many there were.
    pub async fn wait_for_accepted(&self, count: usize, limit: Duration) -> io::Result<()> {
        self.wait_for(limit, |counts| counts.accepted >= count)
            .await
    }

    /// Waits until exactly `count` connections are open.
    ///
    /// # Errors
    ///
    /// If that takes longer than `limit`; the error says how many there were.
    pub async fn wait_for_open(&self, count: usize, limit: Duration) -> io::Result<()> {
        self.wait_for(limit, |counts| counts.open == count).await
    }

    async fn wait_for(
        &self,
        limit: Duration,
        condition: impl Fn(&Counts) -> bool,
    ) -> io::Result<()> {
        let mut counts = self.shared.counts.subscribe();
        match time::timeout(limit, counts.wait_for(condition)).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let now = *self.shared.counts.borrow();
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("after {limit:?} the proxy has {now:?}"),
                ))
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all(Cut::Reset);
    }
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let client = accepting::next(&listener).await;
            // This happens before the connection counts, so that an order given right after that reaches it.
            let orders = self.cut_all.subscribe();
            self.counts.send_modify(|counts| counts.accepted += 1);
            if *self.refusing.borrow() {
                // Nothing is lost if the client has closed already.
                let _ = client.set_zero_linger();
                continue;
            }
            tokio::spawn(Arc::clone(&self).relay(client, orders));
        }
    }

    /// Serves one client until either side ends or a cut.
    async fn relay(
        self: Arc<Self>,
        mut client: TcpStream,
        mut orders: watch::Receiver<Option<Cut>>,
    ) {
        let upstream = *self.upstream.borrow();
        // For the client, a server that is down looks as without a proxy, except that the reset may come later.
        let Ok(mut server) = TcpStream::connect(upstream).await else {
            let _ = client.set_zero_linger();
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        // This happens before the connection counts as open, for the same reason.
        let closes_there = self.to_server.half_closes();
        let closes_back = self.to_client.half_closes();
        let _open = Open::new(&self);
        let cut = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let pumps = async {
                let there = pump::pump(&self.to_server, closes_there, from_client, to_server);
                let back = pump::pump(&self.to_client, closes_back, from_server, to_client);
                tokio::try_join!(there, back).err().unwrap_or(Cut::Close)
            };
            tokio::select! {
                cut = pumps => cut,
                cut = next_order(&mut orders) => cut,
            }
        };
        match cut {
            Cut::Reset => {
                let _ = (client.set_zero_linger(), server.set_zero_linger());
            }
            Cut::Close => {
                tokio::join!(close(&mut client), close(&mut server));
            }
        }
    }
}

/// Ends a connection in good order. Unread bytes would turn the end into a reset, so they are read.
async fn close(stream: &mut TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(stream, &mut tokio::io::sink()).await
    };
    // It does not matter whether the peer closes too, or in time.
    let _ = time::timeout(CLOSE_WITHIN, drain).await;
}

async fn next_order(orders: &mut watch::Receiver<Option<Cut>>) -> Cut {
    // An error means that the proxy is gone.
    match orders.changed().await {
        Ok(()) => orders.borrow_and_update().unwrap_or(Cut::Reset),
        Err(_) => Cut::Reset,
    }
}

/// A connection that counts as open while this lives.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.counts.send_modify(|counts| counts.open += 1);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.open -= 1);
    }
}
