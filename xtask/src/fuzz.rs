//! `cargo xtask fuzz`: the targets in `fuzz/`, each for some minutes, beginning with what real servers replied. Inputs that
//! reached something new are kept in `fuzz/corpus`, so that the next run goes on from there.
//!
//! # Layout
//!
//! - `build`: the programs of the targets
//! - `corpus`: the inputs to begin with
//! - `outcome`: what libFuzzer says of a run
//! - this file: running the targets

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Result, screen};
use outcome::Outcome;

mod build;
mod corpus;
mod outcome;

/// The targets: the files of `fuzz/fuzz_targets`.
const TARGETS: [&str; 5] = ["decode", "scan", "session", "topology", "url"];

/// Longer inputs find nothing more, and take longer.
const LONGEST_INPUT: usize = 4096;

/// An input that takes longer, in seconds, breaks a rule.
const LONGEST_RUN: u32 = 10;

/// A target that needs more memory, in MiB, breaks a rule.
const MOST_MEMORY: u32 = 1024;

/// Runs each target for this many minutes: all of them, or those that are named. One that breaks a rule does not stop the others.
pub(crate) fn run(minutes: f64, targets: &[String]) -> Result {
    let seconds = seconds(minutes)?;
    for name in targets {
        if !TARGETS.contains(&name.as_str()) {
            return Err(format!("there is no target {name:?}: {TARGETS:?}").into());
        }
    }
    build::check_tools()?;
    screen::step("building the targets");
    let programs = build::build()?;
    let mut outcomes = Vec::new();
    for target in TARGETS {
        if targets.is_empty() || targets.iter().any(|name| name == target) {
            screen::step(&format!("{target}: {minutes} minutes"));
            outcomes.push((target, run_target(&programs, target, seconds)?));
        }
    }
    println!("\n{}", outcome::HEADING);
    for (target, outcome) in &outcomes {
        println!("| `{target}` | {outcome} |");
    }
    let broken = outcomes.iter().filter_map(|(target, outcome)| {
        let input = outcome.broken_by.as_ref()?;
        let program = programs.join(target);
        Some(format!(
            "{target}: see it again with {} {input}",
            program.display()
        ))
    });
    let broken: Vec<String> = broken.collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(format!("a rule was broken\n{}", broken.join("\n")).into()),
    }
}

/// Runs one target. Its output goes into a file; the screen shows how it goes on, and all of it if it fails.
fn run_target(programs: &Path, target: &str, seconds: u64) -> Result<Outcome> {
    corpus::write(target)?;
    let logs = build::folder().join("target/logs");
    let artifacts = build::folder().join("artifacts").join(target);
    fs::create_dir_all(&logs)?;
    fs::create_dir_all(&artifacts)?;
    let start = Instant::now();
    let mut child = command(&programs.join(target), target, &artifacts, seconds)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut outcome = Outcome::default();
    let log = logs.join(format!("{target}.log"));
    let mut file = File::create(&log)?;
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let text = String::from_utf8_lossy(&line);
            writeln!(file, "{text}")?;
            outcome.read(&text);
            if is_shown(&text) {
                println!("{text}");
            }
        }
    }
    let status = child.wait()?;
    outcome.time = start.elapsed();
    if !status.success() {
        println!("{}", fs::read_to_string(&log)?);
        if outcome.broken_by.is_none() {
            return Err(format!("{target} ended with {status}: see {}", log.display()).into());
        }
    }
    Ok(outcome)
}

/// Whole seconds, and at least one: libFuzzer takes 0 for no end.
fn seconds(minutes: f64) -> Result<u64> {
    let time = Duration::try_from_secs_f64(minutes * 60.0)
        .map_err(|error| format!("--minutes {minutes}: {error}"))?;
    if time.is_zero() {
        return Err(format!("--minutes {minutes}: it needs more than 0").into());
    }
    let begun = u64::from(time.subsec_nanos() > 0);
    // It reads an `int`.
    Ok(time.as_secs().saturating_add(begun).min(i32::MAX as u64))
}

fn command(program: &Path, target: &str, artifacts: &Path, seconds: u64) -> Command {
    let mut command = Command::new(program);
    command
        .arg(build::folder().join("corpus").join(target))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST_INPUT}"))
        .arg(format!("-timeout={LONGEST_RUN}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null());
    command
}

/// Lines that come rarely: the beginning, a sign of life at each power of two, and the end.
fn is_shown(line: &str) -> bool {
    ["\tINITED", "\tpulse", "\tDONE"]
        .iter()
        .any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_target_is_run() {
        let folder = build::folder().join("fuzz_targets");
        let files = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS.map(|name| format!("{name}.rs")));
    }

    #[test]
    fn no_time_is_without_an_end() {
        let told = |minutes| {
            let run = command(Path::new("url"), "url", Path::new("a"), seconds(minutes)?);
            let words = run.get_args().map(|word| word.to_string_lossy());
            let mut words = words.filter(|word| word.starts_with("-max_total_time="));
            Ok::<_, Box<dyn std::error::Error>>(words.next().unwrap().into_owned())
        };
        assert_eq!(told(0.5).unwrap(), "-max_total_time=30");
        assert_eq!(told(0.005).unwrap(), "-max_total_time=1");
        assert_eq!(told(0.03).unwrap(), "-max_total_time=2");
        for minutes in [0.0, -1.0, 1e-12, f64::NAN, f64::INFINITY] {
            assert!(run(minutes, &[]).is_err(), "{minutes}");
            assert!(told(minutes).is_err(), "{minutes}");
        }
    }

    #[test]
    fn a_target_that_is_not_there_is_named() {
        let error = run(1.0, &["replies".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no target \"replies\""), "{error}");
    }
}
