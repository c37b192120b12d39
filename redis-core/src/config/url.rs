//! A [`Config`] from a URL and back.
//!
//! # Layout
//!
//! - `scheme`: the schemes, and what each leads to
//! - `spilled`: passwords that were not percent-encoded

use std::net::Ipv6Addr;
use std::str::FromStr;

use fluent_uri::Uri;
use fluent_uri::pct_enc::{EStr, EString, Encoder, encoder};

use super::address::Address;
use super::builder::Config;
use super::knobs::{self, Secrets, Setting};
use super::secret::MASK;
use crate::error::{Error, Result};

mod scheme;
mod spilled;

use scheme::Goal;

/// The settings in the part of a URL before the `?`, for a server with a host.
const BEFORE_QUERY: [&str; 8] = [
    "host", "port", "service", "cluster", "username", "password", "database", "tls",
];

impl Config {
    /// Reads a URL: `redis://[user:password@]host[:port][/database][?parameter=value&…]`, or `valkey://…`; with TLS
    /// `rediss://…` or `valkeys://…`; `unix:///path/of/socket`, `redis+unix://…` or `valkey+unix://…`.
    ///
    /// A service that Sentinels watch: `redis+sentinel://[user:password@]host[:port][,host…]/service[/database]`, or
    /// `valkey+sentinel://…`; with TLS `rediss+sentinel://…` or `valkeys+sentinel://…`. See [`Config::sentinel`].
    ///
    /// A cluster: `redis-cluster://[user:password@]host[:port][,host…][/database]`, or `valkey-cluster://…`; with TLS
    /// `rediss-cluster://…` or `valkeys-cluster://…`; a `+` may stand for the `-`. See [`Config::cluster`].
    ///
    /// The parameters are those of the table [above](Config). Times are written `500ms`, `2s`, `1m30s`, sizes `64KiB`,
    /// `16MiB`; any character can be percent-encoded.
    ///
    /// # Errors
    /// An error names what cannot be read: an unknown scheme or parameter (and the nearest known one), a bad value,
    /// or a setting that is given twice.
    pub fn from_url(url: &str) -> Result<Self> {
        parse(url)
    }

    /// The URL of this configuration. Secrets are written as `***`, and settings that only code can make are
    /// left out.
    #[must_use]
    pub fn to_url(&self) -> String {
        render(self, Secrets::Masked)
    }

    /// The URL of this configuration with its passwords: not for logs.
    #[must_use]
    pub fn to_url_with_secrets(&self) -> String {
        render(self, Secrets::Shown)
    }

    /// Finds settings that contradict each other or can never work. It is called before a connection is made.
    ///
    /// # Errors
    /// The error names the setting.
    pub fn check(&self) -> Result<()> {
        knobs::check(self)
    }
}

