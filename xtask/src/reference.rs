//! `cargo xtask reference` and `cargo xtask translate`: all commands to look things up in, and lines of redis-cli as Rust.
//!
//! # Layout
//!
//! - `spec`: the commands, as the macro knows them
//! - `translate`: a line of redis-cli as a call in Rust
//! - `site/`: the page, its style and its programs; `browser`: tests that drive it

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::spec::outcomes::{self, Outcomes};
use crate::{Result, cargo, screen};

#[cfg(test)]
mod browser;
mod spec;
mod translate;

/// Prints the call that a line of redis-cli stands for.
pub(crate) fn translate(line: &str) -> Result {
    let translation = translate::translate(&spec::read()?, line)?;
    println!("{}", translation.rust);
    translation.notes.iter().for_each(|note| screen::note(note));
    Ok(())
}

/// Writes the page.
pub(crate) fn run() -> Result {
    let path = write()?;
    let size = fs::metadata(&path)?.len() / 1024;
    screen::success(&format!(
        "{} ({size} kB): open it in a browser",
        path.display()
    ));
    Ok(())
}

fn write() -> Result<PathBuf> {
    let folder = cargo::target().join("reference");
    fs::create_dir_all(&folder)?;
    let path = folder.join("index.html");
    fs::write(&path, page(&proven())?)?;
    Ok(path)
}

/// The page, complete in itself.
fn page(proven: &BTreeMap<String, BTreeSet<String>>) -> Result<String> {
    // A closing tag within the data would end it.
    let data = spec::JSON.replace("</", "<\\/");
    let proven = serde_json::to_string(proven)?.replace("</", "<\\/");
    Ok(include_str!("reference/site/page.html")
        .replace("/*style*/", include_str!("reference/site/style.css"))
        .replace("/*translate*/", include_str!("reference/site/translate.js"))
        .replace("/*reference*/", include_str!("reference/site/reference.js"))
        .replace("{/*proven*/}", &proven)
        .replace("{/*data*/}", &data))
}

/// Which servers answered a command with the declared type, by its method; empty where the conformance test has not run.
fn proven() -> BTreeMap<String, BTreeSet<String>> {
    let mut proven: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for outcome in outcomes::read().unwrap_or_default() {
        if outcome.result == Outcomes::Live {
            proven
                .entry(outcome.method)
                .or_default()
                .insert(outcome.server);
        }
    }
    proven
}
