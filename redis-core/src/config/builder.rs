//! The builder: [`Config`].
//!
//! # Layout
//!
//! - this file: the settings that a URL and a file can make too
//! - `code`: settings that only code can make
//! - `service`: services that Sentinels watch; `cluster`: clusters

use std::path::PathBuf;
use std::time::Duration;

use super::address::Address;
use super::backoff::Backoff;
use super::budget::Budget;
use super::cluster_settings::ClusterSettings;
use super::failing::Failing;
use super::hook::{Connector, Hook, Provider, Resolver};
use super::lag::{Capacity, Lag};
use super::maintenance::{MaintNotifications, Maintenance, MovingEndpoint};
use super::secret::Secret;
use super::service::Service;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::wire::Limits;

mod cluster;
mod code;
mod service;

/// All settings of a connection or pool.
///
/// In a URL and in a file (read with the feature `serde`) a setting has the same name, that in the first column. In code a method
/// makes it; it has the same name where nothing else fits better. Backoff, budget, limits and TLS each have a type, with a field or
/// method for every setting of theirs.
///
/// In a URL and in a file, times are written `500ms`, `2s` or `1m30s`, never as a bare number, and sizes `64KiB`, `16MiB` or as a number of
/// bytes. In a file also:
///
/// - `backoff_first = "10ms"` and `backoff = { first = "10ms" }` are the same. So it is with `budget`, `tls` and the other names that
///   share a beginning; `tls = { ca = … }` turns TLS on as well.
/// - A list means the same as words with commas between them in a URL.
/// - Texts stand in quotes: passwords, names, times, sizes with a unit. Numbers and truth values may be written as such.
/// - A whole URL may stand in place of the map, or as `url` beside other settings.
/// - A setting that is given twice is an error.
///
/// | parameter | method | default | |
/// | --- | --- | --- | --- |
/// | `host` | [`tcp`](Config::tcp) | none | where the server listens; in a URL, the part before the path |
/// | `port` | [`tcp`](Config::tcp) | `6379` | 26379 for Sentinels; in a URL, behind the host |
/// | `socket` | [`unix`](Config::unix) | none | the path of a Unix socket; in a URL, the path |
/// | `hosts` | [`or_tcp`](Config::or_tcp) | none | further servers, tried in this order: `b:6379,c:6379`; in a URL, behind the first host |
/// | `service` | [`sentinel`](Config::sentinel) | none | the service that these servers, as Sentinels, watch; in a URL, the path's first part |
/// | `role` | [`role`](Config::role) | `primary` | which node of the service; or `replica` |
/// | `sentinel_username` | [`sentinel_credentials`](Config::sentinel_credentials) | none | the login to the Sentinels |
/// | `sentinel_password` | [`sentinel_password`](Config::sentinel_password) | none | |
/// | `cluster` | [`cluster`](Config::cluster) | `off` | whether these servers are nodes of a cluster; in a URL, the schemes `redis-cluster`, `rediss-cluster` |
/// | `read_from` | [`read_from`](Config::read_from) | `primary` | which nodes of a cluster are read from: `prefer_replica`, `replica`, `any`, `nearest`, `zone:…` |
/// | `username` or `user` | [`credentials`](Config::credentials) | none | in a URL, also before the host |
/// | `password` | [`password`](Config::password) | none | in a URL, also before the host |
/// | `database` or `db` | [`database`](Config::database) | `0` | in a URL, also as the path |
/// | `client_name` or `name` | [`client_name`](Config::client_name) | none | shown by CLIENT LIST |
/// | `protocol` | [`protocol`](Config::protocol) | `newest` | or `resp2` |
/// | `connect_timeout` | [`connect_timeout`](Config::connect_timeout) | `5s` | the most time for connecting, with authentication |
/// | `command_timeout` | [`command_timeout`](Config::command_timeout) | `10s` | the most time for each command; or `off` |
/// | `liveness` | [`liveness`](Config::liveness) | `10s` | how long a connection may be silent before it is given up; or `off` |
/// | `keep_alive` | [`keep_alive`](Config::keep_alive) | `5s` | silence before the kernel probes the peer; or `off` |
/// | `backoff_first` | [`backoff`](Config::backoff) | `20ms` | the first pause between attempts to reconnect |
/// | `backoff_longest` | [`backoff`](Config::backoff) | `2s` | the longest one |
/// | `budget_bytes` | [`budget`](Config::budget) | `64MiB` | how many bytes may be queued and in flight |
/// | `budget_commands` | [`budget`](Config::budget) | `1000000` | how many commands may be |
/// | `max_depth` | [`limits`](Config::limits) | `128` | how deeply a reply may be nested: see [`Limits`] |
/// | `max_elements` | [`limits`](Config::limits) | `134217728` | how many elements it may have |
/// | `max_bulk` | [`limits`](Config::limits) | `512MiB` | how long a text in it may be |
/// | `max_line` | [`limits`](Config::limits) | `512MiB` | how long a line of it may be |
/// | `lanes` | [`lanes`](Config::lanes) | `2` | the most shared sockets of a pool |
/// | `min_lanes` | [`min_lanes`](Config::min_lanes) | `all` | how many of them are kept open |
/// | `leases` | [`leases`](Config::leases) | `64` | sockets that a pool may lease at once |
/// | `idle_timeout` | [`idle_timeout`](Config::idle_timeout) | `5m` | a pool closes a socket that was unused for this long, if it need not keep it; or `off` |
/// | `max_age` | [`max_age`](Config::max_age) | `off` | the age at which a pooled socket is replaced |
/// | `lag` | [`on_lag`](Config::on_lag) | `drop_oldest` | what happens to messages that are not read in time; or `wait`, `close` |
/// | `capacity_bytes` | [`capacity_bytes`](Config::capacity_bytes) | `16MiB` | how many bytes of messages a subscription holds for its reader |
/// | `capacity_messages` | [`capacity_messages`](Config::capacity_messages) | `off` | how many messages it holds |
/// | `maint_notifications` | [`maint_notifications`](Config::maint_notifications) | `off` | whether to ask the server to announce maintenance: `auto` or `on` |
/// | `maint_endpoint` | [`maint_endpoint`](Config::maint_endpoint) | `auto` | which address of a new node to ask for: `internal-ip`, `internal-fqdn`, `external-ip`, `external-fqdn`, `none` |
/// | `maint_extra_time` | [`maint_extra_time`](Config::maint_extra_time) | `10s` | how much longer commands and signs of life may take while maintenance lasts |
/// | `tls` | [`tls`](Config::tls) | `off` | in a URL, the schemes `rediss` and `valkeys` |
/// | `tls_ca` | [`Tls::ca_file`] | none | a file of trusted authorities (PEM) |
/// | `tls_system_roots` | [`Tls::system_roots`] | `on` | whether the authorities of the system are trusted |
/// | `tls_cert` | [`Tls::identity_files`] | none | a file with the client's certificate (PEM) |
/// | `tls_key` | [`Tls::identity_files`] | none | a file with its key (PEM, PKCS#8) |
/// | `tls_pkcs12` | [`Tls::pkcs12_file`] | none | a file with both (PKCS#12) |
/// | `tls_pkcs12_password` | [`Tls::pkcs12_file`] | none | |
/// | `tls_server_name` | [`Tls::server_name`] | none | the name to ask for and to verify; without it, the host |
/// | `tls_min_version` | [`Tls::min_version`] | `1.2` | or `1.0`, `1.1`, `1.3` |
/// | `tls_danger_accept_invalid_certs` | [`Tls::danger_accept_invalid_certs`] | `off` | accept any certificate |
/// | `tls_danger_accept_invalid_hostnames` | [`Tls::danger_accept_invalid_hostnames`] | `off` | accept any host name |
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
    /// Set if these servers are Sentinels.
    pub(crate) service: Service,
    pub(crate) cluster: ClusterSettings,
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
    /// `None` means as many as `lanes`.
    pub(crate) min_lanes: Option<usize>,
    pub(crate) leases: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    /// How much a subscription holds for its reader.
    pub(crate) inbox: Capacity,
    pub(crate) maintenance: Maintenance,
    /// In a box: it is large, and many connections have none.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Box<Tls>>,
    pub(crate) provider: Option<Hook<Provider>>,
    pub(crate) resolver: Option<Hook<Resolver>>,
    pub(crate) connector: Option<Hook<Connector>>,
    pub(crate) failing: Failing,
    /// Commands for a new socket, after those for the settings.
    pub(crate) introduction: Vec<Introduction>,
    /// Whether this is one node of several: commands that it refuses or loses go back to callers, who may send them
    /// to another.
    pub(crate) routed: bool,
}

