//! A [`Config`] from a URL and back. Every parameter stands once, in [`PARAMETERS`].

use std::time::Duration;

use fluent_uri::Uri;
use fluent_uri::pct_enc::{EStr, EString, Encoder, encoder};

use super::{Address, Config, Protocol, error};
use crate::error::Result;

const DEFAULT_PORT: u16 = 6379;

/// A parameter of the query: how it is read, and how it is written where it is not the default.
struct Parameter {
    name: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
    get: fn(&Config) -> Option<String>,
}

const PARAMETERS: [Parameter; 9] = [
    Parameter {
        name: "database",
        set: |config, text| {
            config.database = number(text)?;
            Ok(())
        },
        // The path says it.
        get: |config| match config.address {
            Address::Unix(_) if config.database != 0 => Some(config.database.to_string()),
            _ => None,
        },
    },
    Parameter {
        name: "client_name",
        set: |config, text| {
            config.client_name = Some(text.to_owned());
            Ok(())
        },
        get: |config| config.client_name.clone(),
    },
    Parameter {
        name: "protocol",
        set: |config, text| {
            config.protocol = protocol(text)?;
            Ok(())
        },
        get: |config| (config.protocol == Protocol::Resp2).then(|| "resp2".to_owned()),
    },
    Parameter {
        name: "connect_timeout",
        set: |config, text| {
            config.connect_timeout =
                duration(text)?.ok_or("cannot be off: an attempt to connect has to end")?;
            Ok(())
        },
        get: |config| {
            changed(
                Some(config.connect_timeout),
                Some(defaults().connect_timeout),
            )
        },
    },
    Parameter {
        name: "command_timeout",
        set: |config, text| {
            config.command_timeout = duration(text)?;
            Ok(())
        },
        get: |config| changed(config.command_timeout, defaults().command_timeout),
    },
    Parameter {
        name: "liveness",
        set: |config, text| {
            config.liveness = duration(text)?;
            Ok(())
        },
        get: |config| changed(config.liveness, defaults().liveness),
    },
    Parameter {
        name: "lanes",
        set: |config, text| {
            config.lanes = at_least_one(text)?;
            Ok(())
        },
        get: |config| (config.lanes != defaults().lanes).then(|| config.lanes.to_string()),
    },
    Parameter {
        name: "leases",
        set: |config, text| {
            config.leases = at_least_one(text)?;
            Ok(())
        },
        get: |config| (config.leases != defaults().leases).then(|| config.leases.to_string()),
    },
    Parameter {
        name: "password",
        set: |config, text| {
            if config.password.is_some() {
                return Err("the password is given twice".to_owned());
            }
            config.password = Some(super::Secret::new(text));
            Ok(())
        },
        get: |config| {
            (matches!(config.address, Address::Unix(_)) && config.password.is_some())
                .then(|| "***".to_owned())
        },
    },
];

pub(super) fn parse(text: &str) -> Result<Config> {
    // The URL itself may hold a password: no message quotes it.
    let uri = Uri::parse(text).map_err(|reason| {
        error(format!("the URL cannot be read: {reason}; expected redis://[user:password@]host[:port][/database]"))
    })?;
    let mut config = match uri.scheme().as_str() {
        "redis" | "valkey" => tcp(&uri)?,
        "unix" | "redis+unix" | "valkey+unix" => unix(&uri)?,
        scheme @ ("rediss" | "valkeys") => {
            return Err(error(format!(
                "the scheme `{scheme}` is TLS, which this build of the library does not have"
            )));
        }
        scheme => {
            let known = ["redis", "valkey", "unix"];
            return Err(error(format!(
                "unknown scheme `{scheme}`; did you mean `{}`?",
                nearest(scheme, known)
            )));
        }
    };
    if uri.fragment().is_some() {
        return Err(error(
            "a URL has no use for a fragment (`#…`); a `#` within a password is written `%23`",
        ));
    }
    for pair in uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty())
    {
        parameter(&mut config, pair)?;
    }
    Ok(config)
}

