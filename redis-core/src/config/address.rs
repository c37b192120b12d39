//! Where a server listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A name or IP address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    pub(crate) const DEFAULT_PORT: u16 = 6379;

    /// The name of the server, if it has one.
    pub(crate) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(host, _) => Some(host),
            Self::Unix(_) => None,
        }
    }

    /// Reads `host:port`, the way in which servers name an endpoint: also with an IPv6 address without brackets.
    pub(crate) fn parse_endpoint(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host
            .strip_prefix('[')
            .map_or(Some(host), |host| host.strip_suffix(']'))?;
        check_host(host).ok()?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Self::Tcp(host.to_owned(), port))
    }

    /// Reads `host`, `host:port`, `[::1]:port` or `::1`.
    pub(super) fn parse_tcp(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = if let Some(literal) = text.strip_prefix('[') {
            let (host, rest) = literal
                .split_once(']')
                .ok_or_else(|| format!("`{text}` has a `[` without its `]`"))?;
            (
                host,
                rest.strip_prefix(':').or((rest.is_empty()).then_some("")),
            )
        } else {
            match text.rsplit_once(':') {
                // More than one colon is an IPv6 address without brackets.
                Some((host, _)) if host.contains(':') => (text, Some("")),
                Some((host, port)) => (host, Some(port)),
                None => (text, Some("")),
            }
        };
        let port = match port {
            Some("") => Some(default_port),
            Some(port) => super::human::number(port)
                .ok()
                .and_then(|port| u16::try_from(port).ok()),
            None => None,
        };
        let port = port
            .filter(|port| *port > 0)
            .ok_or_else(|| format!("`{text}` has no good port"))?;
        check_host(host)?;
        Ok(Self::Tcp(host.to_owned(), port))
    }
}

/// Refuses what cannot be a host name: the resolver's error for it would be hard to understand.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("no host is named".to_owned());
    }
    match host.chars().find(|letter| {
        letter.is_control() || letter.is_whitespace() || "/?#@[],\\".contains(*letter)
    }) {
        Some(letter) => Err(format!("a host's name cannot contain {letter:?}")),
        None => Ok(()),
    }
}

/// `host`, `host:port`, `[::1]:port` or `::1`; the port is 6379 if it is left out. A text that begins with `/`, `./` or `../` is the
/// path of a Unix socket. A URL is read by [`Config`](crate::Config).
///
/// ```
/// use typedis_core::Address;
///
/// assert_eq!("cache:7000".parse::<Address>()?, Address::Tcp("cache".into(), 7000));
/// assert_eq!("/run/redis.sock".parse::<Address>()?, Address::Unix("/run/redis.sock".into()));
/// # Ok::<(), typedis_core::Error>(())
/// ```
impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.contains("://") {
            return Err(Error::config(
                "this is a URL and no address: read it as a `Config`",
            ));
        }
        // It is not quoted: it may be the rest of a URL.
        if text.contains('@') {
            return Err(Error::config(
                "this has a login, and is no address: read it as a `Config`, with `redis://` before it",
            ));
        }
        let is_path = ["/", "./", "../"]
            .iter()
            .any(|start| text.starts_with(start));
        if is_path && !text.contains('\0') {
            return Ok(Self::Unix(text.into()));
        }
        Self::parse_tcp(text, Self::DEFAULT_PORT).map_err(Error::config)
    }
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
