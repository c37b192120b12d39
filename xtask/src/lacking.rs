//! What is left out of the tests because this machine lacks something. The tests themselves pass without it, so that they can run
//! wherever there is Rust, a C compiler and Python; what was left out is said at the end of `test` and `ci`.

use std::env;
use std::path::PathBuf;

use typedis_testkit::{ServerKind, servers};

use crate::{Result, cargo, msrv, screen};

/// TLS is left out: what to say of it.
pub(crate) const NO_TLS: &str = "everything over TLS: there are no headers of OpenSSL here (Debian: apt install libssl-dev pkg-config)";

/// What this machine has of all that the tests can use.
#[derive(Debug, Clone, Copy)]
struct Machine {
    openssl: bool,
    redis_8_10: bool,
    /// A pinned server that was built with TLS.
    server_with_tls: bool,
    system_redis: bool,
    chromium: bool,
}

/// Says what the tests left out.
pub(crate) fn note_tests() -> Result {
    note(&left_out(Machine::here()?));
    Ok(())
}

/// Says what the tests and the other steps of `ci` left out.
pub(crate) fn note_ci() -> Result {
    let mut parts = left_out(Machine::here()?);
    parts.extend(msrv::lacking()?);
    note(&parts);
    Ok(())
}

fn note(parts: &[String]) {
    for part in parts {
        screen::note(&format!("Left out: {part}"));
    }
}

impl Machine {
    fn here() -> Result<Self> {
        let tls = servers::find_present(ServerKind::Redis8_10)?;
        Ok(Self {
            openssl: cargo::has_openssl(),
            redis_8_10: tls.is_some(),
            server_with_tls: tls.is_some_and(|program| program.was_built_with_tls()),
            system_redis: servers::find_present(ServerKind::SystemRedis)?.is_some(),
            chromium: chromium().is_some(),
        })
    }
}

fn left_out(machine: Machine) -> Vec<String> {
    let mut parts = Vec::new();
    if !machine.redis_8_10 {
        parts.push("all tests of Redis 8.10: it could not be built here, which needs a C compiler and make");
    }
    if !machine.openssl {
        parts.push(NO_TLS);
    } else if machine.redis_8_10 && !machine.server_with_tls {
        parts.push("servers that speak TLS by themselves: Redis 8.10 was built without OpenSSL");
    }
    if !machine.system_redis {
        parts.push(
            "the server of the system: there is no redis-server (Debian: apt install redis-server)",
        );
    }
    if !machine.chromium {
        parts.push(
            "the reference in a browser: there is no Chromium (Debian: apt install chromium)",
        );
    }
    parts.into_iter().map(str::to_owned).collect()
}

/// The browser that the tests of the reference use.
pub(crate) fn chromium() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut programs =
        env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    programs.find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_is_not_here_is_said() {
        let all = Machine {
            openssl: true,
            redis_8_10: true,
            server_with_tls: true,
            system_redis: true,
            chromium: true,
        };
        assert!(left_out(all).is_empty());
        let none = Machine {
            openssl: false,
            redis_8_10: false,
            server_with_tls: false,
            system_redis: false,
            chromium: false,
        };
        let words = left_out(none).join("\n");
        for thing in ["OpenSSL", "Redis 8.10", "redis-server", "Chromium"] {
            assert!(words.contains(thing), "{words}");
        }
        let old = Machine {
            server_with_tls: false,
            ..all
        };
        assert_eq!(left_out(old).len(), 1);
    }
}
