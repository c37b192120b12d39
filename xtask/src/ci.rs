//! `cargo xtask ci`: what must pass before a change is merged, the fastest first.

use std::time::Instant;

use crate::{Result, cargo, lacking, layers, msrv, package, screen, simulate, spec, test};

pub(crate) fn run() -> Result {
    let start = Instant::now();
    step("Format", || {
        cargo::run(cargo::command(["fmt", "--all", "--check"]))
    })?;
    step("Layers", || layers::run(false))?;
    step("Lints", || {
        let clippy = ["clippy", "--workspace", "--all-targets"];
        let deny = ["--", "--deny", "warnings"];
        let words = clippy.iter().chain(cargo::features()).chain(&deny);
        cargo::run(cargo::command(words))
    })?;
    step("Features", check_features)?;
    step("Oldest Rust", msrv::check)?;
    step("Documentation", || {
        let words = ["doc", "--workspace", "--no-deps"];
        let mut doc = cargo::command(words.iter().chain(cargo::features()));
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        cargo::run(doc)
    })?;
    step("Packages", package::check)?;
    // The results of earlier tests must not count.
    spec::forget()?;
    step("Tests", || test::run(Vec::new()))?;
    step("Simulation", simulate::run_some)?;
    step("Coverage", spec::compare)?;
    screen::success(&format!(
        "All passed in {:.0} s",
        start.elapsed().as_secs_f64()
    ));
    lacking::note_ci()
}

/// The features by which parts of the library are left out: none, and each alone. All together are what everything else is run with.
const PARTS: [&str; 4] = ["", "cache", "cluster", "json"];

/// Lints the library and its examples with each of its parts.
fn check_features() -> Result {
    for part in PARTS {
        let library = [
            "clippy",
            "--package",
            "typedis-core",
            "--package",
            "typedis",
        ];
        let words = [
            "--lib",
            "--examples",
            "--features",
            part,
            "--",
            "--deny",
            "warnings",
        ];
        cargo::run(cargo::command(library.iter().chain(&words)))?;
    }
    Ok(())
}

fn step(name: &str, run: impl FnOnce() -> Result) -> Result {
    screen::step(name);
    let start = Instant::now();
    run()?;
    screen::success(&format!("{name} ({:.0} s)", start.elapsed().as_secs_f64()));
    Ok(())
}
