//! Builder, URL and file say the same.

use std::time::Duration;

use proptest::prelude::*;
use typedis_core::{Backoff, Budget, Config, Limits, Protocol};

/// A configuration in which nothing is as by default.
fn everything() -> Config {
    let mut limits = Limits::default();
    (limits.max_depth, limits.max_elements) = (7, 8_000);
    (limits.max_bulk, limits.max_line) = (3 << 20, 1000);
    let config = Config::tcp("::1", 7000)
        .or_tcp("b.example", 7001)
        .or_tcp("fe80::1", 6379)
        .database(5)
        .credentials("ali@ce", "p#s/s?&=%")
        .client_name("w:x&y")
        .protocol(Protocol::Resp2)
        .connect_timeout(Duration::from_millis(1500))
        .command_timeout(Duration::from_secs(90))
        .liveness(None)
        .keep_alive(Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::from_micros(50),
            longest: Duration::from_secs(3600),
        })
        .budget(Budget {
            bytes: 12_345,
            commands: 678,
        })
        .limits(limits)
        .lanes(4)
        .min_lanes(3)
        .leases(9)
        .idle_timeout(None)
        .max_age(Duration::from_secs(7200))
        .on_lag(typedis_core::Lag::Close)
        .capacity_bytes(1 << 16)
        .capacity_messages(77)
        .maint_notifications(typedis_core::MaintNotifications::Auto)
        .maint_endpoint(typedis_core::MovingEndpoint::ExternalFqdn)
        .maint_extra_time(Duration::from_secs(20));
    #[cfg(feature = "tls")]
    let config = config.tls(
        typedis_core::Tls::new()
            .ca_file("/etc/ssl/ca one.pem")
            .system_roots(false)
            .identity_files("/etc/ssl/cert.pem", "/etc/ssl/key.pem")
            .server_name("cache.example")
            .min_version(typedis_core::TlsVersion::V1_3)
            .danger_accept_invalid_certs(true)
            .danger_accept_invalid_hostnames(true),
    );
    config
}

#[test]
fn every_setting_survives_a_url() {
    let url = everything().to_url_with_secrets();
    assert_eq!(Config::from_url(&url).unwrap(), everything(), "{url}");
    let socket = Config::unix("/tmp/a b?c.sock")
        .database(3)
        .credentials("u", "p w")
        .lanes(1);
    let url = socket.to_url_with_secrets();
    assert_eq!(Config::from_url(&url).unwrap(), socket, "{url}");
}

#[cfg(feature = "serde")]
#[test]
fn every_setting_survives_a_file() {
    let masked = everything().credentials("ali@ce", "***");
    let text = serde_json::to_string(&masked).unwrap();
    assert_eq!(
        serde_json::from_str::<Config>(&text).unwrap(),
        masked,
        "{text}"
    );
    // A URL and a file have the same names for everything.
    let url = everything().to_url();
    let names = |text: &str| text.matches('=').count();
    let in_url = names(url.split_once('?').unwrap().1);
    let in_file = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text)
        .unwrap()
        .len();
    // host, port, username, password and database stand before the `?`; TLS is the scheme.
    assert_eq!(in_file, in_url + if cfg!(feature = "tls") { 6 } else { 5 });
}

