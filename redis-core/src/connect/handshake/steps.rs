//! The commands of a handshake, as the configuration and the protocol want them.

use std::net::IpAddr;

use crate::config::{Config, Credentials, MaintNotifications, MovingEndpoint};

/// One step of the handshake.
pub(super) struct HandshakeStep {
    pub(super) words: Vec<Vec<u8>>,
    pub(super) on_error: OnError,
}

/// What a step's error means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// The server may not know RESP3.
    MayBeOld,
    Fail,
    /// Not needed: a server that does not know it, or does not allow it, can be used.
    Optional,
}

pub(super) fn resp3_steps(
    config: &Config,
    credentials: Option<&Credentials>,
    peer: Option<IpAddr>,
) -> Vec<HandshakeStep> {
    let mut hello = vec![b"HELLO".to_vec(), b"3".to_vec()];
    if let Some(credentials) = credentials {
        let user = credentials.username.as_deref().unwrap_or("default");
        let password = credentials.password.expose();
        hello.extend([b"AUTH".to_vec(), user.into(), password.into()]);
    }
    let mut steps = vec![HandshakeStep {
        words: hello,
        on_error: OnError::MayBeOld,
    }];
    steps.extend(maintenance_step(config, peer));
    steps.extend(common_steps(config));
    steps
}

/// Asks for announcements of maintenance. They are pushes, so this is a step of RESP3 only.
fn maintenance_step(config: &Config, peer: Option<IpAddr>) -> Option<HandshakeStep> {
    let on_error = match config.maintenance.notifications {
        MaintNotifications::Off => return None,
        MaintNotifications::Auto => OnError::Optional,
        MaintNotifications::On => OnError::Fail,
    };
    let mut words = vec!["CLIENT", "MAINT_NOTIFICATIONS", "ON"];
    if let Some(endpoint) = moving_endpoint(config, peer) {
        words.extend(["moving-endpoint-type", endpoint]);
    }
    Some(HandshakeStep {
        words: words.into_iter().map(|word| word.into()).collect(),
        on_error,
    })
}

/// Which address of a new node the server is to name; `None` leaves it to the server.
fn moving_endpoint(config: &Config, peer: Option<IpAddr>) -> Option<&'static str> {
    // With Sentinels, these say where the new node is.
    if config.service().is_some() {
        return Some("none");
    }
    Some(match config.maintenance.endpoint {
        MovingEndpoint::InternalIp => "internal-ip",
        MovingEndpoint::InternalFqdn => "internal-fqdn",
        MovingEndpoint::ExternalIp => "external-ip",
        MovingEndpoint::ExternalFqdn => "external-fqdn",
        MovingEndpoint::None => "none",
        MovingEndpoint::Auto => match (is_private(peer?), speaks_tls(config)) {
            (true, false) => "internal-ip",
            (true, true) => "internal-fqdn",
            (false, false) => "external-ip",
            (false, true) => "external-fqdn",
        },
    })
}

#[cfg(feature = "tls")]
fn speaks_tls(config: &Config) -> bool {
    config.tls.is_some()
}

#[cfg(not(feature = "tls"))]
fn speaks_tls(_: &Config) -> bool {
    false
}

/// Whether an address is not one of the public internet.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // RFC 6598: shared by the customers of a carrier.
            let is_shared = matches!(address.octets(), [100, second, ..] if second & 0xc0 == 64);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
        }
    }
}

pub(super) fn resp2_steps(
    config: &Config,
    credentials: Option<&Credentials>,
) -> Vec<HandshakeStep> {
    let mut steps = Vec::new();
    if let Some(credentials) = credentials {
        let mut words = vec![b"AUTH".to_vec()];
        words.extend(credentials.username.clone().map(String::into_bytes));
        words.push(credentials.password.expose().into());
        steps.push(HandshakeStep {
            words,
            on_error: OnError::Fail,
        });
    }
    steps.extend(common_steps(config));
    steps
}

fn common_steps(config: &Config) -> Vec<HandshakeStep> {
    let step = |words: &[&str], on_error| HandshakeStep {
        words: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        on_error,
    };
    let mut steps = Vec::new();
    if config.database != 0 {
        steps.push(step(
            &["SELECT", &config.database.to_string()],
            OnError::Fail,
        ));
    }
    if let Some(name) = &config.client_name {
        steps.push(step(&["CLIENT", "SETNAME", name], OnError::Optional));
    }
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-NAME", "typedis"],
        OnError::Optional,
    ));
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
        OnError::Optional,
    ));
    steps.extend(config.introduction.iter().map(|introduction| {
        let on_error = if introduction.optional {
            OnError::Optional
        } else {
            OnError::Fail
        };
        step(introduction.words, on_error)
    }));
    steps
}

/// Leaves out what the server need not know. Something is said all the same: that a socket is open does not mean that there is a
/// server.
pub(super) fn leave_out_extras(steps: &mut Vec<HandshakeStep>) {
    steps.retain(|step| step.on_error != OnError::Optional);
    if steps.is_empty() {
        steps.push(HandshakeStep {
            words: vec![b"PING".to_vec()],
            on_error: OnError::Optional,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::config::Config;

    #[test]
    fn addresses_of_private_networks_are_told_from_public_ones() {
        for (address, private) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("100.128.0.1", false),
            ("172.32.0.1", false),
            ("54.78.247.156", false),
            ("2001:db8::1", false),
            ("::ffff:54.78.247.156", false),
        ] {
            assert_eq!(
                super::is_private(address.parse().unwrap()),
                private,
                "{address}"
            );
        }
    }

    #[test]
    fn a_service_is_asked_for_no_endpoint_because_sentinels_name_it() {
        let config = Config::from_url("redis+sentinel://10.0.0.1/service").unwrap();
        let peer = Some("10.0.0.2".parse().unwrap());
        assert_eq!(super::moving_endpoint(&config, peer), Some("none"));
    }
}
