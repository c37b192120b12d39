//! Running cargo: the same cargo that runs this, in the workspace, with its output shown.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use typedis_testkit::servers;

use crate::Result;

/// A call of cargo in the workspace's folder.
pub(crate) fn command<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .current_dir(workspace())
        .stdin(Stdio::null());
    command
}

/// The features that can be built here: all, or all but TLS if OpenSSL's headers are missing.
pub(crate) fn features() -> &'static [&'static str] {
    if has_openssl() {
        &["--all-features"]
    } else {
        &[
            "--features",
            "typedis/cache,typedis/cluster,typedis/json,typedis/serde,typedis/tracing,typedis-testkit/simulation",
        ]
    }
}

/// Whether OpenSSL's headers are here, without which TLS cannot be built.
pub(crate) fn has_openssl() -> bool {
    let found = Command::new("pkg-config")
        .args(["--exists", "openssl"])
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// Runs cargo and fails if it does.
pub(crate) fn run(mut command: Command) -> Result {
    let status = command
        .status()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed ({status})", words(&command)).into())
    }
}

/// Runs a build. Returns the programs that cargo says it made, or had made before: where they are is for its variables and
/// configuration files to say, and one that is looked for elsewhere may be an old one. A part of them may be there if it fails.
pub(crate) fn build(mut command: Command) -> Result<(Vec<PathBuf>, bool)> {
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let programs = executables(&String::from_utf8_lossy(&output.stdout));
    Ok((programs, output.status.success()))
}

/// Builds one program, and returns its path.
pub(crate) fn build_program(command: Command, name: &str) -> Result<PathBuf> {
    let (programs, succeeded) = build(command)?;
    let mut found = programs.into_iter();
    match found.find(|path| path.file_stem().is_some_and(|stem| stem == name)) {
        Some(path) if succeeded => Ok(path),
        _ => Err(format!("{name} was not built").into()),
    }
}

/// The programs that cargo names in its messages.
pub(crate) fn executables(messages: &str) -> Vec<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(message.get("executable")?.as_str()?.into()))
        .collect()
}

/// The command line, for people.
fn words(command: &Command) -> String {
    let arguments = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned());
    ["cargo".to_owned()]
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Cargo's target folder, by the rule of the test kit. What is written beside what cargo builds is there.
pub(crate) fn target() -> PathBuf {
    servers::target_folder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_the_one_that_cargo_uses() {
        let program = env::current_exe().unwrap_or_default();
        assert!(
            program.starts_with(target()),
            "{program:?} is not in {:?}",
            target()
        );
    }

    #[test]
    fn programs_are_where_cargo_says() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"executable\":\"/elsewhere/release/typedis-soak\"}\n",
            "no message\n",
            "{\"reason\":\"build-finished\",\"success\":false}\n",
        );
        assert_eq!(
            executables(messages),
            [Path::new("/elsewhere/release/typedis-soak")]
        );
    }
}
