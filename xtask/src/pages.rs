//! `cargo xtask pages`: what the guide shows of other clients is compiled with these clients, in the workspace of the benches.

use crate::{Result, cargo};

pub(crate) fn check() -> Result {
    let mut command = cargo::command(["check", "--package", "peer-pages"]);
    command.current_dir(cargo::workspace().join("benches/peers"));
    cargo::run(command)
}
