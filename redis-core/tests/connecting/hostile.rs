//! Builder, URL and file refuse what is wrong, and say why.

use std::time::Duration;

use proptest::prelude::*;
use typedis_core::{Budget, Config};

/// URLs that say nothing that could be meant, and what is said of them.
const HOSTILE: [(&str, &str); 72] = [
    ("", "the URL cannot be read"),
    (" ", "the URL cannot be read"),
    ("localhost", "write `redis://localhost` ("),
    ("localhost:6379", "write `redis://localhost:6379` ("),
    ("redis:6379", "write `redis://redis:6379` ("),
    ("[::1]:6379", "write `redis://[::1]:6379` ("),
    ("me:secret@host", "unknown scheme `me`"),
    ("//localhost", "the URL cannot be read"),
    ("redis:", "the URL names no host: write redis://host"),
    ("redis://", "the URL names no host: write redis://host"),
    ("redis:///5", "the URL names no host: write redis://host"),
    ("redis://:6379", "the URL names no host: write redis://host"),
    (
        "redis://user:pass@",
        "the URL names no host: write redis://host",
    ),
    (
        "redos://localhost",
        "unknown scheme `redos`; did you mean `redis`?",
    ),
    ("http://localhost", "unknown scheme `http`; did you mean"),
    (
        "valkey+sentinl://localhost/a",
        "did you mean `valkey+sentinel`?",
    ),
    ("valkey+unx:///a", "did you mean `valkey+unix`?"),
    ("redis+tls://localhost", "unknown scheme `redis+tls`"),
    ("redis://local host", "the URL cannot be read"),
    ("redis://localhost\n", "the URL cannot be read"),
    ("redis://localhost\0", "the URL cannot be read"),
    ("redis://lo%00cal", "a host's name cannot contain '\\0'"),
    ("redis://a%2fb", "a host's name cannot contain '/'"),
    ("redis://a%20b", "a host's name cannot contain ' '"),
    ("redis://a%ff", "the host is not UTF-8 once percent-decoded"),
    ("redis://a%zz", "the URL cannot be read"),
    ("redis://[::1", "the URL cannot be read"),
    ("redis://::1", "the URL cannot be read"),
    ("redis://[::g]", "the URL cannot be read"),
    ("redis://localhost:0", "parameter `port`: `0` is no port"),
    (
        "redis://localhost:65536",
        "parameter `port`: `65536` is no port",
    ),
    ("redis://localhost:-1", "the URL cannot be read"),
    ("redis://localhost:99999999999999999999", "parameter `port`"),
    ("redis://localhost:six", "the URL cannot be read"),
    ("redis://a,", "parameter `hosts`: no host is named"),
    ("redis://a,b:x", "parameter `hosts`: `b:x` has no good port"),
    (
        "redis://a,[::1",
        "parameter `hosts`: `[::1` has a `[` without its `]`",
    ),
    (
        "redis://localhost/five",
        "the path `/five` is no database number; write redis://host/5",
    ),
    (
        "redis://localhost/-1",
        "the path `/-1` is no database number",
    ),
    (
        "redis://localhost/5/6",
        "the path `/5/6` is no database number",
    ),
    (
        "redis://localhost//5",
        "the path `//5` is no database number",
    ),
    (
        "redis://localhost/4294967296",
        "parameter `database`: `4294967296` is no number",
    ),
    (
        "redis://localhost/5?database=6",
        "`database` is given twice",
    ),
    ("redis://localhost/5?db=5", "`database` is given twice"),
    (
        "redis://localhost?db=5&database=5",
        "`database` is given twice",
    ),
    (
        "redis://:a@localhost?password=b",
        "`password` is given twice",
    ),
    (
        "redis://a:b@localhost?username=a",
        "`username` is given twice",
    ),
    ("redis://localhost?host=other", "`host` is given twice"),
    ("redis://localhost:1?port=1", "`port` is given twice"),
    (
        "redis://localhost?socket=/x",
        "`socket` and `host` exclude each other",
    ),
    ("redis://alice@localhost", "a user without a password"),
    (
        "redis://localhost?username=",
        "parameter `username`: the name is empty",
    ),
    (
        "redis://localhost?comand_timeout=1s",
        "unknown parameter `comand_timeout`; did you mean `command_timeout`?",
    ),
    ("redis://localhost?=1", "unknown parameter ``"),
    (
        "redis://localhost?lanes",
        "the parameter `lanes` has no value: write ?lanes=value",
    ),
    ("redis://localhost?LANES=2", "unknown parameter `LANES`"),
    (
        "redis://localhost?command_timeout=5",
        "`5` is no duration; write 500ms, 2s, 1m or 1h30m, or off",
    ),
    ("redis://localhost?command_timeout=", "`` is no duration"),
    (
        "redis://localhost?command_timeout=-1s",
        "`-1s` is no duration",
    ),
    (
        "redis://localhost?command_timeout=1.5s",
        "`1.5s` is no duration",
    ),
    (
        "redis://localhost?command_timeout=0s",
        "`0s` leaves no time at all; write `off` for no bound",
    ),
    (
        "redis://localhost?command_timeout=99999999999h",
        "is too long a time",
    ),
    (
        "redis://localhost?connect_timeout=off",
        "cannot be off: an attempt to connect has to end",
    ),
    (
        "redis://localhost?lanes=0",
        "`0` is no number of at least 1",
    ),
    (
        "redis://localhost?lanes=%2B2",
        "`+2` is no number of at least 1",
    ),
    (
        "redis://localhost?lanes=2&min_lanes=3",
        "`min_lanes` is more than `lanes`",
    ),
    (
        "redis://localhost?backoff_first=3s",
        "`backoff_first` is longer than `backoff_longest`",
    ),
    ("redis://localhost?budget_bytes=1MB", "`1MB` is no size"),
    (
        "redis://localhost?protocol=resp4",
        "`resp4` is no protocol; known are `resp2` and `newest`",
    ),
    ("redis://localhost?client_name=a%20b", "`a b` is no name"),
    (
        "unix://tmp/x.sock",
        "a Unix socket has no host: write three slashes, unix:///path/of/socket",
    ),
    ("redis://localhost#x", "a URL has no use for a fragment"),
];

