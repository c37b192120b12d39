//! Settings are read from texts by `parse`, and written by `to_string`.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use typedis_core::{
    Address, Config, Error, ErrorKind, Lag, MaintNotifications, MovingEndpoint, Protocol,
    ServiceRole,
};

fn both_ways<T>(value: T, text: &str)
where
    T: FromStr<Err = Error> + Display + PartialEq + Debug,
{
    assert_eq!(value.to_string(), text);
    assert_eq!(text.parse::<T>().unwrap(), value);
}

/// What is said of a text that is no `T`.
fn refusal<T: FromStr<Err = Error> + Debug>(text: &str) -> String {
    let error = text.parse::<T>().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
    error.to_string()
}

#[test]
fn settings_are_read_from_texts_and_written_as_such() {
    both_ways(Lag::DropOldest, "drop_oldest");
    both_ways(Lag::Close, "close");
    both_ways(Protocol::Newest, "newest");
    both_ways(Protocol::Resp2, "resp2");
    both_ways(ServiceRole::Primary, "primary");
    both_ways(ServiceRole::Replica, "replica");
    both_ways(MaintNotifications::Auto, "auto");
    both_ways(MovingEndpoint::ExternalFqdn, "external-fqdn");
    #[cfg(feature = "cluster")]
    both_ways(
        typedis_core::cluster::ReadFrom::Zone("eu-1".into()),
        "zone:eu-1",
    );
    #[cfg(feature = "tls")]
    both_ways(typedis_core::TlsVersion::V1_3, "1.3");
    assert_eq!(format!("{:>8}", Lag::Wait), "    wait");
    let said = refusal::<Lag>("drop");
    assert!(
        said.contains("known are `drop_oldest`, `wait` and `close`"),
        "{said}"
    );
}

#[test]
fn addresses_and_configurations_are_read_from_texts() {
    both_ways(Address::Tcp("cache".into(), 7000), "cache:7000");
    both_ways(Address::Tcp("::1".into(), 7000), "[::1]:7000");
    both_ways(Address::Unix("/run/redis.sock".into()), "/run/redis.sock");
    let address: Address = "cache".parse().unwrap();
    assert_eq!(address, Address::Tcp("cache".into(), 6379));
    for wrong in ["", "cache:0", "cache:x", "a b", "/a\0b", "[::1"] {
        refusal::<Address>(wrong);
    }
    let said = refusal::<Address>("redis://cache");
    assert!(said.contains("`Config`"), "{said}");
    // The rest of a URL may hold a password.
    for with_login in [
        "ann:hunter2@cache",
        "[ann:hunter2@cache",
        "ann:hun/ter2@cache",
    ] {
        let said = refusal::<Address>(with_login);
        assert!(
            said.contains("has a login") && !said.contains("ter2"),
            "{said}"
        );
    }
    refusal::<Address>("cache:7000/0");
    let config: Config = "redis://cache:7000/5".parse().unwrap();
    assert_eq!(config, Config::tcp("cache", 7000).database(5));
    refusal::<Config>("redis://cache/five");
}
