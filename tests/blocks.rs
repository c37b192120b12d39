//! Every block of code of every page is tried: Rust is compiled, a spec is expanded with the scripts beside it, Lua is loaded
//! by a server, the lines of a shell name commands that exist, and URLs are read.
//!
//! Rust is compiled by the documentation tests (`src/lib.rs`, `recipes/src/lib.rs`), and the spec that a page prints is expanded here, from a copy that is
//! compared with the page.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::Path;

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
fn every_page_with_rust_is_compiled_by_the_documentation_tests() {
    let crates = [("src/lib.rs", "../"), ("recipes/src/lib.rs", "../../")];
    let mut checked = 0;
    for block in blocks() {
        if !block.language.starts_with("rust") || block.language == "rust,ignore" {
            continue;
        }
        let is_included = crates.iter().any(|(file, up)| {
            let text = fs::read_to_string(root().join(file)).expect("it can be read");
            text.contains(&format!("include_str!(\"{up}{}\")", block.page))
        });
        assert!(is_included, "{}: nothing compiles this page", block.place());
        checked += 1;
    }
    assert!(checked > 20, "{checked}");
}

/// The spec that the page about scripts prints, expanded with the script beside it.
mod printed {
    typedis::commands! { pub(crate) trait ShopCommands from "tests/blocks/shop.toml" }
}

#[tokio::test]
async fn the_specs_that_pages_print_are_expanded() -> typedis::Result<()> {
    let mut printed = Vec::new();
    for block in blocks() {
        let Some(file) = block.file() else { continue };
        let copy = root().join("tests/blocks").join(file);
        let copy = fs::read_to_string(&copy).unwrap_or_else(|error| {
            panic!("{}: the copy in tests/blocks: {error}", block.place());
        });
        assert_eq!(
            copy,
            block.text,
            "{}: its copy in tests/blocks",
            block.place()
        );
        printed.push(file.to_owned());
    }
    printed.sort();
    assert_eq!(
        printed,
        ["reserve.lua", "shop.toml"],
        "expand the spec of each page"
    );

    use printed::ShopCommands as _;
    let database = database(ServerKind::Valkey9);
    let conn = typedis::connect(database.url()).await?;
    conn.set("stock", 5).await?;
    assert_eq!(
        conn.reserve("stock", "order", 3).note("soon").await?,
        Some(2)
    );
    assert_eq!(conn.reserve("stock", "order", 3).await?, None);
    Ok(())
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

#[cfg(feature = "serde")]
#[test]
fn the_file_is_read() {
    let blocks = blocks_of("docs/guide/connecting.md".to_owned());
    let file = blocks.iter().find(|block| block.language == "toml");
    let file = file.expect("the page has a file");
    let read: typedis::Config = toml::from_str(&file.text).unwrap_or_else(|error| {
        panic!("{}: {error}", file.place());
    });
    let url = "redis://worker:secret@cache.example,b.example,c.example:6380\
               ?command_timeout=2s&budget_bytes=16MiB&backoff_first=10ms";
    assert_eq!(read, url.into_config().expect("it is a URL"));
}