#[test]
fn hostile_urls_are_errors_that_say_what_is_wrong() {
    for (url, reason) in HOSTILE {
        let error = match Config::from_url(url) {
            Ok(config) => panic!("{url:?} was read as {config:?}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(reason), "{url:?}: {error}");
        assert!(error.ends_with("; nothing was sent"), "{url:?}: {error}");
    }
}

#[test]
fn hostile_configurations_are_errors() {
    let good = || Config::tcp("localhost", 6379);
    for (config, reason) in [
        (Config::tcp("", 1), "parameter `host`"),
        (Config::tcp("a b", 1), "parameter `host`"),
        (Config::tcp("a", 0), "parameter `port`"),
        (Config::unix(""), "parameter `socket`"),
        (good().or_tcp("", 1), "parameter `hosts`"),
        (
            good().connect_timeout(Duration::ZERO),
            "parameter `connect_timeout`",
        ),
        (
            good().command_timeout(Duration::ZERO),
            "parameter `command_timeout`",
        ),
        (good().liveness(Duration::ZERO), "parameter `liveness`"),
        (good().max_age(Duration::ZERO), "parameter `max_age`"),
        (
            good().budget(Budget {
                bytes: 0,
                commands: 1,
            }),
            "parameter `budget_bytes`",
        ),
        (
            good().budget(Budget {
                bytes: 1,
                commands: 0,
            }),
            "parameter `budget_commands`",
        ),
        (good().client_name("a\r\nQUIT"), "parameter `client_name`"),
        (good().min_lanes(9), "`min_lanes` is more than `lanes`"),
        (good().credentials("", "x"), "parameter `username`"),
    ] {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_a_url_that_wants_it_says_so() {
    for (url, reason) in [
        (
            "rediss://localhost",
            "the scheme `rediss` is TLS, which this build lacks: enable the feature `tls` of typedis",
        ),
        (
            "valkeys://localhost",
            "the scheme `valkeys` is TLS, which this build lacks",
        ),
        (
            "redis://localhost?tls_ca=/x",
            "parameter `tls_ca`: this is TLS, which this build lacks",
        ),
        (
            "redis://localhost?tls=on",
            "parameter `tls`: this is TLS, which this build lacks",
        ),
    ] {
        let error = Config::from_url(url).unwrap_err().to_string();
        assert!(error.contains(reason), "{url}: {error}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn hostile_tls_settings_are_errors() {
    for (url, reason) in [
        (
            "redis://localhost?tls_ca=/x",
            "parameter `tls_ca`: this is of no use without TLS: write rediss://",
        ),
        ("rediss://localhost?tls=off", "`tls` is given twice"),
        ("rediss://localhost?tls_cert=/x", "needs its key, `tls_key`"),
        (
            "rediss://localhost?tls_key=/x",
            "needs its certificate, `tls_cert`",
        ),
        (
            "rediss://localhost?tls_cert=/x&tls_key=/y&tls_pkcs12=/z",
            "is given twice",
        ),
        (
            "rediss://localhost?tls_pkcs12_password=x",
            "is of no use without `tls_pkcs12`",
        ),
        (
            "rediss://localhost?tls_min_version=1.4",
            "`1.4` is no version of TLS; known are `1.0`, `1.1`, `1.2` and `1.3`",
        ),
        ("rediss://localhost?tls_ca=", "this is no path of a file"),
        (
            "rediss://localhost?tls_server_name=a%20b",
            "a host's name cannot contain ' '",
        ),
        (
            "rediss://localhost?danger_accept_invalid_certs=on",
            "did you mean `tls_danger_accept_invalid_certs`?",
        ),
        (
            "rediss://localhost?tls_danger_accept_invalid_certs=maybe",
            "`maybe` is neither `on` nor `off`",
        ),
        (
            "unix:///x?tls=on",
            "TLS over a Unix socket needs `tls_server_name`",
        ),
    ] {
        let error = Config::from_url(url).unwrap_err().to_string();
        assert!(error.contains(reason), "{url}: {error}");
    }
    // A key that is given as such is a secret, a path is none.
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter2\n";
    let config = Config::tcp("a", 1)
        .tls(typedis_core::Tls::new().identity_pem("-----BEGIN CERTIFICATE-----", pem));
    assert!(!format!("{config:?} {}", config.to_url()).contains("hunter2"));
    assert_eq!(
        Config::from_url(&config.to_url_with_secrets()).unwrap(),
        config
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = Config::from_url(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_url_makes_the_parser_panic(
        text in "(redis|rediss|unix|valkey)(\\+unix)?:(//)?[a-z0-9:@%,./\\[\\]?=&_#-]{0,50}"
    ) {
        if let Ok(config) = Config::from_url(&text) {
            prop_assert_eq!(Config::from_url(&config.to_url_with_secrets()).unwrap(), config);
        }
    }
}
