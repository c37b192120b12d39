//! `cargo xtask layers`: whether each crate is built in layers, from the bottom up.
//!
//! `layers.toml` lists the folders of a crate, layer by layer, which are called floors here. A folder may import only
//! from floors below its own. Two folders, or two files, never import each other, also not through others. An import
//! that breaks a rule is named with file and line. A file with files below it has a `# Layout`, which names each and says what it
//! holds; so it is with the integration tests.
//!
//! # Layout
//!
//! - `source`: the imports of one file, read from its syntax
//! - `modules`: the files of a crate, and which file a path leads to
//! - `layout`: where to find what
//! - `rules`: the floors, the circles, and the imports that break them
//! - `table`: the floors as a table in `CONTRIBUTING.md`

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Result, cargo, screen};

mod layout;
mod modules;
mod rules;
mod source;
mod table;

use modules::Modules;

/// The page that shows the floors.
const PAGE: &str = "CONTRIBUTING.md";

/// The floors of all crates: `layers.toml`.
#[derive(Debug, Deserialize)]
struct Layers {
    #[serde(rename = "crate")]
    crates: Vec<House>,
}

/// One crate, and its floors from the bottom up. Modules on the same floor do not import each other.
#[derive(Debug, Deserialize)]
struct House {
    /// The file at which the compiler begins, such as `redis-core/src/lib.rs`.
    root: String,
    /// If this is empty, only circles are looked for.
    #[serde(default)]
    floors: Vec<Vec<String>>,
    /// Whether the entry file of a folder and a file in it may import each other.
    #[serde(default)]
    entries_may_circle: bool,
}

/// Checks all crates, and that the table in `CONTRIBUTING.md` is fresh; `write` renews the table.
pub(crate) fn run(write: bool) -> Result {
    let workspace = cargo::workspace();
    let layers: Layers = toml::from_str(&fs::read_to_string(workspace.join("layers.toml"))?)?;
    let mut faults = 0;
    for house in &layers.crates {
        let root = Path::new(&house.root);
        let modules = Modules::read(&workspace, root)?;
        let mut found = rules::check(&modules, house);
        for folder in folders(&workspace, root) {
            found.extend(layout::check(&workspace, &folder)?);
        }
        for fault in found {
            screen::failure(&fault.to_string());
            faults += 1;
        }
        if !house.floors.is_empty() {
            table::keep(&workspace.join(PAGE), house, &modules, write)?;
        }
    }
    if faults > 0 {
        return Err(format!("{faults} faults in the layers, see above").into());
    }
    screen::success(&format!("{} crates are in layers", layers.crates.len()));
    Ok(())
}

/// The folders of a crate that hold its code and its integration tests.
fn folders(workspace: &Path, root: &Path) -> Vec<PathBuf> {
    let code = root.parent().unwrap_or(Path::new(""));
    let tests = code.parent().unwrap_or(Path::new("")).join("tests");
    let folders = [code.to_owned(), tests];
    let is_there = |folder: &PathBuf| workspace.join(folder).is_dir();
    folders.into_iter().filter(is_there).collect()
}