/// A command that a feature sends on every new socket, such as READONLY on replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) words: &'static [&'static str],
    /// Whether a server that refuses it can still be used.
    pub(crate) optional: bool,
}

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// RESP3 if the server or proxy knows it, otherwise RESP2.
    #[default]
    Newest,
    /// RESP2, without asking for RESP3.
    Resp2,
}

impl Config {
    /// A server at a name or IP address.
    #[must_use]
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::at(Address::Tcp(host.into(), port))
    }

    /// A server on a Unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Unix(path.into()))
    }

    pub(super) fn at(address: Address) -> Self {
        Self {
            address,
            more: Vec::new(),
            service: Service::default(),
            cluster: ClusterSettings::default(),
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
            maintenance: Maintenance::default(),
            #[cfg(feature = "tls")]
            tls: None,
            provider: None,
            resolver: None,
            connector: None,
            failing: Failing::default(),
            introduction: Vec::new(),
            routed: false,
        }
    }

    /// The same settings for one node of several: this server alone, whose sockets begin with `introduction`. What it
    /// refuses because another node is to be asked, and what is lost with its sockets and may be repeated, goes back to
    /// callers.
    pub(crate) fn for_node(&self, address: Address, introduction: &[Introduction]) -> Self {
        Self {
            address,
            more: Vec::new(),
            service: Service::default(),
            cluster: self.cluster.for_node(),
            introduction: introduction.to_vec(),
            maintenance: self.maintenance.for_node(),
            routed: true,
            ..self.clone()
        }
    }

    /// Adds a server that is tried when those before it cannot be reached.
    ///
    /// All of them must be equivalent for the application: servers with the same data under different names, or
    /// proxies.
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
        self.tls = Some(Box::new(tls));
        self
    }

    /// Names the connection, for CLIENT LIST.
    #[must_use]
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.client_name = Some(name.into());
        self
    }

    /// Chooses the protocol. By default it is RESP3, or RESP2 if the server does not know RESP3.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The most time for connecting, with authentication; 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The most time for each command, from its first poll to its reply. It includes waiting for room in the budget
    /// and for a connection. 10 s by default; `None` waits for ever. Blocking commands may take this long beyond
    /// their own timeout.
    #[must_use]
    pub fn command_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.command_timeout = timeout.into();
        self
    }

    /// How long the server may be silent before the connection is given up; 10 s by default. After half of it the
    /// server is sent a PING. `None` leaves this to TCP keep-alive. A connection slower than 100 KiB a second may
    /// seem silent while it carries a value of 1 MiB or more.
    #[must_use]
    pub fn liveness(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.liveness = bound.into();
        self
    }

    /// After how long a silence the kernel probes the peer (TCP keep-alive); 5 s by default. This notices a lost
    /// connection also while a blocking command waits.
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

    /// The most shared sockets of a pool; 2 by default, and at least 1.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// How many of its shared sockets a pool keeps open; all by default, and at least 1. The others are opened under load, and
    /// closed again after the idle timeout.
    #[must_use]
    pub fn min_lanes(mut self, lanes: usize) -> Self {
        self.min_lanes = Some(lanes);
        self
    }

    /// The most sockets that a pool leases at once, for blocking commands, WATCH and
    /// [`Pool::exclusive`](crate::Pool::exclusive); 64 by default, and at least 1.
    #[must_use]
    pub fn leases(mut self, leases: usize) -> Self {
        self.leases = leases;
        self
    }

    /// How long a pool keeps an unused socket that it may close; 5 minutes by default.
    #[must_use]
    pub fn idle_timeout(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = idle.into();
        self
    }

    /// The greatest age of a pooled socket; no limit by default. An older one is replaced when nothing is in flight
    /// on it. Each limit is shortened by up to a tenth at random, so that sockets are not all replaced at the same
    /// time.
    #[must_use]
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// What happens when messages come faster than they are read, unless the subscription sets it itself. By
    /// default the oldest are dropped, and the reader gets [`Event::Lagged`](crate::Event::Lagged).
    #[must_use]
    pub fn on_lag(mut self, lag: Lag) -> Self {
        self.inbox.lag = lag;
        self
    }

    /// How many bytes of messages a subscription holds for its reader, unless it sets this itself; 16 MiB by
    /// default.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.inbox.bytes = bytes;
        self
    }

    /// How many messages a subscription holds for its reader, unless it sets this itself; at least 1. By default only
    /// the bytes are limited.
    #[must_use]
    pub fn capacity_messages(mut self, messages: usize) -> Self {
        self.inbox.messages = messages;
        self
    }

    /// Whether to ask the server to announce maintenance; by default it is not asked.
    ///
    /// Announced moves, failovers and migrations do not disturb commands: while they last, the default command timeout
    /// and the liveness are longer, and a connection whose endpoint moves changes to a new socket when that is ready,
    /// after everything in flight was answered. [`ConnectionEvent::Maintenance`](crate::ConnectionEvent::Maintenance)
    /// tells.
    ///
    /// It needs RESP3 and a server that knows it: Redis Cloud, or Redis Software from 8.0.2 on.
    #[must_use]
    pub fn maint_notifications(mut self, notifications: MaintNotifications) -> Self {
        self.maintenance.notifications = notifications;
        self
    }

    /// Which address of the new node an announced move is to contain. By default it fits the socket.
    #[must_use]
    pub fn maint_endpoint(mut self, endpoint: MovingEndpoint) -> Self {
        self.maintenance.endpoint = endpoint;
        self
    }

    /// How much longer commands without a deadline of their own, and signs of life, may take while announced
    /// maintenance lasts, and for as long afterwards; 10 s by default.
    #[must_use]
    pub fn maint_extra_time(mut self, extra: Duration) -> Self {
        self.maintenance.extra_time = extra;
        self
    }

    /// The same server for commands that are meant for it and no other.
    pub(crate) fn for_itself(mut self) -> Self {
        self.routed = false;
        self
    }

    /// The same, but without reconnection: for a handle whose state on the connection would be lost unnoticed.
    pub(crate) fn without_reconnect(mut self) -> Self {
        self.reconnect = false;
        self
    }
}
