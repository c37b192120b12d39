//! One run of one program.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::data;
use super::place;
use super::plan::{Client, TYPEDIS, Via, Workload};
use super::servers::{RELAY, Servers};
use crate::{Result, cargo, screen};

/// The longest time of a program; one that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a client has no results.
pub(super) const NOT_BUILT: &str = "its program was not built";

/// A run of a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) client: Client,
    pub(super) workload: Workload,
    pub(super) size: usize,
    pub(super) threads: u8,
    /// It measures until it has used this much CPU time …
    pub(super) cpu_milliseconds: u64,
    /// … or this much time has passed.
    pub(super) milliseconds: u64,
    pub(super) messages: u64,
}

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

impl Task {
    /// Runs it; `None` if the client does not have this workload.
    pub(super) fn run(self, built: &Built, servers: &Servers) -> Result<Option<Value>> {
        let program = built.path(self.client.program)?;
        let mut child = self.command(program, servers)?.spawn()?;
        let outcome = self.watch(&mut child, servers);
        // In any case it must not run beside the next one; it may have ended already.
        let _ = child.kill();
        let status = child.wait()?;
        let outcome = outcome.map_err(|error| format!("{error} ({status})"))?;
        Ok((outcome.get("unsupported").is_none()).then_some(outcome))
    }

    fn command(self, program: &Path, servers: &Servers) -> Result<Command> {
        let via = self.client.via(self.workload);
        let url = servers.url(via).ok_or("no such server")?;
        let mut command = Command::new(program);
        command
            .args(["--url", &url])
            .args((via == Via::Cluster).then_some("--cluster"))
            .args(["--workload", self.workload.name])
            .args(["--size", &self.size.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .args(["--cpu-ms", &self.cpu_milliseconds.to_string()])
            .args(["--ms", &self.milliseconds.to_string()])
            .args(["--count", &self.messages.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(authority) = servers.authority() {
            // The certificates that OpenSSL trusts by default, and so does each client.
            command.env("SSL_CERT_FILE", authority);
        }
        Ok(command)
    }

    fn watch(self, child: &mut Child, servers: &Servers) -> Result<Value> {
        let output = child.stdout.take().ok_or("its output is not there")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(|line| line.ok())
                .try_for_each(|line| sender.send(line))
        });
        loop {
            let line = lines.recv_timeout(PATIENCE).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => "no result within 60 s",
                mpsc::RecvTimeoutError::Disconnected => "it ended without a result",
            })?;
            if line == "ready" {
                let server = servers.server(self.workload.via).ok_or("no such server")?;
                data::publish(server, self.size, self.messages)?;
            } else {
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.workload.id();
        write!(f, "{} {id}, threads: {}", self.client.id, self.threads)
    }
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
