//! `cargo xtask simulate`: many simulated worlds, each from its seed. The program is a part of the test kit; it is built
//! with optimizations, because a million worlds are run.

use std::ffi::OsString;

use crate::{Result, cargo};

/// How many worlds CI runs.
const IN_CI: &str = "2000";

/// Builds the program, and runs it with these arguments.
pub(crate) fn run(arguments: Vec<OsString>) -> Result {
    let words = [
        "run",
        "--release",
        "--quiet",
        "--package",
        "typedis-testkit",
        "--features",
        "simulation",
        "--bin",
        "simulate",
        "--",
    ];
    let words = words.into_iter().map(OsString::from).chain(arguments);
    cargo::run(cargo::command(words))
}

/// A part of it, for each change.
pub(crate) fn run_some() -> Result {
    run(vec!["--seeds".into(), IN_CI.into()])
}
