//! The oldest Rust that `Cargo.toml` promises: the crates that users compile are checked with it where it is installed.
//!
//! Clippy's `incompatible_msrv`, which runs with the other lints, finds functions of the standard library that are newer. It
//! does not find newer syntax: only that compiler does.

use std::process::{Command, Stdio};

use crate::{Result, cargo, screen};

/// The crates that users compile.
const CRATES: [&str; 4] = [
    "typedis",
    "typedis-core",
    "typedis-macros",
    "typedis-recipes",
];

/// Checks the crates with the oldest compiler, or says that it is not here.
pub(crate) fn check() -> Result {
    if let Some(lacking) = lacking()? {
        screen::note(&format!("Left out: {lacking}"));
        return Ok(());
    }
    let version = promised()?;
    let mut command = Command::new("rustup");
    command
        .args(["run", &version, "cargo", "check", "--target-dir"])
        .arg(cargo::target().join("msrv"))
        .args(CRATES.iter().flat_map(|name| ["--package", name]))
        .args(cargo::features())
        .current_dir(cargo::workspace())
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo::run(command)
}

/// What to say if that compiler is not here.
pub(crate) fn lacking() -> Result<Option<String>> {
    let version = promised()?;
    let words = || {
        format!(
            "the oldest Rust: {version} is not installed (`rustup toolchain install {version}`), only clippy's `incompatible_msrv` was checked"
        )
    };
    Ok((!is_installed(&version)).then(words))
}

/// The version that `Cargo.toml` names.
fn promised() -> Result<String> {
    let text = std::fs::read_to_string(cargo::workspace().join("Cargo.toml"))?;
    let manifest: toml::Table = toml::from_str(&text)?;
    let version = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("rust-version")?.as_str());
    version
        .map(str::to_owned)
        .ok_or_else(|| "Cargo.toml names no `workspace.package.rust-version`".into())
}

fn is_installed(version: &str) -> bool {
    let found = Command::new("rustup")
        .args(["run", version, "rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_promised_version_is_the_one_of_the_readme() {
        let version = promised().unwrap();
        let readme = std::fs::read_to_string(cargo::workspace().join("README.md")).unwrap();
        assert!(
            readme.contains(&format!("Rust {version} or newer")),
            "{version}"
        );
    }
}
