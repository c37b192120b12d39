//! The crates as users get them: a program is built against their `.crate` files, and their API is compared with the last release.
//!
//! Files that are missing in a package, and dependencies that only the workspace has, show up here and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, cargo, screen};

/// The crates that are published, each after those that it needs.
const CRATES: [&str; 5] = [
    "typedis-macros",
    "typedis-core",
    "typedis-testkit",
    "typedis",
    "typedis-recipes",
];

/// How programs differ: an expansion is compiled in the edition of its user, who may have given the crate another name.
const PROGRAMS: [Variety; 2] = [
    Variety {
        edition: "2021",
        name: "kv",
    },
    Variety {
        edition: "2024",
        name: "typedis",
    },
];

struct Variety {
    edition: &'static str,
    /// What the program calls the crate `typedis`.
    name: &'static str,
}

/// What a user writes first: a command, a derive, commands of one's own, and a test.
const PROGRAM: &str = r#"use typedis::prelude::*;

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct User {
    name: String,
    age: u32,
}

typedis::commands! { pub trait ShopCommands from "shop.toml" }

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let reply = typedis::Frame::parse("*4\r\n$4\r\nname\r\n$3\r\nAda\r\n$3\r\nage\r\n$2\r\n36\r\n")?;
    let user: User = reply.decode()?;
    assert_eq!(user, User { name: "Ada".into(), age: 36 });
    let (set, own) = (cmd().set("k", "v").nx().ex(10), cmd().stock("apples").at_least(1));
    println!("{set:?} {own:?}");
    Ok(())
}

#[test]
fn it_runs() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:?}", typedis_testkit::ServerKind::Valkey9);
    main()
}
"#;

const SPEC: &str = r#"[types]
key = "key"

[shop.stock]
doc = "How many there are."
syntax = "SHOP.STOCK key [MIN min:u64]"
reply = "u64"
names = { MIN = "at_least" }
"#;

pub(crate) fn check() -> Result {
    let folder = folder();
    if folder.join("crates").exists() {
        fs::remove_dir_all(folder.join("crates"))?;
    }
    pack()?;
    for name in CRATES {
        unpack(name, &folder)?;
    }
    build(&folder)?;
    compare()
}

/// Beside what cargo builds, so that dependencies are compiled only once.
fn folder() -> PathBuf {
    cargo::target().join("package-check")
}

/// Where cargo puts packages.
fn packed() -> PathBuf {
    cargo::target().join("package")
}

