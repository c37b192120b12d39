//! All settings that a URL or a file can make in a [`Config`], in one table: [`KNOBS`].
//!
//! # Layout
//!
//! - this file: the table, and the functions that use it
//! - `knob`: one setting; `codec`: how one type of value is read and written
//! - `bounds`, `cluster`, `maintenance`, `pool`, `service`, `tls`: rows by subject

use super::nearest::nearest;
use crate::config::address::Address;
use crate::config::builder::{Config, Protocol};
use crate::config::maintenance::MaintNotifications;
use crate::config::secret::MASK;
use crate::config::service::SENTINEL_PORT;
use crate::config::service_role::ServiceRole;
use crate::error::{Error, Result};

mod bounds;
mod cluster;
mod codec;
mod knob;
mod maintenance;
mod pool;
mod service;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing)]
mod tests;
mod tls;

use codec::{Codec, NUMBER, PASSWORD, USERNAME, as_text, names};
use knob::{Hidden, Knob, knob};

/// Whether secrets are written out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    Masked,
    Shown,
}

/// The knobs for the place of the server.
const PLACE: &[Knob] = &[
    Knob::new(
        "host",
        |config, text| {
            super::address::check_host(text)?;
            if let Address::Tcp(host, _) = &mut config.address {
                text.clone_into(host);
            }
            Ok(())
        },
        |config| config.address.host().map(str::to_owned),
    ),
    Knob::new(
        "port",
        |config, text| match &mut config.address {
            Address::Tcp(_, port) => {
                *port = text
                    .parse()
                    .ok()
                    .filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
                    .ok_or_else(|| {
                        format!("`{text}` is no port, which is a number from 1 to 65535")
                    })?;
                Ok(())
            }
            Address::Unix(_) => Ok(()),
        },
        |config| match &config.address {
            Address::Tcp(_, port) => Some(port.to_string()),
            Address::Unix(_) => None,
        },
    ),
    Knob::new(
        "socket",
        |config, text| {
            if text.is_empty() || text.contains('\0') {
                return Err("this is no path of a socket".to_owned());
            }
            config.address = Address::Unix(text.into());
            Ok(())
        },
        |config| match &config.address {
            Address::Unix(path) => Some(path.display().to_string()),
            Address::Tcp(..) => None,
        },
    ),
    Knob::new(
        "hosts",
        |config, text| {
            config.more = text
                .split(',')
                .map(|text| Address::parse_tcp(text, default_port(config)))
                .collect::<Result<_, _>>()?;
            Ok(())
        },
        |config| {
            let hosts: Vec<String> = config.more.iter().map(Address::to_string).collect();
            (!hosts.is_empty()).then(|| hosts.join(","))
        },
    ),
];

const CLIENT_NAME: Codec<Option<String>> = Codec {
    read: |text| {
        // Servers refuse other characters, because CLIENT LIST separates words by spaces and entries by line ends.
        if text.is_empty() || !text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
            return Err(format!(
                "`{text}` is no name: it may hold visible ASCII only, and no space"
            ));
        }
        Ok(Some(text.to_owned()))
    },
    write: Clone::clone,
};

const PROTOCOL: Codec<Protocol> = names!(
    "protocol",
    Protocol {
        Resp2: "resp2" | "2",
        Newest: "newest" | "resp3" | "3",
    }
);

as_text!(Protocol, PROTOCOL);

/// The knobs for the login and the protocol.
const LOGIN: &[Knob] = &[
    knob!("username", username, USERNAME).or(&["user"]).text(),
    knob!("password", password, PASSWORD)
        .hidden(Hidden::Always)
        .text(),
    knob!("database", database, NUMBER).or(&["db"]),
    knob!("client_name", client_name, CLIENT_NAME)
        .or(&["name"])
        .text(),
    knob!("protocol", protocol, PROTOCOL),
];

/// All knobs, in the order in which they are applied.
pub(super) const KNOBS: &[&[Knob]] = &[
    service::SERVICE,
    cluster::CLUSTER,
    PLACE,
    LOGIN,
    bounds::BOUNDS,
    pool::POOL,
    pool::SUBSCRIPTIONS,
    maintenance::MAINTENANCE,
    tls::TLS,
];

fn all() -> impl Iterator<Item = &'static Knob> {
    KNOBS.iter().copied().flatten()
}

fn called(name: &str) -> Option<&'static Knob> {
    all().find(|knob| knob.is_called(name))
}

/// Whether there is a setting of this name.
pub(super) fn is_known(name: &str) -> bool {
    called(name).is_some()
}

/// Whether its value is a password.
pub(super) fn is_secret(name: &str) -> bool {
    called(name).is_some_and(|knob| knob.hidden == Hidden::Always)
}

/// Whether its value may be any text, so that one that was written as a number or truth value is not it.
#[cfg(feature = "serde")]
pub(super) fn is_text(name: &str) -> bool {
    called(name).is_some_and(|knob| knob.is_text)
}

/// The known setting whose name is nearest to one that is none.
pub(super) fn nearest_to(name: &str) -> &'static str {
    known_elsewhere(name).unwrap_or_else(|| nearest(name, all().map(|knob| knob.name)))
}

/// The knob of this name, or an error that names the nearest one.
fn find(name: &str) -> Result<&'static Knob> {
    called(name).ok_or_else(|| {
        let near = nearest_to(name);
        Error::config(format!(
            "unknown parameter `{name}`; did you mean `{near}`?"
        ))
    })
}

