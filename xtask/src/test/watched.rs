//! Runs cargo's tests, and ends those that hang: [`run`].

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::report::Report;
use crate::{Result, screen};

/// A test binary that prints nothing for this long hangs. The longest tests, those of failovers on Redis 6.2, take two minutes on a busy machine; the
/// documentation's examples are built within this time too.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// Runs cargo, shows its output, and reads what its tests report. A test binary that hangs is killed and counted as failed; cargo goes on
/// with the next one. The second value is whether cargo succeeded.
pub(super) fn run(command: Command) -> Result<(Report, bool)> {
    run_within(command, SILENCE, io::stdout().lock())
}

fn run_within(
    mut command: Command,
    silence: Duration,
    mut screen: impl io::Write,
) -> Result<(Report, bool)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let mut report = Report::default();
    if let Some(output) = child.stdout.take() {
        let lines = lines(output);
        while let Some(line) = next(&lines, &mut report, &mut child, silence)? {
            screen.write_all(&line)?;
            screen.write_all(b"\n")?;
            report.read(&String::from_utf8_lossy(&line));
        }
    }
    let status = child.wait()?;
    Ok((report, status.success()))
}

/// The lines of an output, read by a thread, so that waiting for one can end.
fn lines(output: impl Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line, or `None` at the end. Ends the test binary if it hangs.
fn next(
    lines: &Receiver<io::Result<Vec<u8>>>,
    report: &mut Report,
    cargo: &mut Child,
    silence: Duration,
) -> Result<Option<Vec<u8>>> {
    loop {
        // Builds may take any time, and print nothing here.
        let line = if report.is_in_binary {
            lines.recv_timeout(silence)
        } else {
            lines.recv().map_err(RecvTimeoutError::from)
        };
        match line {
            Ok(line) => return Ok(Some(line?)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => end_binary(report, cargo, silence)?,
        }
    }
}

/// Kills what cargo runs.
fn end_binary(report: &mut Report, cargo: &mut Child, silence: Duration) -> Result {
    let hung = report.give_up();
    let names = if hung.is_empty() {
        "a test".to_owned()
    } else {
        hung.join(", ")
    };
    let minutes = silence.as_secs() / 60;
    screen::failure(&format!(
        "it hangs: {names} (nothing was printed for {minutes} minutes); its program is killed"
    ));
    let parent = cargo.id().to_string();
    let killed = Command::new("pkill")
        .args(["-KILL", "-P", &parent])
        .status();
    if !killed.is_ok_and(|status| status.success()) {
        cargo.kill()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_killed_and_its_test_is_named() {
        // The shell stands for cargo. Its first program hangs, and it goes on with the next one.
        let script = "sleep 100000 & echo test deep::a has been running for over 60 seconds; echo running 2 tests; \
                      wait; echo test b ... ok; echo 'test result: ok. 1 passed'; exit 101";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let (report, succeeded) =
            run_within(shell, Duration::from_millis(100), io::sink()).unwrap();
        assert!(!succeeded);
        assert_eq!((report.passed, report.failed), (1, 1));
        assert_eq!(report.failures, ["deep::a"]);
    }
}
