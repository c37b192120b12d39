//! `cargo xtask fuzz`: the targets in `fuzz/`, each for some minutes, beginning with what real servers replied.
//!
//! # Layout
//!
//! - `corpus`: the inputs to begin with
//! - this file: running the targets

use std::process::Command;

use crate::{Result, cargo, screen};

mod corpus;

/// The targets: the files of `fuzz/fuzz_targets`.
const TARGETS: [&str; 5] = ["decode", "scan", "session", "topology", "url"];

/// Longer inputs find nothing more, and take longer.
const LONGEST_INPUT: usize = 4096;

/// Runs all targets, or one, for so many minutes each.
pub(crate) fn run(minutes: f64, target: Option<&str>) -> Result {
    let targets: Vec<&str> = match target {
        None => TARGETS.to_vec(),
        Some(name) if TARGETS.contains(&name) => vec![name],
        Some(name) => return Err(format!("there is no target {name:?}: {TARGETS:?}").into()),
    };
    check_tools()?;
    for target in targets {
        corpus::write(target)?;
        screen::step(&format!("{target}: {minutes} minutes"));
        cargo::run(command(target, minutes))?;
    }
    Ok(())
}

fn check_tools() -> Result {
    let mut version = Command::new("rustup");
    version.args(["run", "nightly", "cargo", "fuzz", "--version"]);
    match version.output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(
            "fuzzing needs a nightly compiler (`rustup toolchain install nightly`) and \
                  cargo-fuzz (`cargo install cargo-fuzz`)"
                .into(),
        ),
    }
}

fn command(target: &str, minutes: f64) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo", "fuzz", "run", target, "--"])
        .arg(format!("-max_total_time={:.0}", minutes * 60.0))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg("-print_final_stats=1")
        .current_dir(cargo::workspace().join("fuzz"));
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_target_is_run() {
        let folder = cargo::workspace().join("fuzz/fuzz_targets");
        let files = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS.map(|name| format!("{name}.rs")));
    }

    #[test]
    fn a_target_that_is_not_there_is_named() {
        let error = run(1.0, Some("replies")).unwrap_err().to_string();
        assert!(error.contains("no target \"replies\""), "{error}");
    }
}