/// What the parameter of another client's is called here, where the nearest name would mislead.
fn known_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "timeout" | "socket_timeout" | "response_timeout" | "read_timeout" | "request_timeout" => {
            "command_timeout"
        }
        _ => return None,
    })
}

/// A name and the text given for it.
pub(super) type Setting = (String, String);

/// Applies settings to a new configuration. Each may be given once.
pub(super) fn assemble(settings: Vec<Setting>) -> Result<Config> {
    let mut found: Vec<(&'static Knob, String)> = Vec::with_capacity(settings.len());
    for (name, text) in settings {
        let knob = find(&name)?;
        if found.iter().any(|(known, _)| known.name == knob.name) {
            return Err(Error::config(format!("`{}` is given twice", knob.name)));
        }
        found.push((knob, text));
    }
    let is_given = |name| found.iter().any(|(knob, _)| knob.name == name);
    if is_given("socket") {
        for tcp in ["host", "port", "hosts"] {
            if is_given(tcp) {
                return Err(Error::config(format!(
                    "`socket` and `{tcp}` exclude each other: a Unix socket is on this machine"
                )));
            }
        }
    } else if !is_given("host") {
        return Err(Error::config(
            "no server is named: give `url`, `host` or `socket`",
        ));
    }
    let port = if is_given("service") {
        SENTINEL_PORT
    } else {
        Address::DEFAULT_PORT
    };
    let mut config = Config::tcp("", port);
    // Settings are applied in the order of the table, not in the order in which they were given.
    for knob in all() {
        if let Some((_, text)) = found.iter().find(|(given, _)| given.name == knob.name) {
            (knob.set)(&mut config, text).map_err(|reason| named(knob, reason))?;
        }
    }
    check_whole(&config)?;
    Ok(config)
}

/// The port of a host that is given without one.
fn default_port(config: &Config) -> u16 {
    match config.service.name {
        Some(_) => SENTINEL_PORT,
        None => Address::DEFAULT_PORT,
    }
}

fn named(knob: &Knob, reason: String) -> crate::Error {
    Error::config(format!("parameter `{}`: {reason}", knob.name))
}

/// The settings that differ from the defaults, in the order of the table.
pub(super) fn settings(
    config: &Config,
    secrets: Secrets,
) -> impl Iterator<Item = (&'static str, String)> {
    let defaults = Config::tcp("", 0);
    all().filter_map(move |knob| {
        let text = (knob.get)(config)?;
        if Some(&text) == (knob.get)(&defaults).as_ref() {
            return None;
        }
        let secret = match knob.hidden {
            Hidden::Never => false,
            #[cfg(feature = "tls")]
            Hidden::IfPem => text.trim_start().starts_with("-----BEGIN"),
            #[cfg(feature = "tls")]
            Hidden::IfKey => text.contains("PRIVATE KEY-----"),
            Hidden::Always => true,
        };
        let masked = secret && secrets == Secrets::Masked;
        Some((knob.name, if masked { MASK.to_owned() } else { text }))
    })
}

/// Refuses values that a URL could not contain, and settings that contradict each other.
pub(super) fn check(config: &Config) -> Result<()> {
    let mut scratch = config.clone();
    for knob in all() {
        if let Some(text) = (knob.get)(config) {
            (knob.set)(&mut scratch, &text).map_err(|reason| named(knob, reason))?;
        }
    }
    check_whole(config)
}

/// Refuses settings that contradict each other.
fn check_whole(config: &Config) -> Result<()> {
    if config.username.is_some() && config.password.is_none() {
        return Err(Error::config(
            "a user without a password: write redis://user:password@host, or redis://:password@host",
        ));
    }
    check_service(config)?;
    if config.provider.is_some() && config.password.is_some() {
        return Err(Error::config(
            "the password is given twice, as such and by a provider of credentials",
        ));
    }
    if config.backoff.first > config.backoff.longest {
        return Err(Error::config(
            "`backoff_first` is longer than `backoff_longest`",
        ));
    }
    if config.maintenance.notifications == MaintNotifications::On
        && config.protocol == Protocol::Resp2
    {
        return Err(Error::config(
            "`maint_notifications=on` needs RESP3, and `protocol` is `resp2`",
        ));
    }
    if config.min_lanes.is_some_and(|least| least > config.lanes) {
        return Err(Error::config("`min_lanes` is more than `lanes`"));
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &config.tls {
        tls.identity().map_err(Error::config)?;
        if matches!(config.address, Address::Unix(_))
            && tls.server_name.is_none()
            && tls.connector.is_none()
        {
            return Err(Error::config(
                "TLS over a Unix socket needs `tls_server_name`: there is no host whose name could be verified",
            ));
        }
    }
    Ok(())
}

fn check_service(config: &Config) -> Result<()> {
    let service = &config.service;
    if service.name.is_none() {
        let stray = (service.role != ServiceRole::Primary).then_some("role");
        let login = service.username.is_some() || service.password.is_some();
        if let Some(knob) = stray.or(login.then_some("sentinel_password")) {
            return Err(Error::config(format!(
                "`{knob}` is for a service that Sentinels watch: write redis+sentinel://host/service"
            )));
        }
    } else if config.cluster.is_cluster {
        return Err(Error::config(
            "a cluster has no Sentinels: `cluster` and `service` exclude each other",
        ));
    } else if matches!(config.address, Address::Unix(_)) {
        return Err(Error::config(
            "Sentinels listen on TCP: `service` and `socket` exclude each other",
        ));
    }
    if service.username.is_some() && service.password.is_none() {
        return Err(Error::config(
            "`sentinel_username` needs `sentinel_password`",
        ));
    }
    Ok(())
}
