//! The builder: [`Config`].

use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use super::backoff::Backoff;
use super::budget::Budget;
use super::code::{Connector, Hook, Provider, Resolver};
use super::fleet::Service;
use super::lag::{Capacity, Lag};
use super::secret::Secret;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::wire::Limits;

/// Everything there is to say about a connection or pool.
///
/// What a URL can say, a file read with serde (feature `serde`) can say under the same names, and the builder with
/// methods of these names. The parameters, with their defaults:
///
/// | parameter | default | |
/// | --- | --- | --- |
/// | `host`, `port`, `socket` | port 6379 | where the server listens; in a URL, the part before the path |
/// | `hosts` | none | further servers, tried in this order: `b:6379,c:6379` |
/// | `service` | none | the service that these servers, as Sentinels, watch; in a URL, the path's first part |
/// | `role` | `primary` | which node of the service; or `replica` |
/// | `sentinel_username`, `sentinel_password` | none | the login to the Sentinels |
/// | `username`, `password` | none | also before the host |
/// | `database` | `0` | also as the path |
/// | `client_name` | none | shown by CLIENT LIST |
/// | `protocol` | `newest` | or `resp2` |
/// | `connect_timeout` | `5s` | bounds connecting, authentication included |
/// | `command_timeout` | `10s` | bounds each command; or `off` |
/// | `liveness` | `10s` | how long a silent connection is believed in; or `off` |
/// | `keep_alive` | `5s` | silence before the kernel probes the peer; or `off` |
/// | `backoff_first`, `backoff_longest` | `20ms`, `2s` | pauses between attempts to reconnect |
/// | `budget_bytes`, `budget_commands` | `64MiB`, `1000000` | how much may be queued and in flight |
/// | `max_depth`, `max_elements`, `max_bulk`, `max_line` | see [`Limits`] | how large replies may be |
/// | `lanes`, `min_lanes` | `2`, `all` | shared sockets of a pool, at most and at least |
/// | `leases` | `64` | sockets that a pool may lease at once |
/// | `idle_timeout` | `5m` | after so long unused, a pool closes a socket it need not keep; or `off` |
/// | `max_age` | `off` | after so long a pooled socket is replaced |
/// | `lag` | `drop_oldest` | what happens to messages that are not read in time; or `wait`, `close` |
/// | `channel_bytes`, `channel_messages` | `16MiB`, `off` | how much a subscription holds for its reader |
/// | `tls` | `off` | in a URL, the schemes `rediss` and `valkeys` |
/// | `tls_ca`, `tls_system_roots` | none, `on` | a file of trusted authorities (PEM); whether the system's are trusted |
/// | `tls_cert`, `tls_key` | none | files of the client's certificate and key (PEM, PKCS#8) |
/// | `tls_pkcs12`, `tls_pkcs12_password` | none | a file with both (PKCS#12) |
/// | `tls_server_name` | the host | the name to ask for and to verify |
/// | `tls_min_version` | `1.2` | or `1.0`, `1.1`, `1.3` |
/// | `tls_danger_accept_invalid_certs`, `tls_danger_accept_invalid_hostnames` | `off` | trust anybody |
///
/// ```
/// # extern crate typedis_core as typedis;
/// use std::time::Duration;
/// use typedis::Config;
///
/// let config = Config::tcp("localhost", 6379)
///     .database(5)
///     .credentials("worker", "secret")
///     .command_timeout(Duration::from_secs(2));
/// let same = Config::from_url("redis://worker:secret@localhost/5?command_timeout=2s")?;
/// assert_eq!(config, same);
/// # Ok::<(), typedis::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub(crate) address: Address,
    /// Further servers, tried in this order.
    pub(crate) more: Vec<Address>,
    /// Makes these servers Sentinels.
    pub(crate) service: Service,
    pub(crate) database: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) client_name: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Option<Duration>,
    pub(crate) liveness: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) reconnect: bool,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) lanes: usize,
    /// `None`: as many as `lanes`.
    pub(crate) min_lanes: Option<usize>,
    pub(crate) leases: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    /// What a subscription holds for its reader.
    pub(crate) inbox: Capacity,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) provider: Option<Hook<Provider>>,
    pub(crate) resolver: Option<Hook<Resolver>>,
    pub(crate) connector: Option<Hook<Connector>>,
}

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP3 where the server or proxy knows it, else RESP2.
    #[default]
    Newest,
    /// RESP2, without asking.
    Resp2,
}

