//! Runs cargo's tests, and ends those that hang: [`run`].

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::descendants;
use super::report::Report;
use crate::{Result, screen};

/// A test binary that prints nothing for this long hangs. The longest tests, those of failovers on Redis 6.2, take two minutes on a busy machine; the
/// documentation's examples are built within this time too.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// How long nothing may be printed.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// While a test binary runs.
    tests: Duration,
    /// Between test binaries, after one hung. Something that it started may hold the output open.
    afterwards: Duration,
}

const LIMITS: Limits = Limits {
    tests: SILENCE,
    afterwards: SILENCE,
};

/// Runs cargo, shows its output, and reads what its tests report. A test binary that hangs is killed and counted as failed; cargo goes on
/// with the next one. The second value is whether cargo succeeded.
pub(super) fn run(command: Command) -> Result<(Report, bool)> {
    run_within(command, LIMITS, io::stdout().lock())
}

fn run_within(
    mut command: Command,
    limits: Limits,
    mut screen: impl io::Write,
) -> Result<(Report, bool)> {
    let mut cargo = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let lines = cargo.stdout.take().map(lines);
    let mut watched = Watched {
        cargo,
        report: Report::default(),
        limits,
        has_hung: false,
    };
    if let Some(lines) = lines {
        while let Some(line) = watched.next(&lines)? {
            screen.write_all(&line)?;
            screen.write_all(b"\n")?;
            watched.report.read(&String::from_utf8_lossy(&line));
        }
    }
    let status = watched.cargo.wait()?;
    Ok((watched.report, status.success()))
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

/// Cargo, and what is known of its tests.
struct Watched {
    cargo: Child,
    report: Report,
    limits: Limits,
    /// Whether a test binary was killed.
    has_hung: bool,
}

impl Watched {
    /// The next line, or `None` at the end. Ends the test binary if it hangs, and everything if nothing comes after that.
    fn next(&mut self, lines: &Receiver<io::Result<Vec<u8>>>) -> Result<Option<Vec<u8>>> {
        loop {
            let line = match (self.report.is_in_binary, self.has_hung) {
                (true, _) => lines.recv_timeout(self.limits.tests),
                (false, true) => lines.recv_timeout(self.limits.afterwards),
                // Builds may take any time, and print nothing here.
                (false, false) => lines.recv().map_err(RecvTimeoutError::from),
            };
            match line {
                Ok(line) => return Ok(Some(line?)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if self.report.is_in_binary => self.end_binary()?,
                Err(RecvTimeoutError::Timeout) => {
                    self.end_all()?;
                    return Ok(None);
                }
            }
        }
    }

    /// Kills what cargo runs: a test binary, or rustdoc and the program of its examples.
    fn end_binary(&mut self) -> Result {
        let hung = self.report.give_up();
        self.has_hung = true;
        let names = if hung.is_empty() {
            "a test".to_owned()
        } else {
            hung.join(", ")
        };
        let minutes = self.limits.tests.as_secs() / 60;
        screen::failure(&format!(
            "it hangs: {names} (nothing was printed for {minutes} minutes); its program is killed"
        ));
        if !descendants::kill(self.cargo.id()) {
            self.cargo.kill()?;
        }
        Ok(())
    }

    fn end_all(&mut self) -> Result {
        screen::failure(
            "cargo does not go on after that; it is killed, and other tests are not run",
        );
        descendants::kill(self.cargo.id());
        self.cargo.kill()?;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(100);

    /// What a run of a script reports, which stands for cargo.
    fn report(script: &str, limits: Limits) -> Report {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        let (report, succeeded) = run_within(shell, limits, io::sink()).unwrap();
        assert!(!succeeded);
        report
    }

    /// Where the next line comes in the end, however busy the machine is.
    const PATIENT: Limits = Limits {
        tests: MOMENT,
        afterwards: SILENCE,
    };

    #[test]
    fn a_program_that_hangs_is_killed_and_its_test_is_named() {
        // The first program hangs, and the shell goes on with the next one.
        let script = "sleep 100000 & echo test deep::a has been running for over 60 seconds; echo running 2 tests; \
                      wait; echo test b ... ok; echo 'test result: ok. 1 passed'; exit 101";
        let report = report(script, PATIENT);
        assert_eq!((report.passed, report.failed), (1, 1));
        assert_eq!(report.failures, ["deep::a"]);
    }

    #[test]
    fn so_is_what_that_program_started() {
        // As rustdoc starts the program of its examples, which has the same output.
        let script = "(sleep 100000; :) & echo running 2 tests; wait; exit 101";
        let report = report(script, PATIENT);
        assert_eq!((report.passed, report.failed), (0, 1));
    }

    #[test]
    fn cargo_is_killed_if_it_does_not_go_on() {
        let impatient = Limits {
            afterwards: MOMENT,
            ..PATIENT
        };
        // What holds the output open is no child of anything that is found. It ends after the shell.
        let script = "sh=$$; (while kill -0 $sh; do sleep 0.1; done 2>/dev/null &); echo running 2 tests; \
                      sleep 100000; echo test b ... ok; sleep 100000; exit 101";
        let report = report(script, impatient);
        assert_eq!((report.passed, report.failed), (0, 1));
    }
}
