//! The guard: counts with callgrind how many instructions typedis needs for fixed pieces of work, and compares with
//! recorded numbers. Unlike times, the counts are the same on a busy machine.
//!
//! Valgrind is called directly: a harness such as gungraun needs a runner of the same version to be installed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, cargo, screen};

/// A case of `benches/guard`, how often it is done, and how many operations each time is.
struct Case {
    name: &'static str,
    title: &'static str,
    times: u64,
}

const CASES: [Case; 16] = [
    case("encode", "encode GET", 20_000),
    case("encode-options", "encode SET with NX and EX", 20_000),
    case("decode", "scan and decode a string", 20_000),
    case("round-trip", "round trip of GET", 2000),
    case("pipeline", "pipeline of 100 GETs", 50),
    case("pipeline-1000", "pipeline of 1,000 GETs", 5),
    case(
        "cluster-pipeline",
        "pipeline of 100 GETs over three nodes",
        50,
    ),
    case("cluster-mget", "MGET of 100 keys over three nodes", 50),
    case("tasks", "GETs of 100 new tasks", 50),
    case("loops", "a GET of each of 1,024 tasks", 10),
    case(
        "cluster-tasks",
        "GETs of 100 new tasks over three nodes",
        50,
    ),
    case(
        "cluster-loops",
        "a GET of each of 1,024 tasks over three nodes",
        10,
    ),
    case(
        "decode-strings",
        "scan and decode 10,000 into `Vec<String>`",
        4,
    ),
    case(
        "decode-bytes",
        "scan and decode 10,000 into `Vec<Bytes>`",
        4,
    ),
    case(
        "decode-struct",
        "scan and decode a hash of 10 fields into a struct",
        5000,
    ),
    case("messages", "100 messages of pub/sub", 50),
];

const fn case(name: &'static str, title: &'static str, times: u64) -> Case {
    Case { name, title, times }
}

/// How much growth is allowed: other releases of the compiler and of dependencies cause such differences.
const TOLERANCE: f64 = 0.03;

/// Counts, and compares or records.
pub(super) fn run(record: bool) -> Result {
    require_valgrind()?;
    screen::step("Building benches/guard");
    let mut build = cargo::command(["build", "--release"]);
    build
        .current_dir(folder())
        .env("CARGO_TARGET_DIR", folder().join("target"));
    let program = cargo::build_program(build, "guard")?;
    screen::step("Counting instructions");
    let mut counts = BTreeMap::new();
    for case in &CASES {
        counts.insert(case.name.to_owned(), count(&program, case)?);
    }
    if record {
        store(&counts)?;
        screen::success(&format!("Recorded: {}", baselines().display()));
        return Ok(());
    }
    compare(&counts, &load()?)
}

fn require_valgrind() -> Result {
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the guard needs valgrind, which is not here: install it (Debian: apt install valgrind)".into()),
    }
}

/// The instructions for one repetition: the difference of two runs, so that work that is done once does not count.
fn count(program: &Path, case: &Case) -> Result<u64> {
    let once = instructions(program, case, case.times)?;
    let twice = instructions(program, case, 2 * case.times)?;
    Ok(twice.saturating_sub(once) / case.times)
}

fn instructions(program: &Path, case: &Case, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case.name, &times.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, number)| number.trim().parse().ok());
    match collected {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("valgrind failed on {}:\n{text}", case.name).into()),
    }
}

fn compare(counts: &BTreeMap<String, u64>, recorded: &BTreeMap<String, u64>) -> Result {
    let mut worse = 0;
    for case in &CASES {
        let now = counts.get(case.name).copied().unwrap_or(0);
        let line = format!("{:<50} {now:>10}", case.title);
        let Some(&before) = recorded.get(case.name) else {
            screen::note(&format!("{line}, nothing recorded"));
            continue;
        };
        let change = now as f64 / before.max(1) as f64 - 1.0;
        let line = format!("{line} {:+7.1} %", change * 100.0);
        if change > TOLERANCE {
            worse += 1;
            screen::failure(&line);
        } else {
            screen::success(&line);
        }
    }
    if worse == 0 {
        return Ok(());
    }
    Err(format!(
        "{worse} of {} take over {:.0} % more instructions than recorded; if that is meant, run cargo xtask bench --record",
        CASES.len(),
        TOLERANCE * 100.0
    )
    .into())
}

fn folder() -> PathBuf {
    cargo::workspace().join("benches/guard")
}

fn baselines() -> PathBuf {
    folder().join("baselines.txt")
}

/// Reads lines such as `encode 180`.
fn load() -> Result<BTreeMap<String, u64>> {
    let text = fs::read_to_string(baselines())
        .map_err(|error| format!("{}: {error}", baselines().display()))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse().ok()?))
        })
        .collect()
}

fn store(counts: &BTreeMap<String, u64>) -> Result {
    let mut text = format!(
        "# Instructions of each case, on {}: written by cargo xtask bench --record.\n",
        std::env::consts::ARCH
    );
    for case in &CASES {
        if let Some(count) = counts.get(case.name) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} {count}", case.name);
        }
    }
    fs::write(baselines(), text)?;
    Ok(())
}

/// The recorded counts, as a table.
pub(super) fn report(page: &mut String) -> Result {
    let Ok(recorded) = load() else { return Ok(()) };
    writeln!(
        page,
        "\n## Instructions\n\nCounted by callgrind outside of the kernel, recorded in `benches/guard/baselines.txt`; \
         `cargo xtask bench --guard` fails where a count grows by more than {:.0} %. The round trip, the \
         pipeline and the tasks include the server's part, a task on the same thread that answers with fixed bytes.\n\n| work | instructions |\n|---|--:|",
        TOLERANCE * 100.0
    )?;
    for case in &CASES {
        if let Some(&count) = recorded.get(case.name) {
            let count = super::format::grouped(count as f64);
            writeln!(page, "| {} | {count} |", case.title)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_the_tolerance_fails() {
        let recorded = parse("# a comment\nencode 100\n");
        let counts = |count| BTreeMap::from([("encode".to_owned(), count)]);
        assert!(compare(&counts(102), &recorded).is_ok());
        assert!(compare(&counts(80), &recorded).is_ok());
        let error = compare(&counts(104), &recorded).unwrap_err();
        let expected = format!("1 of {}", CASES.len());
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
