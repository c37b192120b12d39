//! Compiling a server from its source, once: with `make`, and with TLS where OpenSSL's headers are.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::source::Source;
use super::{ServerKind, TLS_MARK};
use crate::error::{Doing, Error, Result};

/// How often the progress bar moves.
const TICK: Duration = Duration::from_millis(200);

/// The programs that a build needs, the C compiler first.
fn tools() -> [OsString; 3] {
    let compiler = env::var_os("CC").filter(|name| !name.is_empty());
    [
        compiler.unwrap_or_else(|| "cc".into()),
        "make".into(),
        "tar".into(),
    ]
}

/// The first program that a build needs and this machine does not have.
pub(super) fn missing_tool() -> Option<String> {
    first_missing(tools())
}

fn first_missing(tools: impl IntoIterator<Item = OsString>) -> Option<String> {
    let mut tools = tools.into_iter();
    let missing = tools.find(|tool| {
        let mut ask = Command::new(tool);
        ask.arg("--version");
        !succeeds(&mut ask)
    });
    missing.map(|tool| tool.to_string_lossy().into_owned())
}

fn succeeds(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Unpacks an archive, whose checksum was compared, into a folder of `work`; compiles it; and puts the program into
/// `place`, with an empty file beside it that says whether it speaks TLS.
pub(super) fn build(
    kind: ServerKind,
    source: &Source,
    archive: &Path,
    work: &Path,
    place: &Path,
) -> Result<()> {
    let folder = work.join("source");
    fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
    extract(source, archive, &folder)?;
    let tls = has_tls_headers(&folder)?;
    let log = work.join("make.log");
    compile(kind, source, &folder, &log, tls)?;
    let built = folder.join("src").join(source.program);
    let answers = Command::new(&built).arg("--version").output();
    let answer = answers.doing(|| format!("run {}", built.display()))?;
    if !String::from_utf8_lossy(&answer.stdout).contains(source.version) {
        return Err(failure(kind, &log));
    }
    let program = place.join(source.program);
    fs::copy(&built, &program).doing(|| format!("create {}", program.display()))?;
    if tls {
        let mark = place.join(TLS_MARK);
        File::create(&mark).doing(|| format!("create {}", mark.display()))?;
    }
    Ok(())
}

fn extract(source: &Source, archive: &Path, folder: &Path) -> Result<()> {
    let depth = source.inside.split('/').count();
    let output = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .arg(format!("--strip-components={depth}"))
        .arg(source.inside)
        .stdin(Stdio::null())
        .output()
        .doing(|| "start tar".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Unpack {
        file: source.file,
        problem: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Whether the compiler finds OpenSSL's headers. It also has to find the library; Debian installs both together.
fn has_tls_headers(folder: &Path) -> Result<bool> {
    let probe = folder.join("probe.c");
    fs::write(&probe, "#include <openssl/ssl.h>\n")
        .doing(|| format!("write {}", probe.display()))?;
    let [compiler, ..] = tools();
    let mut ask = Command::new(compiler);
    ask.arg("-E").arg(&probe);
    Ok(succeeds(&mut ask))
}

fn compile(kind: ServerKind, source: &Source, folder: &Path, log: &Path, tls: bool) -> Result<()> {
    let progress = progress(kind, source);
    let mut make = start(source, folder, log, tls)?;
    let status = wait(&mut make, &progress, log).doing(|| "wait for make".to_owned())?;
    progress.finish_and_clear();
    if status.success() {
        return Ok(());
    }
    Err(failure(kind, log))
}

/// Make with low priority, since others may work on the machine; with the usual one where `nice` is not there.
fn make(nice: &str) -> Command {
    if !succeeds(Command::new(nice).arg("true")) {
        return Command::new("make");
    }
    let mut make = Command::new(nice);
    make.arg("make");
    make
}

fn start(source: &Source, folder: &Path, log: &Path, tls: bool) -> Result<Child> {
    let output = File::create(log).doing(|| format!("create {}", log.display()))?;
    let errors = output
        .try_clone()
        .doing(|| format!("open {}", log.display()))?;
    let [compiler, ..] = tools();
    let mut setting = OsString::from("CC=");
    setting.push(compiler);
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let mut make = make("nice");
    make.arg(format!("-j{at_once}"))
        .arg("-C")
        .arg(folder.join("src"))
        .arg(setting)
        .args(Source::SETTINGS)
        .arg(if tls { "BUILD_TLS=yes" } else { "BUILD_TLS=no" })
        .arg(source.program);
    // What an outer make says to its children is not for this one.
    for variable in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS"] {
        make.env_remove(variable);
    }
    make.stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .doing(|| "start make".to_owned())
}

/// A bar on a terminal, one line elsewhere.
fn progress(kind: ServerKind, source: &Source) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(source.lines), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        eprintln!("Building {kind} from its source, which takes about a minute, once …");
        return bar;
    }
    if let Ok(style) = ProgressStyle::with_template("{prefix:>24} [{bar:32}] {percent} % {elapsed}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(format!("building {kind}"));
    bar
}

fn wait(make: &mut Child, progress: &ProgressBar, log: &Path) -> std::io::Result<ExitStatus> {
    loop {
        if let Some(status) = make.try_wait()? {
            return Ok(status);
        }
        let lines = fs::read(log).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count());
        // Another version of make may print more lines.
        let most = progress.length().unwrap_or_default();
        progress.set_position((lines as u64).min(most));
        thread::sleep(TICK);
    }
}

fn failure(kind: ServerKind, log: &Path) -> Error {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let end = lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default();
    Error::Build {
        server: kind.name(),
        log: end.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::servers::source::REDIS_8_10;

    #[test]
    fn a_tool_that_is_not_here_is_named() {
        let tools = ["sh-that-is-nowhere", "make"].map(OsString::from);
        assert_eq!(first_missing(tools).as_deref(), Some("sh-that-is-nowhere"));
        assert_eq!(first_missing([]), None);
    }

    #[test]
    fn make_runs_also_where_its_priority_cannot_be_lowered() {
        let program = |nice: &str| make(nice).get_program().to_owned();
        assert_eq!(program("nice-that-is-nowhere"), "make");
        if succeeds(Command::new("nice").arg("true")) {
            assert_eq!(program("nice"), "nice");
        }
    }

    #[test]
    fn a_failed_build_says_what_make_said() {
        if missing_tool().is_some() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("make.log");
        fs::create_dir(folder.path().join("src")).unwrap();
        let rule = "redis-server:\n\t@echo the disk is full\n\t@false\n";
        fs::write(folder.path().join("src/Makefile"), rule).unwrap();
        let failed = compile(
            ServerKind::Redis8_10,
            &REDIS_8_10,
            folder.path(),
            &log,
            false,
        );
        let text = failed.unwrap_err().to_string();
        assert!(
            text.starts_with("Redis 8.10.2 could not be built"),
            "{text}"
        );
        assert!(text.contains("the disk is full"), "{text}");
    }
}
