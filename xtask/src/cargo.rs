//! Running cargo: the same cargo that runs this, in the workspace, with its output shown.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use typedis_testkit::servers;

use crate::Result;

/// What the test binaries of one run reported, added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// The names of failed tests, if they could be read: `--nocapture` may break their lines.
    pub(crate) failures: Vec<String>,
}

/// A call of cargo in the workspace's folder.
pub(crate) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .current_dir(workspace())
        .stdin(Stdio::null());
    command
}

/// The features that can be built here: all, or all but TLS if OpenSSL's headers are missing.
pub(crate) fn features() -> &'static [&'static str] {
    if has_openssl() {
        &["--all-features"]
    } else {
        &[
            "--features",
            "typedis/cache,typedis/cluster,typedis/json,typedis/serde,typedis/tracing,typedis-testkit/simulation",
        ]
    }
}

/// Whether OpenSSL's headers are here, without which TLS cannot be built.
pub(crate) fn has_openssl() -> bool {
    let found = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Runs cargo and fails if it does.
pub(crate) fn run(mut command: Command) -> Result {
    let status = command
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed ({status})", words(&command)).into())
    }
}

/// Runs a build. Returns the programs that cargo says it made, or had made before: where they are is for its variables and
/// configuration files to say, and one that is looked for elsewhere may be an old one. A part of them may be there if it fails.
pub(crate) fn build(mut command: Command) -> Result<(Vec<PathBuf>, bool)> {
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let programs = executables(&String::from_utf8_lossy(&output.stdout));
    Ok((programs, output.status.success()))
}

/// Builds one program, and returns its path.
pub(crate) fn build_program(command: Command, name: &str) -> Result<PathBuf> {
    let (programs, succeeded) = build(command)?;
    let mut found = programs.into_iter();
    match found.find(|path| path.file_stem().is_some_and(|stem| stem == name)) {
        Some(path) if succeeded => Ok(path),
        _ => Err(format!("{name} was not built").into()),
    }
}

/// The programs that cargo names in its messages.
pub(crate) fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .collect()
}

/// Runs cargo, shows its output, and reads what its tests report. The second value is whether cargo succeeded.
pub(crate) fn run_tests(mut command: Command) -> Result<(Report, bool)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let mut report = Report::default();
    if let Some(output) = child.stdout.take() {
        let mut screen = io::stdout().lock();
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            screen.write_all(&line)?;
            screen.write_all(b"\n")?;
            report.read(&String::from_utf8_lossy(&line));
        }
    }
    let status = child.wait()?;
    Ok((report, status.success()))
}

impl Report {
    /// Reads one line of the output of a test binary.
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, " passed");
            self.failed += count(counts, " failed");
            self.ignored += count(counts, " ignored");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }
}

/// The number before a word, as in `ok. 5 passed; 0 failed; 1 ignored`.
fn count(line: &str, word: &str) -> u64 {
    let before = line.split_once(word).map_or("", |(before, _)| before);
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The command line, for people.
fn words(command: &Command) -> String {
    let arguments = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    ["cargo".to_owned()]
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Cargo's target folder, by the rule of the test kit. What is written beside what cargo builds is there.
pub(crate) fn target() -> PathBuf {
    servers::target_folder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_the_one_that_cargo_uses() {
        let program = env::current_exe().unwrap_or_default();
        assert!(
            program.starts_with(target()),
            "{program:?} is not in {:?}",
            target()
        );
    }

    #[test]
    fn programs_are_where_cargo_says() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"executable\":\"/elsewhere/release/typedis-soak\"}\n",
            "no message\n",
            "{\"reason\":\"build-finished\",\"success\":false}\n",
        );
        assert_eq!(
            executables(messages),
            [Path::new("/elsewhere/release/typedis-soak")]
        );
    }

    #[test]
    fn the_output_of_tests_is_added_up() {
        let mut report = Report::default();
        let output = "running 3 tests\ntest a ... ok\ntest deep::b ... FAILED\ntest c ... ignored\n\
                      test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        output.lines().for_each(|line| report.read(line));
        assert_eq!(
            report,
            Report {
                passed: 13,
                failed: 1,
                ignored: 1,
                failures: vec!["deep::b".to_owned()],
            }
        );
    }
}
