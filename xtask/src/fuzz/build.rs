//! The programs of the targets, built so that libFuzzer sees which parts of the code an input reaches. The compiler's own
//! instrumentation is enough for that, and stable Rust has it. A sanitizer, which would need nightly Rust, is left out: it
//! finds misuse of memory, and these crates have no `unsafe` code.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, ffi};

use crate::{Result, cargo};

/// Counters for each edge between basic blocks, a table of their places, and calls at each comparison, from which libFuzzer
/// learns the values that the code compares with. These are the flags of cargo-fuzz.
const FLAGS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Says what is missing here, if something is.
pub(super) fn check_tools() -> Result {
    if cfg!(windows) {
        return Err(
            "fuzzing runs on Linux and macOS: libFuzzer is built from its source there".into(),
        );
    }
    let compiler = env::var_os("CXX").unwrap_or_else(|| ffi::OsString::from("c++"));
    let answers = Command::new(&compiler)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if answers.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(format!(
        "fuzzing needs a C++ compiler, which builds libFuzzer, and {} does not run here: install g++ or clang++, or name \
         another one in the variable CXX",
        compiler.display()
    )
    .into())
}

/// Builds all targets, and returns the folder of their programs.
pub(super) fn build() -> Result<PathBuf> {
    let host = host()?;
    let mut command = cargo::command(["build", "--release", "--bins", "--target", &host]);
    command
        .current_dir(folder())
        // With a target that is named, the flags are not for build scripts and macros.
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .env("CARGO_TARGET_DIR", folder().join("target"));
    cargo::run(command)?;
    Ok(folder().join("target").join(host).join("release"))
}

/// The workspace of the targets.
pub(super) fn folder() -> PathBuf {
    cargo::workspace().join("fuzz")
}

/// The name of this platform, as the compiler calls it.
fn host() -> Result<String> {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| ffi::OsString::from("rustc"));
    let output = Command::new(compiler).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}
