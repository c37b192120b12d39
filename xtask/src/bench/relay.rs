//! A separate process between a client and the server: [`Relay`].

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A running `peer-relay`; dropping it ends it.
#[derive(Debug)]
pub(super) struct Relay {
    child: Child,
    /// Where it listens.
    pub(super) address: String,
}

impl Relay {
    /// Starts it with these arguments, and waits until it listens.
    pub(super) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut address = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut address)?;
        }
        let address = address.trim().to_owned();
        let relay = Self { child, address };
        if relay.address.is_empty() {
            return Err(format!("peer-relay {} did not start", arguments.join(" ")).into());
        }
        Ok(relay)
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_relay_that_ended_is_noticed() {
        let words = ["-c", "echo 127.0.0.1:1; read -r until_the_end"];
        let mut relay = Relay::start(Path::new("sh"), &words).unwrap();
        assert!(relay.is_running());
        drop(relay.child.stdin.take());
        relay.child.wait().unwrap();
        assert!(!relay.is_running());
    }
}
