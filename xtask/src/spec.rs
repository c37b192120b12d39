//! `cargo xtask spec`: what `commands.toml` holds, and what of it was proved on real servers.
//!
//! # Layout
//!
//! - `outcomes`: what the conformance test wrote about each call
//! - `table`: the table of them in the README
//! - `known`: the commands and words of `commands.toml`
//! - `server`: where a live server is asked what it knows
//! - `missing`: what the one knows and the other does not
//! - `exceptions`: what is left out on purpose, with the reasons
//! - `stub`: a row for `commands.toml` to begin with

use std::fs;
use std::path::PathBuf;

use crate::{Result, cargo, screen};

pub(crate) use outcomes::forget;

mod exceptions;
mod known;
mod missing;
mod outcomes;
mod server;
mod stub;
mod table;

/// Runs the conformance test, and shows the table of its outcomes and writes it into the README; or only checks that
/// the README has it.
pub(crate) fn run(check: bool) -> Result {
    forget()?;
    screen::step("Running the conformance test");
    cargo::run(cargo::command([
        "test",
        "--package",
        "typedis",
        "--test",
        "conformance",
    ]))?;
    if check { compare() } else { write() }
}

fn write() -> Result {
    let table = table::render(&outcomes::read()?);
    println!("\n{table}");
    let (path, text) = readme()?;
    let fresh = table::replace(&text, &table)?;
    if fresh == text {
        screen::success("README.md has this table");
    } else {
        fs::write(&path, fresh).map_err(|error| format!("cannot write README.md: {error}"))?;
        screen::success("README.md has this table now");
    }
    Ok(())
}

/// Fails unless the README has the table of the latest outcomes.
pub(crate) fn compare() -> Result {
    let (_, text) = readme()?;
    let fresh = table::replace(&text, &table::render(&outcomes::read()?))?;
    if fresh != text {
        return Err("the table in README.md is not of this spec: run cargo xtask spec".into());
    }
    screen::success("README.md has the table of this spec");
    Ok(())
}

/// Lists what a live server knows and `commands.toml` does not.
pub(crate) fn missing(url: &str) -> Result {
    let path = cargo::workspace().join("commands.toml");
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read commands.toml: {error}"))?;
    let spec = known::Spec::read(&text, &written()?)?;
    let server = server::ask(url)?;
    let missing = missing::Missing::find(&spec, &server);
    print!("{}", missing.render(&spec, &server));
    for (what, reason) in &missing.left_out {
        screen::note(&format!("{what}: {reason}"));
    }
    let (commands, options) = (missing.commands.len(), missing.options.len());
    screen::success(&format!(
        "{} {} has {} commands; {commands} of them are not in commands.toml, and of {options} others not all words",
        server.name,
        server.version,
        server.commands.len(),
    ));
    Ok(())
}

/// The words that the types of arguments write.
fn written() -> Result<known::Written> {
    let mut written = known::Written::default();
    for file in fs::read_dir(cargo::workspace().join("src/args"))? {
        written.add(&fs::read_to_string(file?.path())?);
    }
    Ok(written)
}

fn readme() -> Result<(PathBuf, String)> {
    let path = cargo::workspace().join("README.md");
    let text =
        fs::read_to_string(&path).map_err(|error| format!("cannot read README.md: {error}"))?;
    Ok((path, text))
}
