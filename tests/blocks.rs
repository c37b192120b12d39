//! Every block of code of every page is tried: Rust is compiled, a spec is expanded with the scripts beside it, Lua is loaded
//! by a server, the lines of a shell name commands that exist, and URLs are read.
//!
//! The Rust of the guide is compiled by the documentation tests (`src/lib.rs`, `recipes/src/lib.rs`), that of the other pages here, as the body of a
//! function.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use typedis::IntoConfig;
use typedis::prelude::*;
use typedis_testkit::{ServerKind, database};

/// A block of code of a page.
#[derive(Debug)]
struct Block {
    page: String,
    line: usize,
    /// What follows the three ticks.
    language: String,
    text: String,
}

impl Block {
    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// The file that the first line names, as in `# shop.toml`.
    fn file(&self) -> Option<&str> {
        let comment = match self.language.as_str() {
            "toml" => "# ",
            "lua" => "-- ",
            _ => return None,
        };
        let name = self.text.lines().next()?.strip_prefix(comment)?;
        name.ends_with(&format!(".{}", self.language))
            .then_some(name)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, named from the workspace's folder.
fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["", "docs/", "docs/guide/", "docs/guide/recipes/"] {
        let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
        for entry in entries {
            let name = entry.expect("it can be read").file_name();
            let name = name.to_str().expect("names are text");
            if name.ends_with(".md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    pages().into_iter().flat_map(blocks_of).collect()
}

fn blocks_of(page: String) -> Vec<Block> {
    let text = fs::read_to_string(root().join(&page)).expect("it can be read");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                open = Some(Block {
                    page: page.clone(),
                    line: index + 1,
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    blocks
}

/// A folder for what is written here.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}

#[test]
fn every_block_is_of_a_kind_that_is_tried() {
    let mut counts = [0; 5];
    for block in blocks() {
        let place = block.place();
        let kind = match block.language.as_str() {
            // `redis-macros` compares these with what it expands.
            "rust,ignore" if block.page == "docs/spec.md" => 0,
            "rust" | "rust,no_run" => 0,
            "toml" => 1,
            "lua" => 2,
            "console" => 3,
            "text"
                if ["docs/guide/connecting.md", "docs/benchmarks.md"].contains(&&*block.page) =>
            {
                4
            }
            other => panic!("{place}: nothing tries a block of `{other}`"),
        };
        counts[kind] += 1;
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn code_outside_of_the_guide_compiles() {
    let folder = folder("blocks");
    let tests = trybuild::TestCases::new();
    for block in blocks() {
        let is_compiled_elsewhere = block.page.starts_with("docs/guide/");
        if block.language != "rust" || is_compiled_elsewhere {
            continue;
        }
        let name = block.place().replace(['/', '.', ':'], "_");
        let path = folder.join(name + ".rs");
        let text = format!(
            "#![allow(unused)]\nfn main() {{}}\nasync fn block() -> typedis::Result<()> {{\n{}Ok(())\n}}\n",
            block.text
        );
        fs::write(&path, text).expect("it can be written");
        tests.pass(path);
    }
    for (index, spec) in specs().into_iter().enumerate() {
        let path = folder.join(format!("spec_{index}.rs"));
        let spec = spec.to_str().expect("it is text");
        let text = format!(
            "#![allow(unused)]\nfn main() {{}}\ntypedis::commands! {{ pub trait AllCommands from {spec:?} }}\n"
        );
        fs::write(&path, text).expect("it can be written");
        tests.pass(path);
    }
}

/// The specs that the pages print, written to files with the scripts of the same page beside them.
fn specs() -> Vec<PathBuf> {
    let mut specs = Vec::new();
    for page in pages() {
        let folder = folder(&format!("specs/{}", page.replace(['/', '.'], "_")));
        for block in blocks_of(page) {
            let Some(file) = block.file() else { continue };
            let path = folder.join(file);
            fs::write(&path, &block.text).expect("it can be written");
            if block.language == "toml" {
                specs.push(path);
            }
        }
    }
    assert!(!specs.is_empty(), "the page about scripts prints one");
    specs
}

#[test]
fn dependencies_name_the_version_of_the_package() {
    let mut checked = 0;
    for block in blocks() {
        if block.language != "toml" {
            continue;
        }
        let place = block.place();
        let table: toml::Table = toml::from_str(&block.text).unwrap_or_else(|error| {
            panic!("{place}: {error}");
        });
        let Some(dependency) = table.get("dependencies").and_then(|all| all.get("typedis")) else {
            continue;
        };
        let version = dependency
            .as_str()
            .or_else(|| dependency.get("version")?.as_str());
        let version = version.unwrap_or_else(|| panic!("{place} names no version"));
        assert!(env!("CARGO_PKG_VERSION").starts_with(version), "{place}");
        checked += 1;
    }
    assert!(checked > 0);
}

#[tokio::test]
async fn a_server_loads_every_script() -> typedis::Result<()> {
    let database = database(ServerKind::Valkey9);
    let conn = typedis::connect(database.url()).await?;
    let mut checked = 0;
    for block in blocks() {
        if block.language == "lua" {
            let loaded = conn.script_load(&block.text).await;
            loaded.unwrap_or_else(|error| panic!("{}: {error}", block.place()));
            checked += 1;
        }
    }
    assert!(checked > 0);
    Ok(())
}

#[test]
fn shell_lines_name_commands_that_exist() {
    let help = fs::read_to_string(root().join("xtask/src/main.rs")).expect("it can be read");
    let mut checked = 0;
    for block in blocks() {
        if block.language != "console" {
            continue;
        }
        for line in block.text.lines() {
            let place = block.place();
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            // Variables of the environment may come first.
            let words = command
                .split_whitespace()
                .skip_while(|word| word.contains('='));
            let words: Vec<&str> = words.collect();
            match words.as_slice() {
                ["cargo", "xtask", name, ..] => assert!(
                    help.contains(&format!("\n  {name} ")),
                    "{place}: cargo xtask knows no `{name}`"
                ),
                ["cargo", "run", "--example", name, ..] => assert!(
                    root().join(format!("examples/{name}.rs")).is_file(),
                    "{place}: there is no example `{name}`"
                ),
                ["cargo", "add" | "test" | "bench", ..] => {}
                _ => panic!("{place}: nothing is known of `{command}`"),
            }
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn urls_are_read() {
    let mut checked = 0;
    for block in blocks_of("docs/guide/connecting.md".to_owned()) {
        for url in block.text.lines().filter(|_| block.language == "text") {
            let url = url.split_whitespace().next().unwrap_or_default();
            let config = url.into_config();
            config.unwrap_or_else(|error| panic!("{}: {url}: {error}", block.place()));
            checked += 1;
        }
    }
    assert!(checked > 3, "{checked}");
}
