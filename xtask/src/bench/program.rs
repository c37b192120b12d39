//! One run of one program.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use typedis_testkit::Server;

use super::data;
use super::plan::Client;
use crate::{Result, cargo};

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program is to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) client: Client,
    pub(super) name: &'static str,
    pub(super) size: usize,
    pub(super) threads: u8,
    pub(super) milliseconds: u64,
}

/// Builds all programs, as users would build them.
pub(super) fn build() -> Result {
    let mut command = cargo::command(["build", "--release"]);
    command.current_dir(folder());
    cargo::run(command)
}

fn folder() -> PathBuf {
    cargo::workspace().join("benches/peers")
}

impl Task {
    /// Runs it; `None` if the client cannot do this.
    pub(super) fn run(self, server: &Server) -> Result<Option<Value>> {
        let mut child = self.command(server).spawn()?;
        let outcome = self.watch(&mut child, server);
        // Whatever became of it, it must not go on beside the next one; it may be gone already.
        let _ = child.kill();
        let status = child.wait()?;
        let outcome = outcome.map_err(|error| format!("{self}: {error} ({status})"))?;
        Ok((outcome.get("unsupported").is_none()).then_some(outcome))
    }

    fn command(self, server: &Server) -> Command {
        let program = folder().join(format!("target/release/peer-{}", self.client.id));
        let mut command = Command::new(program);
        command
            .args(["--url", &server.url()])
            .args(["--workload", self.name])
            .args(["--size", &self.size.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .args(["--ms", &self.milliseconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    fn watch(self, child: &mut Child, server: &Server) -> Result<Value> {
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
                data::publish(server, self.size, self.milliseconds * 1000)?;
            } else {
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            client,
            name,
            size,
            threads,
            ..
        } = self;
        write!(f, "{} {name} {size}, threads: {threads}", client.id)
    }
}
