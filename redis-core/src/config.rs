//! How a connection is made: [`Config`], as a builder and from a URL.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Phase, Result};
use crate::inflight::Budget;
use crate::resp::scan::Limits;

mod secret;
mod url;

pub use secret::Secret;

/// Everything there is to say about a connection or pool.
///
/// ```
/// use std::time::Duration;
/// use typedis_core::Config;
///
/// let config = Config::tcp("localhost", 6379)
///     .database(5)
///     .credentials("worker", "secret")
///     .command_timeout(Duration::from_secs(2));
/// let same = Config::from_url("redis://worker:secret@localhost/5?command_timeout=2s")?;
/// assert_eq!(config.to_url(), same.to_url());
/// # Ok::<(), typedis_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub(crate) address: Address,
    pub(crate) database: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) client_name: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Option<Duration>,
    pub(crate) liveness: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) reconnect: bool,
    pub(crate) budget: Budget,
    pub(crate) limits: Limits,
    pub(crate) lanes: usize,
    pub(crate) leases: usize,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A name or IP address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
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

/// How long to wait between attempts to connect: from `first`, doubled each time, up to `longest`, spread at random
/// by half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(20),
            longest: Duration::from_secs(2),
        }
    }
}

impl Backoff {
    /// The pause before attempt number `attempt`, the first being 0. Spread at the cap too, so that many clients do not
    /// come back in step.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        let full = self
            .first
            .saturating_mul(2u32.saturating_pow(attempt.min(31)))
            .min(self.longest);
        full.mul_f64(0.5 + fastrand::f64() * 0.5)
    }
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

    /// Reads a URL: `redis://[user:password@]host[:port][/database][?parameter=value&…]`, `valkey://…` or
    /// `unix:///path/of/socket`.
    ///
    /// The parameters are `database`, `client_name`, `protocol` (`resp2`, `newest`), `connect_timeout`,
    /// `command_timeout`, `liveness` (durations such as `500ms`, `2s`, `1m`, or `off`), `lanes` and `leases`.
    ///
    /// # Errors
    /// Names what cannot be read: an unknown scheme or parameter (and the nearest known one), a bad number, a database
    /// or password given twice.
    pub fn from_url(url: &str) -> Result<Self> {
        url::parse(url)
    }

    /// The URL that gives this configuration, except for the password, which reads `***`.
    #[must_use]
    pub fn to_url(&self) -> String {
        url::render(self)
    }

    fn at(address: Address) -> Self {
        Self {
            address,
            database: 0,
            username: None,
            password: None,
            client_name: None,
            protocol: Protocol::default(),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Some(Duration::from_secs(10)),
            liveness: Some(Duration::from_secs(10)),
            backoff: Backoff::default(),
            reconnect: true,
            budget: Budget::default(),
            limits: Limits::default(),
            lanes: 2,
            leases: 64,
        }
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
    /// of life. `None` leaves it to TCP keep-alive.
    #[must_use]
    pub fn liveness(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.liveness = bound.into();
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

    /// How many shared sockets a pool has; 2 by default.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How many sockets a pool may lease at once, for blocking commands, WATCH and work by hand; 64 by default.
    #[must_use]
    pub fn leases(mut self, leases: usize) -> Self {
        self.leases = leases.max(1);
        self
    }

    /// The same server for one who keeps state on the connection, which a silent reconnection would lose.
    pub(crate) fn without_reconnect(mut self) -> Self {
        self.reconnect = false;
        self
    }
}

pub(crate) fn error(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config(text.into()), Phase::NotSent)
}

/// What can be connected to: a URL, or a [`Config`].
pub trait IntoConfig {
    /// The configuration.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    fn into_config(self) -> Result<Config>;
}

impl IntoConfig for Config {
    fn into_config(self) -> Result<Config> {
        Ok(self)
    }
}

impl IntoConfig for &Config {
    fn into_config(self) -> Result<Config> {
        Ok(self.clone())
    }
}

impl IntoConfig for &str {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self)
    }
}

impl IntoConfig for &String {
    fn into_config(self) -> Result<Config> {
        Config::from_url(self)
    }
}

impl IntoConfig for String {
    fn into_config(self) -> Result<Config> {
        Config::from_url(&self)
    }
}
