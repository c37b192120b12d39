//! `cargo xtask test`: first fetches the servers and shows the progress, then runs all tests.
//!
//! # Layout
//!
//! - `descendants`: the processes that a program started.
//! - `report`: what the output of tests says.
//! - `watched`: runs cargo, and ends what hangs.

mod descendants;
mod report;
mod watched;

use std::ffi::OsString;
use std::time::Instant;

use crate::{Result, cargo, screen, servers};

/// Runs the tests of the workspace, or those that the arguments for `cargo test` choose.
pub(crate) fn run(arguments: Vec<OsString>) -> Result {
    screen::step("Getting the servers");
    servers::fetch_all()?;
    screen::step("Running the tests");
    let start = Instant::now();
    let (report, succeeded) = watched::run(cargo::command(complete(arguments, cargo::features())))?;
    let seconds = start.elapsed().as_secs_f64();
    let counts = format!(
        "{} passed, {} failed, {} ignored",
        report.passed, report.failed, report.ignored
    );
    for name in &report.failures {
        screen::failure(name);
    }
    match (succeeded, report.failed) {
        (true, _) => {
            screen::success(&format!("{counts} in {seconds:.0} s"));
            Ok(())
        }
        (false, 0) => Err(format!(
            "cargo test failed for another reason than a test, see above; {counts}"
        )
        .into()),
        (false, _) => Err(format!("the tests failed: {counts} in {seconds:.0} s").into()),
    }
}

/// One call of cargo for everything, with doc tests, so that nothing is built twice.
fn complete(arguments: Vec<OsString>, features: &[&str]) -> Vec<OsString> {
    let for_cargo = arguments.iter().take_while(|word| *word != "--");
    let mut words: Vec<OsString> = vec!["test".into()];
    if !for_cargo
        .clone()
        .any(|word| chooses_packages(&word.to_string_lossy()))
    {
        words.push("--workspace".into());
        words.extend(features.iter().map(OsString::from));
    }
    // Show all failures in one run.
    if !for_cargo.clone().any(|word| word == "--no-fail-fast") {
        words.push("--no-fail-fast".into());
    }
    words.extend(arguments);
    words
}

fn chooses_packages(word: &str) -> bool {
    word.starts_with("-p")
        || word.starts_with("--package")
        || ["--workspace", "--all", "--manifest-path"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(words: &[&str]) -> Vec<String> {
        let words = super::complete(
            words.iter().map(OsString::from).collect(),
            &["--all-features"],
        );
        words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn all_packages_are_tested_unless_some_are_named() {
        assert_eq!(
            complete(&[]),
            ["test", "--workspace", "--all-features", "--no-fail-fast"]
        );
        assert_eq!(
            complete(&["resp"]),
            [
                "test",
                "--workspace",
                "--all-features",
                "--no-fail-fast",
                "resp"
            ]
        );
        assert_eq!(
            complete(&["-p", "xtask"]),
            ["test", "--no-fail-fast", "-p", "xtask"]
        );
        let words = ["--no-fail-fast", "--", "-p"];
        assert_eq!(
            complete(&words),
            [
                "test",
                "--workspace",
                "--all-features",
                "--no-fail-fast",
                "--",
                "-p"
            ]
        );
    }
}
