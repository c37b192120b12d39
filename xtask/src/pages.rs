//! `cargo xtask pages`: what the guide shows of other clients is compiled with these clients, in the workspace of the benches.

use crate::{Result, cargo};

pub(crate) fn check() -> Result {
    let folder = cargo::workspace().join("benches/peers");
    let mut command = cargo::command(["check", "--package", "peer-pages"]);
    command
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(folder);
    cargo::run(command)
}
