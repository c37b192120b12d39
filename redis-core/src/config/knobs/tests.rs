//! The table in the documentation of [`Config`] is that of the settings, and 0 is refused where it leaves nothing.

use std::time::Duration;

use super::*;
use crate::config::{Backoff, Budget, Lag, MovingEndpoint};
use crate::wire::Limits;

/// A row of the documentation.
struct Row {
    /// The setting, and the other names that are read.
    names: Vec<&'static str>,
    method: &'static str,
    default: Option<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("../builder.rs").lines();
    let rows = lines.filter_map(|line| line.strip_prefix("/// | `"));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let mut cell = || cells.next().expect("a row has four cells");
        Row {
            names: cell()
                .split('`')
                .step_by(2)
                .filter(|name| !name.is_empty())
                .collect(),
            method: cell().split('`').nth(1).expect("it names a method"),
            default: cell().split('`').nth(1),
        }
    })
    .collect()
}

#[test]
fn the_table_of_settings_has_each_of_them_with_its_other_names_and_its_default() {
    let mut listed: Vec<_> = rows().into_iter().map(|row| row.names).collect();
    let names = |knob: &Knob| [&[knob.name][..], knob.aliases].concat();
    let mut known: Vec<_> = all().map(names).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
    let defaults = Config::tcp("", Address::DEFAULT_PORT);
    for row in rows() {
        let knob = called(row.names[0]).expect("it is known");
        let default = (knob.get)(&defaults).filter(|text| !text.is_empty());
        // Those of TLS are what `tls = on` stands for, and are not written.
        let is_of_tls = knob.name.starts_with("tls_");
        assert!(
            row.default == default.as_deref() || is_of_tls,
            "{}: {default:?}",
            knob.name
        );
    }
}

/// A configuration whose builder makes one setting, and the method that does it.
type Made = (&'static str, &'static str, Config);

macro_rules! made {
    ($($name:literal: $method:ident($($argument:expr),*);)+) => {
        vec![$(($name, stringify!($method), Config::tcp("a", 1).$method($($argument),*)),)+]
    };
}

fn made() -> Vec<Made> {
    let time = Duration::from_secs(77);
    let (first, bytes) = (Duration::from_millis(7), 77);
    let mut limits = Limits::default();
    (limits.max_depth, limits.max_elements) = (7, 77);
    (limits.max_bulk, limits.max_line) = (777, 7777);
    let mut made = made! {
        "hosts": or_tcp("b", 2);
        "role": role(ServiceRole::Replica);
        "sentinel_username": sentinel_credentials("u", "p");
        "sentinel_password": sentinel_password("p");
        "username": credentials("u", "p");
        "password": password("p");
        "database": database(7);
        "client_name": client_name("n");
        "protocol": protocol(Protocol::Resp2);
        "connect_timeout": connect_timeout(time);
        "command_timeout": command_timeout(time);
        "liveness": liveness(time);
        "keep_alive": keep_alive(time);
        "backoff_first": backoff(Backoff { first, longest: time });
        "backoff_longest": backoff(Backoff { first, longest: time });
        "budget_bytes": budget(Budget { bytes, commands: 7 });
        "budget_commands": budget(Budget { bytes, commands: 7 });
        "max_depth": limits(limits);
        "max_elements": limits(limits);
        "max_bulk": limits(limits);
        "max_line": limits(limits);
        "lanes": lanes(7);
        "min_lanes": min_lanes(1);
        "leases": leases(7);
        "idle_timeout": idle_timeout(time);
        "max_age": max_age(time);
        "lag": on_lag(Lag::Wait);
        "capacity_bytes": capacity_bytes(bytes);
        "capacity_messages": capacity_messages(7);
        "maint_notifications": maint_notifications(MaintNotifications::Auto);
        "maint_endpoint": maint_endpoint(MovingEndpoint::None);
        "maint_extra_time": maint_extra_time(time);
    };
    made.extend([
        ("host", "tcp", Config::tcp("a", 1)),
        ("port", "tcp", Config::tcp("a", 1)),
        ("socket", "unix", Config::unix("/a")),
        ("service", "sentinel", Config::sentinel("s", [("a", 1)])),
    ]);
    #[cfg(feature = "cluster")]
    made.extend([
        ("cluster", "cluster", Config::cluster([("a", 1)])),
        (
            "read_from",
            "read_from",
            Config::tcp("a", 1).read_from(crate::config::ReadFrom::Any),
        ),
    ]);
    #[cfg(feature = "tls")]
    made.extend(made_of_tls());
    made
}

#[cfg(feature = "tls")]
fn made_of_tls() -> Vec<Made> {
    use crate::config::{Tls, TlsVersion};
    let with = |tls| Config::tcp("a", 1).tls(tls);
    macro_rules! made {
        ($($name:literal: $method:ident($($argument:expr),*);)+) => {
            vec![
                ("tls", "tls", with(Tls::new())),
                $(($name, concat!("Tls::", stringify!($method)), with(Tls::new().$method($($argument),*))),)+
            ]
        };
    }
    made! {
        "tls_ca": ca_file("a.pem");
        "tls_system_roots": system_roots(false);
        "tls_cert": identity_files("a.pem", "b.pem");
        "tls_key": identity_files("a.pem", "b.pem");
        "tls_pkcs12": pkcs12_file("a.p12", "p");
        "tls_pkcs12_password": pkcs12_file("a.p12", "p");
        "tls_server_name": server_name("a");
        "tls_min_version": min_version(TlsVersion::V1_3);
        "tls_danger_accept_invalid_certs": danger_accept_invalid_certs(true);
        "tls_danger_accept_invalid_hostnames": danger_accept_invalid_hostnames(true);
    }
}

#[test]
fn the_table_of_settings_has_the_method_that_makes_each() {
    let (rows, made) = (rows(), made());
    for (name, method, config) in &made {
        let row = rows.iter().find(|row| row.names[0] == *name);
        assert_eq!(row.expect("it is listed").method, *method, "{name}");
        let mut changed = settings(config, Secrets::Shown);
        assert!(changed.any(|(changed, _)| changed == *name), "{name}");
    }
    #[cfg(all(feature = "cluster", feature = "tls"))]
    assert_eq!(made.len(), rows.len());
}

#[test]
fn zero_is_refused_in_code_as_it_is_in_a_url() {
    let base = || Config::tcp("a", 1);
    for (name, config) in [
        ("lanes", base().lanes(0)),
        ("min_lanes", base().min_lanes(0)),
        ("leases", base().leases(0)),
        ("capacity_messages", base().capacity_messages(0)),
        ("capacity_bytes", base().capacity_bytes(0)),
        ("connect_timeout", base().connect_timeout(Duration::ZERO)),
        ("command_timeout", base().command_timeout(Duration::ZERO)),
    ] {
        let said = config.check().expect_err(name).to_string();
        assert!(
            said.contains(&format!("parameter `{name}`: `0")),
            "{name}: {said}"
        );
        let read = Config::from_url(&format!("redis://a?{name}=0")).expect_err(name);
        assert!(
            read.to_string()
                .contains(&format!("parameter `{name}`: `0")),
            "{name}: {read}"
        );
    }
}
