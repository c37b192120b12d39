//! What it costs to compile a program: a small one that uses 20 commands, with each client.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::plan::CLIENTS;
use super::report::{dash, two_digits};
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

/// The costs: the results' name, the report's, and what to divide by for it.
const COSTS: [(&str, &str, f64); 4] = [
    ("clean_seconds", "clean build, s", 1.0),
    ("changed_seconds", "build after a change, s", 1.0),
    ("crates", "crates compiled", 1.0),
    ("release_bytes", "release binary, MiB", 1024.0 * 1024.0),
];

pub(super) fn run(results: &mut Results) -> Result {
    screen::step("Compiling a small program with each client (some minutes)");
    let bar = ProgressBar::new(PROGRAMS.len() as u64);
    for program in &PROGRAMS {
        bar.set_message(program.client);
        results.set_compile(program.client, program.measure()?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

impl Program {
    fn measure(&self) -> Result<Value> {
        let folder = self.write()?;
        // Fetching is no part of compiling.
        cargo(&folder, &["fetch", "--quiet"])?;
        let (clean, built) = timed(|| cargo(&folder, &["build", "--message-format=json"]))?;
        let source = folder.join("src/main.rs");
        let changed = fs::read_to_string(&source)?.replace("println!(\"", "println!(\"changed ");
        fs::write(&source, changed)?;
        let (again, _) = timed(|| cargo(&folder, &["build", "--quiet"]))?;
        cargo(&folder, &["build", "--quiet", "--release"])?;
        let binary = fs::metadata(folder.join("target/release/small"))?.len();
        // They are built once, and take much room.
        fs::remove_dir_all(folder.join("target"))?;
        Ok(json!({
            "clean_seconds": clean,
            "changed_seconds": again,
            "crates": crates(&built),
            "release_bytes": binary,
        }))
    }

    /// Writes the package anew.
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

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let value = work()?;
    Ok((start.elapsed().as_secs_f64(), value))
}

/// Runs cargo in a folder with a target folder of its own, and gives what it printed.
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

/// The table of costs, each with the ratio to typedis.
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
         builds for development, one after another and by the clock, so that other load shows; the size as it comes, not stripped.\n\n| | {} | ÷ least of the peers |\n|---|{}--:|",
        names.join(" | "),
        "--:|".repeat(names.len())
    );
    for (cost, title, unit) in COSTS {
        let value = |client: &str| results.compile(client, cost);
        let cells: Vec<String> = clients
            .clone()
            .map(|client| value(client.id).map_or_else(dash, |value| two_digits(value / unit)))
            .collect();
        let peers = CLIENTS.iter().filter(|client| client.is_peer());
        let least = peers
            .filter_map(|client| value(client.id))
            .min_by(f64::total_cmp);
        let ratio = value("typedis")
            .zip(least)
            .map(|(ours, least)| ours / least);
        let _ = writeln!(
            page,
            "| {title} | {} | {} |",
            cells.join(" | "),
            ratio.map_or_else(dash, two_digits)
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
}
