//! One run of one program.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::built::Built;
use super::data;
use super::plan::{Client, Via, Workload};
use super::servers::Servers;
use crate::Result;

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
