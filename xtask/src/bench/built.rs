//! The programs of the peers: [`Built`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::place;
use super::plan::{Client, TYPEDIS, Via, Workload};
use crate::{Result, cargo, screen};

/// The program of the relays.
pub(super) const RELAY: &str = "relay";

/// The programs that were built.
#[derive(Debug, Clone, Default)]
pub(super) struct Built {
    /// Whether they speak TLS.
    pub(super) with_tls: bool,
    /// Where each is, by its name without `peer-`.
    programs: BTreeMap<String, PathBuf>,
}

impl Built {
    pub(super) fn has(&self, program: &str) -> bool {
        self.programs.contains_key(program)
    }

    /// Where a program is.
    pub(super) fn path(&self, program: &str) -> Result<&Path> {
        let path = self.programs.get(program).map(PathBuf::as_path);
        path.ok_or_else(|| format!("peer-{program} was not built").into())
    }
}

/// Builds the programs that these workloads and clients need, as users would build them; with TLS if a workload needs
/// it and it can be built here. One that does not build does not hold up the others.
pub(super) fn build(workloads: &[Workload], clients: &[Client]) -> Result<Built> {
    let uses_tls = workloads.iter().any(|one| one.via == Via::Tls);
    let with_tls = uses_tls && cargo::has_openssl();
    let mut programs: Vec<&str> = clients.iter().map(|client| client.program).collect();
    if workloads.iter().any(|one| one.via.is_relayed()) {
        programs.push(RELAY);
    }
    programs.sort_unstable();
    programs.dedup();
    let mut command = cargo::command(words(&programs, with_tls));
    command
        .current_dir(place::folder())
        .env("CARGO_TARGET_DIR", place::target());
    let (paths, succeeded) = cargo::build(command)?;
    let built = Built {
        with_tls,
        programs: peers(paths),
    };
    if !succeeded {
        let missing: Vec<&str> = programs
            .into_iter()
            .filter(|program| !built.has(program))
            .collect();
        screen::failure(&format!("These did not build: {}", missing.join(", ")));
    }
    if built.has(TYPEDIS.program) || !clients.contains(&TYPEDIS) {
        Ok(built)
    } else {
        Err("the program of typedis was not built".into())
    }
}

/// The words of a cargo that builds these programs, and goes on when one fails.
fn words(programs: &[&str], with_tls: bool) -> Vec<String> {
    let fixed = ["build", "--release", "--keep-going"];
    let mut words: Vec<String> = fixed.map(str::to_owned).into();
    for program in programs {
        words.extend(["--package".to_owned(), format!("peer-{program}")]);
        if with_tls {
            words.extend(["--features".to_owned(), format!("peer-{program}/tls")]);
        }
    }
    words
}

/// The programs of the peers among those that cargo made.
fn peers(paths: Vec<PathBuf>) -> BTreeMap<String, PathBuf> {
    let named = paths.into_iter().filter_map(|path| {
        let name = path.file_stem()?.to_str()?.strip_prefix("peer-")?;
        Some((name.to_owned(), path))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_where_cargo_made_them() {
        // Where cargo builds for a target that has a name, an old program may be in `/target/release`.
        let fred = "/target/x86_64-unknown-linux-musl/release/peer-fred";
        let paths = [fred, "/target/x86_64-unknown-linux-musl/release/other"];
        let built = Built {
            with_tls: false,
            programs: peers(paths.map(PathBuf::from).into()),
        };
        assert!(built.has("fred") && !built.has("glide"));
        assert_eq!(built.path("fred").ok(), Some(Path::new(fred)));
        assert!(built.path("glide").is_err());
    }

    #[test]
    fn tls_is_a_feature_of_each_program_that_is_built() {
        let words = words(&["fred", "relay"], true).join(" ");
        assert!(words.ends_with(
            "--package peer-fred --features peer-fred/tls --package peer-relay --features peer-relay/tls"
        ));
    }
}