fn tcp(uri: &Uri<&str>) -> Result<Config> {
    let authority = uri
        .authority()
        .ok_or_else(|| error("the URL names no host: write redis://host"))?;
    let host = match authority.host() {
        literal if literal.starts_with('[') => literal.trim_matches(['[', ']']).to_owned(),
        name => decode(
            EStr::<encoder::RegName>::new(name).unwrap_or_default(),
            "host",
        )?,
    };
    if host.is_empty() {
        return Err(error("the URL names no host: write redis://host"));
    }
    let port = authority
        .port_to_u16()
        .map_err(|_| error("the port is no number up to 65535"))?;
    let mut config = Config::tcp(host, port.unwrap_or(DEFAULT_PORT));
    credentials(&mut config, authority.userinfo())?;
    match uri.path().as_str().trim_start_matches('/') {
        "" => {}
        path => {
            config.database = path.parse().map_err(|_| {
                error(format!(
                    "the path `/{path}` is no database number; write redis://host/5"
                ))
            })?;
            if uri.query().is_some_and(|query| {
                query
                    .split('&')
                    .any(|pair| pair.as_str().starts_with("database="))
            }) {
                return Err(error(
                    "the database is given twice, in the path and as a parameter",
                ));
            }
        }
    }
    Ok(config)
}

fn unix(uri: &Uri<&str>) -> Result<Config> {
    let path = decode(uri.path(), "path")?;
    if path.is_empty() || path == "/" {
        return Err(error(
            "the URL names no socket: write unix:///path/of/socket",
        ));
    }
    let mut config = Config::unix(path);
    if let Some(authority) = uri.authority() {
        if !authority.host().is_empty() {
            return Err(error(
                "a Unix socket has no host: write three slashes, unix:///path/of/socket",
            ));
        }
        credentials(&mut config, authority.userinfo())?;
    }
    Ok(config)
}

fn credentials(config: &mut Config, userinfo: Option<&EStr<encoder::Userinfo>>) -> Result<()> {
    let Some(userinfo) = userinfo.filter(|userinfo| !userinfo.is_empty()) else {
        return Ok(());
    };
    let Some((user, password)) = userinfo.split_once(':') else {
        return Err(error(
            "a user without a password: write redis://user:password@host, or redis://:password@host",
        ));
    };
    if !user.is_empty() {
        config.username = Some(decode(user, "user")?);
    }
    config.password = Some(super::Secret::new(decode(password, "password")?));
    Ok(())
}

fn parameter(config: &mut Config, pair: &EStr<encoder::Query>) -> Result<()> {
    let (name, value) = pair
        .split_once('=')
        .ok_or_else(|| error("a parameter has no value: write ?name=value"))?;
    let name = decode(name, "parameter")?;
    let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) else {
        let near = nearest(&name, PARAMETERS.iter().map(|parameter| parameter.name));
        return Err(error(format!(
            "unknown parameter `{name}`; did you mean `{near}`?"
        )));
    };
    let value = decode(value, parameter.name)?;
    (parameter.set)(config, &value)
        .map_err(|reason| error(format!("parameter `{}`: {reason}", parameter.name)))
}

fn decode<E: Encoder>(text: &EStr<E>, what: &str) -> Result<String> {
    let text = text.decode().to_string();
    Ok(text
        .map_err(|_| error(format!("the {what} is not UTF-8 once percent-decoded")))?
        .into_owned())
}

pub(super) fn render(config: &Config) -> String {
    let mut url = match &config.address {
        Address::Tcp(..) => "redis://".to_owned(),
        Address::Unix(_) => "unix://".to_owned(),
    };
    if config.password.is_some() && matches!(config.address, Address::Tcp(..)) {
        let mut user = EString::<encoder::Userinfo>::new();
        user.encode_str::<encoder::Data>(config.username.as_deref().unwrap_or_default());
        url.push_str(user.as_str());
        url.push_str(":***@");
    }
    url.push_str(&config.address.to_string());
    if config.database != 0 && matches!(config.address, Address::Tcp(..)) {
        url.push_str(&format!("/{}", config.database));
    }
    let set = PARAMETERS
        .iter()
        .filter_map(|parameter| Some((parameter.name, (parameter.get)(config)?)));
    for (index, (name, value)) in set.enumerate() {
        let mut encoded = EString::<encoder::Query>::new();
        encoded.encode_str::<encoder::Data>(&value);
        url.push_str(&format!(
            "{}{name}={}",
            if index == 0 { '?' } else { '&' },
            encoded.as_str()
        ));
    }
    url
}

fn defaults() -> Config {
    Config::tcp("", 0)
}

fn changed(value: Option<Duration>, default: Option<Duration>) -> Option<String> {
    (value != default)
        .then(|| value.map_or("off".to_owned(), |value| format!("{}ms", value.as_millis())))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("`{text}` is no number of at least 1")),
        Ok(number) => Ok(number),
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "resp2" => Ok(Protocol::Resp2),
        "newest" | "resp3" => Ok(Protocol::Newest),
        _ => Err(format!(
            "`{text}` is no protocol; known are `resp2` and `newest`"
        )),
    }
}

