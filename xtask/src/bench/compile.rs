//! The cost of compiling a program: a small one that uses 20 commands, with each client.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::format::{dash, two_digits};
use super::plan::{CLIENTS, TYPEDIS};
use super::results::Results;
use crate::{Result, cargo, screen};

/// A program, and the dependency that it names, as the client's README says.
struct Program {
    client: &'static str,
    source: &'static str,
    dependency: &'static str,
}

const PROGRAMS: [Program; 5] = [
    program("typedis", "typedis", ""),
    program(
        "redis2",
        "redis",
        r#"redis = { version = "=2.0.0-rc.2", features = ["tokio-comp"] }"#,
    ),
    program("rustis", "rustis", r#"rustis = "=0.27.2""#),
    program("fred", "fred", r#"fred = "=10.1.0""#),
    program(
        "redis1",
        "redis",
        r#"redis = { version = "=1.8.1", features = ["tokio-comp"] }"#,
    ),
];

const fn program(client: &'static str, source: &'static str, dependency: &'static str) -> Program {
    Program {
        client,
        source,
        dependency,
    }
}

/// The costs: the name in the results, the name in the report, and the number to divide by for the report.
const COSTS: [(&str, &str, f64); 6] = [
    ("clean_seconds", "clean build, s", 1.0),
    ("clean_cpu", "clean build, s of CPU time", 1.0),
    ("changed_seconds", "build after a change, s", 1.0),
    ("changed_cpu", "build after a change, s of CPU time", 1.0),
    ("crates", "crates compiled", 1.0),
    ("release_bytes", "release binary, MiB", 1024.0 * 1024.0),
];

/// The costs that must not be higher than the lowest of the peers.
const BARS: [&str; 3] = ["clean_seconds", "clean_cpu", "crates"];

pub(super) fn run(results: &mut Results) -> Result {
    screen::step("Compiling a small program with each client (some minutes)");
    let bar = ProgressBar::new(PROGRAMS.len() as u64);
    for program in &PROGRAMS {
        bar.set_message(program.client);
        match program.measure() {
            Ok(cost) => results.set_compile(program.client, cost),
            Err(error) => bar.suspend(|| screen::failure(&error.to_string())),
        }
        results.store()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

impl Program {
    fn measure(&self) -> Result<Value> {
        let folder = self.write()?;
        // Fetching does not belong to compiling.
        cargo(&folder, &["fetch", "--quiet"])?;
        let (clean, clean_cpu, built) =
            timed(|| cargo(&folder, &["build", "--message-format=json"]))?;
        let source = folder.join("src/main.rs");
        let changed = fs::read_to_string(&source)?.replace("println!(\"", "println!(\"changed ");
        fs::write(&source, changed)?;
        let (again, again_cpu, _) = timed(|| cargo(&folder, &["build", "--quiet"]))?;
        let release = cargo(&folder, &["build", "--release", "--message-format=json"])?;
        let programs = cargo::executables(&release);
        let program = programs.first().ok_or("cargo named no program")?;
        let binary = fs::metadata(program)?.len();
        // They are built only once, and take much space.
        fs::remove_dir_all(folder.join("target"))?;
        Ok(json!({
            "clean_seconds": clean,
            "clean_cpu": clean_cpu,
            "changed_seconds": again,
            "changed_cpu": again_cpu,
            "crates": crates(&built),
            "release_bytes": binary,
        }))
    }

    /// Writes the package again.
    fn write(&self) -> Result<PathBuf> {
        let workspace = cargo::workspace();
        let folder = typedis_testkit::servers::target_folder()
            .join("bench-compile")
            .join(self.client);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("src"))?;
        let path = format!(
            "typedis = {{ path = {:?} }}",
            workspace.display().to_string()
        );
        let dependency = match self.dependency {
            "" => path.as_str(),
            named => named,
        };
        let manifest = format!(
            "[workspace]\n\n[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             {dependency}\ntokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        let source = workspace.join(format!("benches/compile/{}.rs", self.source));
        fs::copy(source, folder.join("src/main.rs"))?;
        Ok(folder)
    }
}

/// The seconds that something takes, and those of CPU time if the system provides it.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, Option<f64>, T)> {
    let (start, before) = (Instant::now(), cpu_of_children());
    let value = work()?;
    let (elapsed, after) = (start.elapsed(), cpu_of_children());
    let cpu = before.zip(after).map(|(before, after)| after - before);
    Ok((elapsed.as_secs_f64(), cpu, value))
}

/// The CPU time in seconds of all child processes that have ended, with their children. Only on Linux.
fn cpu_of_children() -> Option<f64> {
    children_seconds(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// From the 16th and the 17th field, in hundredths of a second; the second one is a name that may hold spaces.
fn children_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// Runs cargo in a folder with a separate target folder, and returns what it printed.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command: Command = cargo::command(arguments);
    let output = command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .stderr(Stdio::piped())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!(
        "cargo {} failed in {}:\n{reason}",
        arguments.join(" "),
        folder.display()
    )
    .into())
}

/// How many packages cargo compiled, from its messages.
fn crates(messages: &str) -> usize {
    let mut packages: Vec<String> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message.get("reason").and_then(Value::as_str) == Some("compiler-artifact")
        })
        .filter_map(|message| message.get("package_id")?.as_str().map(str::to_owned))
        .collect();
    packages.sort();
    packages.dedup();
    packages.len()
}

/// typedis, compared with the lowest of the peers.
fn to_least(results: &Results, cost: &str) -> Option<f64> {
    let peers = CLIENTS.iter().filter(|client| client.is_peer());
    let least = peers
        .filter_map(|client| results.compile(client.id, cost))
        .min_by(f64::total_cmp)?;
    Some(results.compile(TYPEDIS.id, cost)? / least)
}

/// The costs that are above their bar.
pub(super) fn shortfalls(results: &Results) -> Vec<String> {
    COSTS
        .iter()
        .filter(|(cost, ..)| BARS.contains(cost))
        .filter_map(|(cost, title, _)| {
            let ratio = to_least(results, cost)?;
            (ratio > 1.0).then(|| format!("{title}: {ratio:.2} of the least of the peers"))
        })
        .collect()
}

/// The table of costs, each with the ratio of typedis to the best peer.
pub(super) fn report(page: &mut String, results: &Results) {
    let measured = |client: &str| results.compile(client, "crates").is_some();
    if !PROGRAMS.iter().any(|program| measured(program.client)) {
        return;
    }
    let clients = CLIENTS.iter().filter(|client| measured(client.id));
    let names: Vec<&str> = clients.clone().map(|client| client.title).collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "\n## Compiling\n\nA program that uses 20 commands, with default features (and tokio where that is not one of them); \
         builds for development, one after another; the clock shows other load, the CPU time less so; the size as it comes, not stripped.\n\n| | {} | ÷ least of the peers |\n|---|{}--:|",
        names.join(" | "),
        "--:|".repeat(names.len())
    );
    for (cost, title, unit) in COSTS {
        let cells: Vec<String> = clients
            .clone()
            .map(|client| results.compile(client.id, cost))
            .map(|value| value.map_or_else(dash, |value| two_digits(value / unit)))
            .collect();
        let _ = writeln!(
            page,
            "| {title} | {} | {} |",
            cells.join(" | "),
            to_least(results, cost).map_or_else(dash, two_digits)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_a_build_script_counts_once() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"libc@1"}
{"reason":"build-script-executed","package_id":"libc@1"}
{"reason":"compiler-artifact","package_id":"libc@1"}
{"reason":"compiler-artifact","package_id":"bytes@1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(crates(messages), 2);
    }

    #[test]
    fn the_time_of_children_is_read_behind_a_name_with_spaces() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 110 120 250 50 20 0 1 0\n";
        assert_eq!(children_seconds(stat), Some(3.0));
    }

    #[test]
    fn what_is_dearer_than_the_cheapest_peer_falls_short() {
        let mut results = Results::empty();
        for (client, seconds, crates) in [
            ("typedis", 9.0, 30),
            ("fred", 8.0, 60),
            ("rustis", 10.0, 50),
        ] {
            results.set_compile(
                client,
                json!({ "clean_seconds": seconds, "crates": crates }),
            );
        }
        assert_eq!(
            shortfalls(&results),
            ["clean build, s: 1.12 of the least of the peers"]
        );
    }
}
