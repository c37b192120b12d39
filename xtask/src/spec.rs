//! `cargo xtask spec`: the content of `commands.toml`, and which of it was proved on real servers.
//!
//! # Layout
//!
//! - `outcomes`: the results of the conformance test for each call
//! - `table`: their table in the README
//! - `page`: the page of exceptions
//! - `known`: the commands and words of `commands.toml`
//! - `server`: asks a live server for its commands
//! - `missing`: commands and words that a server has and `commands.toml` does not
//! - `exceptions`: commands and words that are left out on purpose, with the reasons
//! - `stub`: a first version of a row for `commands.toml`

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, cargo, screen};

pub(crate) use outcomes::forget;

mod exceptions;
mod known;
mod missing;
pub(crate) mod outcomes;
mod page;
mod server;
mod stub;
mod table;

/// The page that lists what is not proved, and what is left out.
const PAGE: &str = "docs/coverage.md";

/// Runs the conformance test, shows the table of its outcomes, writes the table into the README, and writes the
/// exceptions into a page. With `check`, it only checks that the README has the table.
pub(crate) fn run(check: bool) -> Result {
    forget()?;
    screen::step("Running the conformance test");
    let words = ["test", "--package", "typedis", "--test", "conformance"];
    // With the features of the other commands, so that nothing is built twice.
    cargo::run(cargo::command(words.iter().chain(cargo::features())))?;
    if check { compare() } else { write() }
}

fn write() -> Result {
    let outcomes = outcomes::read()?;
    let table = table::render(&outcomes);
    println!("\n{table}");
    let (path, text) = read("README.md")?;
    save(&path, &text, &table::replace(&text, &table)?)?;
    let (path, text) = read(PAGE)?;
    save(&path, &text, &page::render(&outcomes, &spec()?))
}

/// Writes a file if it has another text.
fn save(path: &Path, text: &str, fresh: &str) -> Result {
    let shown = path.display();
    if fresh == text {
        screen::success(&format!("{shown} is fresh"));
    } else {
        fs::write(path, fresh).map_err(|error| format!("cannot write {shown}: {error}"))?;
        screen::success(&format!("{shown} was written again"));
    }
    Ok(())
}

/// Fails unless the README has the table of the latest outcomes. A server that is not present does not count.
pub(crate) fn compare() -> Result {
    let fresh = table::render(&outcomes::read()?);
    let (_, text) = read("README.md")?;
    let table = table::find(&text).unwrap_or_default();
    if table::without_absent(table, &fresh) != fresh {
        return Err("the table in README.md is not of this spec: run cargo xtask spec".into());
    }
    screen::success("README.md has the table of this spec");
    Ok(())
}

/// Lists what a live server knows and `commands.toml` does not.
pub(crate) fn missing(url: &str) -> Result {
    let spec = spec()?;
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

/// What `commands.toml` knows.
fn spec() -> Result<known::Spec> {
    let path = cargo::workspace().join("commands.toml");
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read commands.toml: {error}"))?;
    known::Spec::read(&text, &written()?)
}

/// The words that the types of arguments write.
fn written() -> Result<known::Written> {
    let mut written = known::Written::default();
    for file in fs::read_dir(cargo::workspace().join("src/args"))? {
        written.add(&fs::read_to_string(file?.path())?);
    }
    Ok(written)
}

/// A file of the workspace, and its text; an empty text if there is no such file.
fn read(name: &str) -> Result<(PathBuf, String)> {
    let path = cargo::workspace().join(name);
    let text = match fs::read_to_string(&path) {
        Err(error) if path.exists() => return Err(format!("cannot read {name}: {error}").into()),
        text => text.unwrap_or_default(),
    };
    Ok((path, text))
}