/// Removes packages of an earlier time, so that none of them is tested for one that was not packed.
fn forget(packed: &Path) -> Result {
    for name in CRATES {
        let path = packed.join(file(name) + ".crate");
        if path.exists() {
            fs::remove_file(&path)
                .map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn pack() -> Result {
    forget(&packed())?;
    // The program below is the check; what is not committed yet is packed too, as it is what is being checked. It needs no index: nothing is
    // looked up that the workspace has not.
    let words = [
        "package",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
        "--offline",
    ];
    let crates = CRATES.iter().flat_map(|name| ["--package", *name]);
    cargo::run(cargo::command(words.into_iter().chain(crates)))
}

fn file(name: &str) -> String {
    // All crates have the version of the workspace, and so has this one.
    format!("{name}-{}", env!("CARGO_PKG_VERSION"))
}

fn unpack(name: &str, folder: &Path) -> Result {
    let crates = folder.join("crates");
    fs::create_dir_all(&crates)?;
    let packed = packed().join(file(name) + ".crate");
    let status = Command::new("tar")
        // With the present time: cargo compiles again what is newer, and all packed files have the same old one.
        .arg("-xmzf")
        .arg(&packed)
        .arg("-C")
        .arg(&crates)
        .status()
        .map_err(|error| format!("cannot start tar: {error}"))?;
    if !status.success() {
        return Err(format!("cannot unpack {}", packed.display()).into());
    }
    for file_name in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        if !crates.join(file(name)).join(file_name).is_file() {
            return Err(format!("the package of {name} has no {file_name}").into());
        }
    }
    Ok(())
}

/// Builds the program and runs its test, with the versions of all other crates that the workspace has.
fn build(folder: &Path) -> Result {
    let user = folder.join("user");
    fs::create_dir_all(user.join("src"))?;
    fs::write(user.join("shop.toml"), SPEC)?;
    fs::copy(
        cargo::workspace().join("Cargo.lock"),
        user.join("Cargo.lock"),
    )?;
    for variety in PROGRAMS {
        fs::write(user.join("Cargo.toml"), variety.manifest())?;
        fs::write(user.join("src/main.rs"), variety.program())?;
        let mut command = cargo::command(["test", "--quiet", "--offline", "--target-dir"]);
        command
            .arg(folder.join("target"))
            .current_dir(&user)
            .stdout(Stdio::null());
        cargo::run(command)?;
    }
    Ok(())
}

impl Variety {
    fn manifest(&self) -> String {
        let (version, Self { edition, name }) = (env!("CARGO_PKG_VERSION"), self);
        let patches: String = CRATES
            .iter()
            .map(|name| format!("{name} = {{ path = \"../crates/{}\" }}\n", file(name)))
            .collect();
        format!(
            "[package]\nname = \"user\"\nedition = \"{edition}\"\n\n\
             [dependencies]\n{name} = {{ package = \"typedis\", version = \"{version}\" }}\ntypedis-recipes = \"{version}\"\n\n\
             [dev-dependencies]\ntypedis-testkit = \"{version}\"\n\n[patch.crates-io]\n{patches}\n[workspace]\n"
        )
    }

    /// The program, which says where the crate is if it has another name.
    fn program(&self) -> String {
        if self.name == "typedis" {
            return PROGRAM.to_owned();
        }
        let name = self.name;
        PROGRAM
            .replace("typedis::", &format!("{name}::"))
            .replace(
                "struct User",
                &format!("#[redis(crate = \"{name}\")]\nstruct User"),
            )
            .replace("commands! { ", &format!("commands! {{ crate = {name}; "))
    }
}

/// Compares the API with the last release, where there is one and the tool for it is installed.
fn compare() -> Result {
    let Some(release) = last_release() else {
        screen::note("no version has been released yet: there is no API to compare with");
        return Ok(());
    };
    let version = cargo::command(["semver-checks", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !version.is_ok_and(|status| status.success()) {
        screen::note(
            "cargo-semver-checks is not installed (`cargo install cargo-semver-checks`): the API was not compared",
        );
        return Ok(());
    }
    let words = ["semver-checks", "--baseline-rev", release.as_str()];
    let crates = CRATES.iter().flat_map(|name| ["--package", *name]);
    cargo::run(cargo::command(words.into_iter().chain(crates)))
}

/// The newest tag of a version, as in `v0.1.0`.
fn last_release() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"])
        .current_dir(cargo::workspace())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let tag = String::from_utf8(output.stdout).ok()?;
    Some(tag.trim().to_owned()).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::env;

    use super::*;

    #[test]
    fn packages_are_looked_for_where_cargo_puts_them() {
        let program = env::current_exe().unwrap();
        let target = packed().parent().map(Path::to_owned);
        assert!(program.starts_with(target.unwrap()), "{program:?}");
        assert_eq!(folder().parent(), packed().parent());
    }

    #[test]
    fn old_packages_are_removed() {
        let packed = tempfile::tempdir().unwrap();
        forget(packed.path()).unwrap();
        let others = packed.path().join("other-1.0.0.crate");
        fs::write(&others, "").unwrap();
        for name in CRATES {
            fs::write(packed.path().join(file(name) + ".crate"), "old").unwrap();
        }
        forget(packed.path()).unwrap();
        let left = fs::read_dir(packed.path()).unwrap();
        let left: Vec<PathBuf> = left.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [others]);
    }
}