/// What can be connected to: a URL, or a [`Config`]. The trait is sealed, so every configuration has been checked
/// before a connection is made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say where the server is",
    note = "a URL does (`\"redis://host:6379/0\"`, as text or a `String`), and so does a `Config` (`Config::tcp(host, port)`)"
)]
pub trait IntoConfig: sealed::Sealed {
    /// The configuration, after [`Config::check`]. What [`Config::from_url`] returns has passed it.
    ///
    /// # Errors
    /// The error says what is wrong with the URL or the configuration.
    fn into_config(self) -> Result<Config>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::config::Config {}
    impl Sealed for &crate::config::Config {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for String {}
}

impl IntoConfig for Config {
    fn into_config(self) -> Result<Config> {
        self.check()?;
        Ok(self)
    }
}

impl IntoConfig for &Config {
    fn into_config(self) -> Result<Config> {
        self.clone().into_config()
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

fn parse(text: &str) -> Result<Config> {
    knobs::assemble(settings(text)?)
}

/// As [`Config::from_url`].
impl FromStr for Config {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

/// The settings in a URL.
pub(super) fn settings(text: &str) -> Result<Vec<Setting>> {
    if let Some(url) = without_scheme(text) {
        return Err(Error::config(format!(
            "a URL begins with its scheme: write `{url}` (or rediss:// for TLS, unix:// for a path)"
        )));
    }
    let (text, hosts) = split_hosts(text);
    // The URL itself may hold a password: so no message quotes it.
    let uri = Uri::parse(text.as_str()).map_err(|reason| {
        Error::config(format!(
            "the URL cannot be read: {reason}; expected redis://[user:password@]host[:port][/database], with what is \
             no letter or digit percent-encoded"
        ))
    })?;
    // Schemes know no case.
    let scheme = uri.scheme().as_str().to_ascii_lowercase();
    let known = scheme::find(&scheme);
    spilled::check(&uri, known.map(|scheme| scheme.goal))?;
    let known = known.ok_or_else(|| {
        let near = scheme::nearest_to(&scheme);
        Error::config(format!("unknown scheme `{scheme}`; did you mean `{near}`?"))
    })?;
    let mut settings = match known.goal {
        Goal::Server => tcp(&uri)?,
        Goal::Socket => unix(&uri)?,
        Goal::Service => service(&uri)?,
        Goal::Cluster => cluster(&uri)?,
    };
    if known.tls {
        settings.push(speak_tls(known.name)?);
    }
    if let Some(hosts) = hosts {
        settings.push(("hosts".to_owned(), hosts));
    }
    for pair in spilled::pairs(&uri) {
        settings.push(parameter(pair)?);
    }
    Ok(settings)
}

/// The URL that was probably meant by a host without a scheme, such as `localhost:6379`. What may hold a password is not
/// quoted.
fn without_scheme(text: &str) -> Option<String> {
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "6379"));
    let is_port = !port.is_empty() && port.chars().all(|digit| digit.is_ascii_digit());
    let is_plain = !host.is_empty() && host.chars().all(is_host) && is_port;
    is_plain.then(|| format!("redis://{text}"))
}

/// Takes further hosts, as in `redis://a:1,b:2/0`, out of a URL: a URI has only one host.
fn split_hosts(text: &str) -> (String, Option<String>) {
    let unchanged = || (text.to_owned(), None);
    let Some((scheme, rest)) = text.split_once("://") else {
        return unchanged();
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    match hosts.split_once(',') {
        Some((first, more)) => (
            format!("{scheme}://{user}{first}{tail}"),
            Some(more.to_owned()),
        ),
        None => unchanged(),
    }
}

/// The setting for a scheme with TLS.
fn speak_tls(scheme: &str) -> Result<Setting> {
    if cfg!(not(feature = "tls")) {
        return Err(Error::config(format!(
            "the scheme `{scheme}` is TLS, which this build lacks: enable the feature `tls` of typedis"
        )));
    }
    Ok(("tls".to_owned(), "on".to_owned()))
}

/// A URL whose hosts are nodes of a cluster.
fn cluster(uri: &Uri<&str>) -> Result<Vec<Setting>> {
    let mut settings = tcp(uri)?;
    settings.push(("cluster".to_owned(), "on".to_owned()));
    Ok(settings)
}

/// A URL whose hosts are Sentinels.
fn service(uri: &Uri<&str>) -> Result<Vec<Setting>> {
    let mut settings = host(uri)?;
    let path = decode(uri.path(), "path")?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    let database = database.strip_suffix('/').unwrap_or(database);
    if name.is_empty() {
        return Err(Error::config(
            "the URL names no service: write redis+sentinel://host/service",
        ));
    }
    settings.push(("service".to_owned(), name.to_owned()));
    if !database.is_empty() {
        settings.push(("database".to_owned(), database.to_owned()));
    }
    Ok(settings)
}

fn tcp(uri: &Uri<&str>) -> Result<Vec<Setting>> {
    let mut settings = host(uri)?;
    let path = uri.path().as_str();
    let number = path.strip_prefix('/').unwrap_or(path);
    // `redis://host/0/`, as it comes out when URLs are put together.
    match number.strip_suffix('/').unwrap_or(number) {
        "" => {}
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            settings.push(("database".to_owned(), number.to_owned()));
        }
        other => {
            return Err(Error::config(format!(
                "the path `/{other}` is no database number; write redis://host/5"
            )));
        }
    }
    Ok(settings)
}

/// The part before the path: host, port and login.
fn host(uri: &Uri<&str>) -> Result<Vec<Setting>> {
    let no_host = || Error::config("the URL names no host: write redis://host");
    let authority = uri.authority().ok_or_else(no_host)?;
    let host = match authority.host() {
        literal if literal.starts_with('[') => literal.trim_matches(['[', ']']).to_owned(),
        name => decode(
            EStr::<encoder::RegName>::new(name).unwrap_or_default(),
            "host",
        )?,
    };
    if host.is_empty() {
        return Err(no_host());
    }
    let mut settings = vec![("host".to_owned(), host)];
    if let Some(port) = authority.port().filter(|port| !port.is_empty()) {
        settings.push(("port".to_owned(), port.as_str().to_owned()));
    }
    credentials(&mut settings, authority.userinfo())?;
    Ok(settings)
}

fn unix(uri: &Uri<&str>) -> Result<Vec<Setting>> {
    let path = decode(uri.path(), "path")?;
    if path.is_empty() || path == "/" {
        return Err(Error::config(
            "the URL names no socket: write unix:///path/of/socket",
        ));
    }
    let mut settings = vec![("socket".to_owned(), path)];
    if let Some(authority) = uri.authority() {
        if !authority.host().is_empty() || authority.port().is_some() {
            return Err(Error::config(
                "a Unix socket has no host: write three slashes, unix:///path/of/socket",
            ));
        }
        credentials(&mut settings, authority.userinfo())?;
    }
    Ok(settings)
}

fn credentials(
    settings: &mut Vec<Setting>,
    userinfo: Option<&EStr<encoder::Userinfo>>,
) -> Result<()> {
    let Some(userinfo) = userinfo.filter(|userinfo| !userinfo.is_empty()) else {
        return Ok(());
    };
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    if !user.is_empty() {
        settings.push(("username".to_owned(), decode(user, "user")?));
    }
    // `redis://:@host` is what comes out where the variable for the password is empty.
    if let Some(password) = password.filter(|password| !(user.is_empty() && password.is_empty())) {
        settings.push(("password".to_owned(), decode(password, "password")?));
    }
    Ok(())
}

fn parameter(pair: &EStr<encoder::Query>) -> Result<Setting> {
    let Some((name, value)) = pair.split_once('=') else {
        let name = decode(pair, "parameter")?;
        return Err(Error::config(format!(
            "the parameter `{name}` has no value: write ?{name}=value"
        )));
    };
    Ok((decode(name, "parameter")?, decode(value, "parameter")?))
}

fn decode<E: Encoder>(text: &EStr<E>, what: &str) -> Result<String> {
    let text = text.decode().to_string();
    Ok(text
        .map_err(|_| Error::config(format!("the {what} is not UTF-8 once percent-decoded")))?
        .into_owned())
}

fn render(config: &Config, secrets: Secrets) -> String {
    let mut url = String::new();
    let before: &[&str] = match &config.address {
        Address::Tcp(host, port) => {
            url.push_str(&format!("{}://", scheme(config)));
            url.push_str(&userinfo(config, secrets));
            // Any other name with colons is encoded: in brackets it could not be read again.
            if host.parse::<Ipv6Addr>().is_ok() {
                url.push_str(&format!("[{host}]:{port}"));
            } else {
                url.push_str(&format!("{}:{port}", encoded::<encoder::RegName>(host)));
            }
            if let Some(service) = config.service() {
                url.push_str(&format!("/{}", encoded::<encoder::Path>(service)));
            }
            if config.database != 0 {
                url.push_str(&format!("/{}", config.database));
            }
            &BEFORE_QUERY
        }
        Address::Unix(path) => {
            // A relative path must not be read as a host, nor `unix:28` as the host `unix` with a port.
            url.push_str(if path.is_absolute() {
                "unix://"
            } else {
                "redis+unix:"
            });
            url.push_str(&encoded_path(&path.to_string_lossy()));
            &["socket"]
        }
    };
    let is_before = |name: &str| {
        before.contains(&name) && !(name == "password" && has_only_empty_password(config))
    };
    let parameters = knobs::settings(config, secrets).filter(|(name, _)| !is_before(name));
    for (index, (name, value)) in parameters.enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        let value = match value.as_str() {
            MASK => value,
            _ => encoded::<encoder::Query>(&value),
        };
        url.push_str(&format!("{mark}{name}={value}"));
    }
    url
}

fn scheme(config: &Config) -> &'static str {
    #[cfg(feature = "tls")]
    let tls = config.tls.is_some();
    #[cfg(not(feature = "tls"))]
    let tls = false;
    let goal = match config.service() {
        Some(_) => Goal::Service,
        None if config.cluster.is_cluster => Goal::Cluster,
        None => Goal::Server,
    };
    scheme::name_of(goal, tls)
}

/// Whether the password is empty and there is no user: before a host that means that there is no password, so it is
/// written as a parameter.
fn has_only_empty_password(config: &Config) -> bool {
    let password = config.password.as_ref();
    config.username.is_none() && password.is_some_and(|password| password.expose().is_empty())
}

fn userinfo(config: &Config, secrets: Secrets) -> String {
    if has_only_empty_password(config) {
        return String::new();
    }
    let user = config.username.as_deref().unwrap_or_default();
    let Some(password) = &config.password else {
        return if user.is_empty() {
            String::new()
        } else {
            format!("{}@", encoded::<encoder::Userinfo>(user))
        };
    };
    let password = match secrets {
        Secrets::Masked => MASK.to_owned(),
        Secrets::Shown => encoded::<encoder::Userinfo>(password.expose()),
    };
    format!("{}:{password}@", encoded::<encoder::Userinfo>(user))
}

/// A text in which every character that might end it is percent-encoded.
fn encoded<E: Encoder>(text: &str) -> String {
    let mut out = EString::<E>::new();
    out.encode_str::<encoder::Data>(text);
    out.into_string()
}

fn encoded_path(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(encoded::<encoder::Path>).collect();
    parts.join("/")
}