/// Reads `500ms`, `2s`, `1m`; `off` is `None`.
fn duration(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is no duration; write 500ms, 2s, 1m or off");
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60).ok_or_else(wrong)?),
        _ => return Err(wrong()),
    };
    if duration.is_zero() {
        Err(format!(
            "`{text}` leaves no time at all; write `off` for no bound"
        ))
    } else {
        Ok(Some(duration))
    }
}

/// The candidate that takes the fewest edits to reach.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> &'a str {
    candidates
        .into_iter()
        .min_by_key(|candidate| distance(word, candidate))
        .unwrap_or_default()
}

/// Levenshtein distance, with one row of memory.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, from) in from.chars().take(64).enumerate() {
        let mut corner = above;
        let mut left = above + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(to.chars()) {
            let edits = if from == to {
                corner
            } else {
                1 + corner.min(left).min(*cell)
            };
            corner = std::mem::replace(cell, edits);
            left = edits;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_read() {
        let config = Config::from_url(
            "redis://ali%40ce:p%23ss@[::1]:7000/5?client_name=w%20x&protocol=resp2&connect_timeout=500ms\
             &command_timeout=2s&liveness=off&lanes=4&leases=9",
        )
        .unwrap();
        let expected = Config::tcp("::1", 7000)
            .database(5)
            .credentials("ali@ce", "p#ss")
            .client_name("w x")
            .protocol(Protocol::Resp2)
            .connect_timeout(Duration::from_millis(500))
            .command_timeout(Duration::from_secs(2))
            .liveness(None)
            .lanes(4)
            .leases(9);
        assert_eq!(config, expected);
    }

    #[test]
    fn a_rendered_url_reads_back_except_for_the_password() {
        for url in [
            "redis://localhost:6379",
            "redis://:***@localhost:6380/7",
            "redis://al%40ice:***@[::1]:6379?client_name=a%26b",
            "unix:///tmp/x.sock?database=3&lanes=1",
            "redis://h:1?protocol=resp2&connect_timeout=70ms&command_timeout=off&liveness=1000ms&leases=3",
        ] {
            let config = Config::from_url(url).unwrap();
            assert_eq!(
                Config::from_url(&config.to_url()).unwrap(),
                config,
                "{url} → {}",
                config.to_url()
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = Config::from_url("redis://worker:hunter2@localhost").unwrap();
        assert!(!format!("{config:?} {}", config.to_url()).contains("hunter2"));
        let broken = Config::from_url("redis://worker:hunter2@local host").unwrap_err();
        assert!(!format!("{broken} {broken:?}").contains("hunter2"));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (url, text) in [
            (
                "redos://localhost",
                "unknown scheme `redos`; did you mean `redis`?",
            ),
            (
                "rediss://localhost",
                "the scheme `rediss` is TLS, which this build of the library does not have",
            ),
            (
                "redis://localhost?comand_timeout=1s",
                "unknown parameter `comand_timeout`; did you mean `command_timeout`?",
            ),
            (
                "redis://localhost?command_timeout=5",
                "parameter `command_timeout`: `5` is no duration; write 500ms, 2s, 1m or off",
            ),
            (
                "redis://localhost?connect_timeout=off",
                "parameter `connect_timeout`: cannot be off: an attempt to connect has to end",
            ),
            (
                "redis://localhost?command_timeout=0s",
                "parameter `command_timeout`: `0s` leaves no time at all; write `off` for no bound",
            ),
            (
                "redis://localhost?lanes=0",
                "parameter `lanes`: `0` is no number of at least 1",
            ),
            (
                "redis://localhost?protocol=resp4",
                "parameter `protocol`: `resp4` is no protocol; known are `resp2` and `newest`",
            ),
            (
                "redis://localhost/five",
                "the path `/five` is no database number; write redis://host/5",
            ),
            (
                "redis://localhost/5?database=6",
                "the database is given twice, in the path and as a parameter",
            ),
            (
                "redis://:a@localhost?password=b",
                "parameter `password`: the password is given twice",
            ),
            (
                "redis://alice@localhost",
                "a user without a password: write redis://user:password@host, or redis://:password@host",
            ),
            (
                "redis://localhost:99999",
                "the port is no number up to 65535",
            ),
            ("redis://", "the URL names no host: write redis://host"),
            (
                "unix://tmp/x.sock",
                "a Unix socket has no host: write three slashes, unix:///path/of/socket",
            ),
            (
                "redis://localhost#x",
                "a URL has no use for a fragment (`#…`); a `#` within a password is written `%23`",
            ),
        ] {
            let error = Config::from_url(url).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text}; nothing was sent"),
                "{url}"
            );
        }
    }
}