#[cfg(feature = "serde")]
#[test]
fn a_file_may_nest_and_mix() {
    let config: Config = serde_json::from_str(
        r#"{
            "url": "redis://worker:secret@localhost/5",
            "command_timeout": "2s",
            "lanes": 4,
            "hosts": ["b:7001", "c:7002"],
            "backoff": {"first": "5ms", "longest": "1s"},
            "budget": {"bytes": "1MiB"},
            "max_age": null
        }"#,
    )
    .unwrap();
    let expected = Config::tcp("localhost", 6379)
        .credentials("worker", "secret")
        .database(5)
        .command_timeout(Duration::from_secs(2))
        .lanes(4)
        .or_tcp("b", 7001)
        .or_tcp("c", 7002)
        .backoff(Backoff {
            first: Duration::from_millis(5),
            longest: Duration::from_secs(1),
        })
        .budget(Budget {
            bytes: 1 << 20,
            ..Budget::default()
        });
    assert_eq!(config, expected);
    assert_eq!(
        serde_json::from_str::<Config>("\"redis://localhost/3\"").unwrap(),
        Config::tcp("localhost", 6379).database(3)
    );
    for (text, reason) in [
        ("{}", "no server is named: give `url`, `host` or `socket`"),
        (
            r#"{"host":"a","lane":2}"#,
            "unknown parameter `lane`; did you mean `lanes`?",
        ),
        (
            r#"{"host":"a","command_timeout":5}"#,
            "parameter `command_timeout`: `5` is no duration",
        ),
        (r#"{"url":"redis://a","host":"b"}"#, "`host` is given twice"),
        (
            r#"{"url":"redis://:x@a","password":"b"}"#,
            "`password` is given twice",
        ),
        (
            r#"{"host":"a","socket":"/b"}"#,
            "`socket` and `host` exclude each other",
        ),
        (
            r#"{"host":"a","backoff":{"first":{"x":1}}}"#,
            "expected a text, a number or a truth value",
        ),
        (
            r#"{"host":"a","lanes":-1}"#,
            "parameter `lanes`: `-1` is no number of at least 1",
        ),
        (
            r#"{"host":"a","lanes":1.5}"#,
            "parameter `lanes`: `1.5` is no number of at least 1",
        ),
        ("[]", "expected a URL, or a map of settings"),
        ("7", "expected a URL, or a map of settings"),
    ] {
        let error = serde_json::from_str::<Config>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

/// A file gives `1.10` as the number 1.1, and `yes` as a truth value.
#[cfg(feature = "serde")]
#[test]
fn passwords_and_names_are_not_made_of_numbers_and_switches() {
    for name in [
        "username",
        "user",
        "password",
        "client_name",
        "service",
        "sentinel_username",
        "sentinel_password",
        #[cfg(feature = "tls")]
        "tls_pkcs12_password",
    ] {
        for value in ["1.10", "1e5", "true", "[7, 8]", r#"{"7": 8}"#] {
            let text = format!(r#"{{"host":"a","{name}":{value}}}"#);
            let error = serde_json::from_str::<Config>(&text).unwrap_err();
            let reason = format!("parameter `{name}`: this is no text; write it in quotes");
            assert!(error.to_string().starts_with(&reason), "{error}");
        }
    }
    let nested = r#"{"host":"a","sentinel":{"password":1.10}}"#;
    let error = serde_json::from_str::<Config>(nested).unwrap_err();
    assert!(error.to_string().contains("`sentinel_password`"), "{error}");
    for (value, password) in [
        ("12345", "12345"),
        (r#""1.10""#, "1.10"),
        (r#""true""#, "true"),
    ] {
        let text = format!(r#"{{"host":"a","password":{value},"lanes":4}}"#);
        assert_eq!(
            serde_json::from_str::<Config>(&text).unwrap(),
            Config::tcp("a", 6379).password(password).lanes(4)
        );
    }
}

#[test]
fn other_ways_to_write_the_same() {
    let plain = Config::tcp("localhost", 6379);
    for (url, config) in [
        ("redis://localhost", plain.clone()),
        ("valkey://localhost:6379/", plain.clone()),
        ("redis://localhost?", plain.clone()),
        ("redis://localhost?&lanes=2&", plain.clone()),
        ("redis://@localhost:/0", plain.clone()),
        (
            "redis://localhost?db=3&name=w",
            plain.clone().database(3).client_name("w"),
        ),
        (
            "redis://user:pass@localhost",
            plain.clone().credentials("user", "pass"),
        ),
        ("redis://:pass@localhost", plain.clone().password("pass")),
        (
            "redis://localhost?user=user&password=pass",
            plain.clone().credentials("user", "pass"),
        ),
        ("redis://localhost?protocol=3", plain.clone()),
        ("redis://localhost?port=1", Config::tcp("localhost", 1)),
        (
            "redis://a:1,b,[::2]:3/4",
            Config::tcp("a", 1)
                .or_tcp("b", 6379)
                .or_tcp("::2", 3)
                .database(4),
        ),
        ("redis://[2001:db8::1]", Config::tcp("2001:db8::1", 6379)),
        (
            "unix:///run/redis.sock?db=2",
            Config::unix("/run/redis.sock").database(2),
        ),
        (
            "redis+unix://:pw@/run/a%20b",
            Config::unix("/run/a b").password("pw"),
        ),
        ("unix:/run/redis.sock", Config::unix("/run/redis.sock")),
        (
            "redis://localhost?command_timeout=1m30s",
            plain.command_timeout(Duration::from_secs(90)),
        ),
    ] {
        assert_eq!(Config::from_url(url).unwrap(), config, "{url}");
    }
}

#[test]
fn a_host_with_colons_survives_being_written_as_a_url() {
    for host in ["::1", "2001:db8::7", "fe80::1%eth0", "edu:+name", "a:b"] {
        let config = Config::tcp(host, 7);
        let url = config.to_url_with_secrets();
        assert_eq!(Config::from_url(&url).unwrap(), config, "{url}");
    }
}

#[test]
fn an_empty_password_survives_being_written_as_a_url() {
    let plain = Config::tcp("localhost", 1);
    for config in [plain.clone().password(""), plain.credentials("ada", "")] {
        let url = config.to_url_with_secrets();
        assert_eq!(Config::from_url(&url).unwrap(), config, "{url}");
    }
}

#[test]
fn a_relative_path_survives_being_written_as_a_url() {
    for path in ["28", "run:1", "run/redis.sock", "a b", "redis"] {
        let config = Config::unix(path).database(1);
        assert_eq!(Config::from_url(&config.to_url()).unwrap(), config);
        let config = Config::unix(path);
        assert_eq!(Config::from_url(&config.to_url()).unwrap(), config);
    }
}

#[test]
fn schemes_know_no_case() {
    for (url, plain) in [
        ("REDIS://localhost/2", "redis://localhost/2"),
        ("Valkey://localhost", "valkey://localhost"),
        ("Unix:///run/x.sock", "unix:///run/x.sock"),
        (
            "REDIS+Sentinel://a:1,b:2/main",
            "redis+sentinel://a:1,b:2/main",
        ),
    ] {
        let (url, plain) = (Config::from_url(url), Config::from_url(plain));
        assert_eq!(url.unwrap(), plain.unwrap());
    }
    #[cfg(feature = "tls")]
    assert_eq!(
        Config::from_url("REDISS://localhost").unwrap(),
        Config::from_url("rediss://localhost").unwrap()
    );
}

#[test]
fn an_empty_password_without_a_user_is_none() {
    for url in ["redis://:@localhost", "redis://@localhost"] {
        assert_eq!(
            Config::from_url(url).unwrap(),
            Config::from_url("redis://localhost").unwrap()
        );
    }
    let with_user = Config::from_url("redis://ada:@localhost").unwrap();
    assert_ne!(with_user, Config::from_url("redis://localhost").unwrap());
}

#[test]
fn a_path_may_end_with_a_slash() {
    for (url, plain) in [
        ("redis://localhost/0/", "redis://localhost"),
        ("redis://localhost/5/", "redis://localhost/5"),
        (
            "redis+sentinel://localhost/main/5/",
            "redis+sentinel://localhost/main/5",
        ),
    ] {
        assert_eq!(
            Config::from_url(url).unwrap(),
            Config::from_url(plain).unwrap()
        );
    }
    assert!(Config::from_url("redis://localhost/5//").is_err());
}

#[test]
fn the_parameters_of_other_clients_lead_to_ours() {
    for name in ["timeout", "socket_timeout", "response_timeout"] {
        let error = Config::from_url(&format!("redis://localhost?{name}=5s")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did you mean `command_timeout`?"),
            "{error}"
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    let config = Config::from_url("redis://worker:hunter2@localhost").unwrap();
    assert!(!format!("{config:?} {}", config.to_url()).contains("hunter2"));
    assert_eq!(config.to_url(), "redis://worker:***@localhost:6379");
    for url in [
        "redis://worker:hunter2@local host",
        "redis://worker:hunter2@localhost?lanes=x",
        "redos://worker:hunter2@localhost",
        "redis://localhost?password=hunter2&password=hunter2",
        "redis://:hunter2@localhost?password=hunter2",
        "redis://worker:hunter2@localhost#hunter2",
        "redis://worker:hunter2%ff@localhost",
    ] {
        let error = Config::from_url(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

/// The rest of such a password is read as a host, a path or a parameter.
#[test]
fn a_password_that_was_not_encoded_is_not_shown() {
    for url in [
        "redis://default:12/hunter2@host",
        "redis://default:1/hunter2#5@host",
        "redis://default:/hunter2@host/5",
        "redis://default:p@ss/hunter2@host",
        "redis://default:p@ss/word?hunter2@host",
        "redis://default:?hunter2@h",
        "redis://default:1?hunter2=x@h",
        "redis://default:1?x=y&hunter2=x@h",
        "redis://default:1?hunter2=x&lanes&y@h",
        "redis://default:hunter2/@host",
        "redis://default:1,hunter2/@host",
        "redis+sentinel://u:1/hunter2@host",
        "redis+sentinel://u:1?hunter2@host/main",
        "redis+sentinel://u,x:1/hunter2@host",
        "redis://default:1?clientname=hunter2@host",
        "redis-cluster://default:12/hunter2@host",
        "unix://u:12/hunter2@/run/x.sock",
        "unix://u:?hunter2@/run/x.sock",
        "unix:///run/x.sock?hunter2@",
        "redis://localhost?password=a&hunter2",
        "redis://localhost?password=a&hunter2=b",
        "redis://localhost?lanes=2&password=a&b&hunter2",
    ] {
        let error = Config::from_url(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    for (url, reason) in [
        (
            "redis://default:12/x@host",
            "`/`, `?` and `@` are written `%2F`, `%3F` and `%40`",
        ),
        (
            "redis://default:12/x#y@host",
            "a `#` within a password is written `%23`",
        ),
        (
            "redis://host?password=a&b",
            "A `&` within a password is written `%26`",
        ),
        ("redis://host?password=a&lane=2", "did you mean `lanes`?"),
        (
            "redis://host?clientname=me@here",
            "if a parameter is meant, did you mean `client_name`?",
        ),
    ] {
        let error = Config::from_url(url).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn an_at_sign_in_a_path_or_in_a_value_is_no_fault() {
    assert_eq!(
        Config::from_url("unix:///run/a@b.sock").unwrap(),
        Config::unix("/run/a@b.sock")
    );
    assert_eq!(
        Config::from_url("redis://host/3?password=p@ss&name=me@here").unwrap(),
        Config::tcp("host", 6379)
            .database(3)
            .password("p@ss")
            .client_name("me@here")
    );
}

#[cfg(feature = "tls")]
#[test]
fn a_key_that_stands_beside_its_certificate_is_not_shown() {
    use typedis_core::Tls;
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let both = format!(
        "{CERTIFICATE}-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"
    );
    for tls in [
        Tls::new().identity_pem(&both, &both),
        Tls::new().ca_pem(&both),
        Tls::new().pkcs12(&both, "pw"),
        // In place of paths.
        Tls::new().identity_files(&both, &both),
        Tls::new().ca_file(&both),
    ] {
        let config = Config::tcp("localhost", 6379).tls(tls);
        assert!(!format!("{config:?} {}", config.to_url()).contains("hunter2"));
        #[cfg(feature = "serde")]
        assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
        let url = config.to_url_with_secrets();
        assert_eq!(Config::from_url(&url).unwrap(), config);
    }
    // A certificate alone is no secret.
    let config = Config::tcp("localhost", 6379).tls(Tls::new().ca_pem(CERTIFICATE));
    assert!(config.to_url().contains("MIIB"));
}

proptest! {
    #[test]
    fn any_credentials_survive_a_url(user in "\\PC{1,20}", password in "\\PC{0,20}") {
        let config = Config::tcp("localhost", 6379).credentials(user, password);
        prop_assert_eq!(Config::from_url(&config.to_url_with_secrets()).unwrap(), config);
    }
}