impl Config {
    /// A server at a name or IP address.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::at(Address::Tcp(host.into(), port))
    }

    /// A server at a Unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Unix(path.into()))
    }

    pub(super) fn at(address: Address) -> Self {
        Self {
            address,
            more: Vec::new(),
            service: Service::default(),
            database: 0,
            username: None,
            password: None,
            client_name: None,
            protocol: Protocol::default(),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Some(Duration::from_secs(10)),
            liveness: Some(Duration::from_secs(10)),
            keep_alive: Some(Duration::from_secs(5)),
            backoff: Backoff::default(),
            reconnect: true,
            budget: Budget::default(),
            limits: Limits::default(),
            lanes: 2,
            min_lanes: None,
            leases: 64,
            idle_timeout: Some(Duration::from_secs(300)),
            max_age: None,
            inbox: Capacity::default(),
            #[cfg(feature = "tls")]
            tls: None,
            provider: None,
            resolver: None,
            connector: None,
        }
    }

    /// Adds a server that is tried when those before it cannot be reached.
    ///
    /// All of them must be the same to the application: replicas of each other behind different names, or proxies.
    #[must_use]
    pub fn or_tcp(mut self, host: impl Into<String>, port: u16) -> Self {
        self.more.push(Address::Tcp(host.into(), port));
        self
    }

    /// Where the server listens, or the first Sentinel.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// All servers that are tried, or Sentinels that are asked, in order.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> + Clone {
        std::iter::once(&self.address).chain(&self.more)
    }

    /// Selects a database; 0 is the default.
    #[must_use]
    pub fn database(mut self, number: u32) -> Self {
        self.database = number;
        self
    }

    /// Authenticates with the password of the default user.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password));
        self
    }

    /// Authenticates as an ACL user.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self.password(password)
    }

    /// Speaks TLS; see [`Tls`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Names the connection, as CLIENT LIST shows it.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Chooses the protocol; by default RESP3 with RESP2 to fall back on.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Bounds connecting, authentication included; 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bounds each command from its first poll to its reply, waiting for room and for a connection included; 10 s by
    /// default. `None` waits for ever. Blocking commands get the server's timeout on top.
    #[must_use]
    pub fn command_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.command_timeout = timeout.into();
        self
    }

    /// How long a silent connection is believed in; 10 s by default. After half of it the server is asked for a sign
    /// of life. `None` leaves it to TCP keep-alive. A line of less than 100 KiB a second may seem silent while it carries a
    /// value of 1 MiB or more.
    #[must_use]
    pub fn liveness(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.liveness = bound.into();
        self
    }

    /// After how much silence the kernel asks the peer whether it is there (TCP keep-alive); 5 s by default. It is what
    /// watches a line on which a blocking command waits.
    #[must_use]
    pub fn keep_alive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = silence.into();
        self
    }

    /// Sets the pauses between attempts to reconnect.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how much may be queued and in flight on a connection.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Sets how large replies may be.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many shared sockets a pool has at most; 2 by default.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How many of its shared sockets a pool keeps open; all by default. The others are opened under load, and closed
    /// again after the idle timeout.
    #[must_use]
    pub fn min_lanes(mut self, lanes: usize) -> Self {
        self.min_lanes = Some(lanes.max(1));
        self
    }

    /// How many sockets a pool may lease at once, for blocking commands, WATCH and work by hand; 64 by default.
    #[must_use]
    pub fn leases(mut self, leases: usize) -> Self {
        self.leases = leases.max(1);
        self
    }

    /// How long a pool keeps a socket that nobody uses and that it need not keep; 5 minutes by default.
    #[must_use]
    pub fn idle_timeout(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = idle.into();
        self
    }

    /// How old a pooled socket may grow; without a limit by default. An old one is replaced when nothing is in flight on
    /// it, up to a tenth earlier at random, so that they do not all go at once.
    #[must_use]
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// What happens when messages of a subscription come faster than they are read, where the subscription does not
    /// say so itself; by default the oldest are dropped, and the reader told.
    #[must_use]
    pub fn on_lag(mut self, lag: Lag) -> Self {
        self.inbox.lag = lag;
        self
    }

    /// How many bytes of messages a subscription holds for its reader, where it does not say so itself; 16 MiB by
    /// default.
    #[must_use]
    pub fn channel_bytes(mut self, bytes: usize) -> Self {
        self.inbox.bytes = bytes;
        self
    }

    /// How many messages a subscription holds for its reader, where it does not say so itself; only their bytes are
    /// bounded by default.
    #[must_use]
    pub fn channel_messages(mut self, messages: usize) -> Self {
        self.inbox.messages = messages.max(1);
        self
    }

    /// The same server for one who keeps state on the connection, which a silent reconnection would lose.
    pub(crate) fn without_reconnect(mut self) -> Self {
        self.reconnect = false;
        self
    }
}
