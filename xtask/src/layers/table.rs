//! The floors of a crate as a table in `CONTRIBUTING.md`, highest first, each folder with its imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::House;
use super::modules::Modules;
use crate::{Result, screen};

const BEGIN: &str = "<!-- layers: written by cargo xtask layers --write -->";
const END: &str = "<!-- layers end -->";

/// Writes the table into the page, or fails if the page has another one.
pub(super) fn keep(page: &Path, house: &House, modules: &Modules, write: bool) -> Result {
    let text = fs::read_to_string(page)?;
    let outside = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = outside else {
        return Err(format!("{} has no place for the table: {BEGIN}", page.display()).into());
    };
    let fresh = format!("{before}{BEGIN}\n{}{END}{after}", render(house, modules));
    if fresh == text {
        return Ok(());
    }
    if !write {
        let why = "the table of layers is out of date: run cargo xtask layers --write";
        return Err(why.into());
    }
    fs::write(page, fresh)?;
    screen::success(&format!("wrote the table into {}", page.display()));
    Ok(())
}

fn render(house: &House, modules: &Modules) -> String {
    let imports = imports(modules);
    let mut table =
        "| floor | folder | holds | imports from |\n| ---: | --- | --- | --- |\n".to_owned();
    for (floor, names) in house.floors.iter().enumerate().rev() {
        for name in names {
            let holds = first_sentence(modules, name);
            let below = imports.get(name).map(|below| shown(house, below));
            let below = below.unwrap_or_default();
            table += &format!("| {} | `{name}` | {holds} | {below} |\n", floor + 1);
        }
    }
    table
}

/// What each folder imports from others.
fn imports(modules: &Modules) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for arrow in modules.arrows() {
        if let (Some(from), Some(to)) = (arrow.from.first(), arrow.to.first())
            && from != to
        {
            imports.entry(from.clone()).or_default().insert(to.clone());
        }
    }
    imports
}

/// In the order of the floors, the highest first.
fn shown(house: &House, names: &BTreeSet<String>) -> String {
    let order = house.floors.iter().rev().flatten();
    order
        .filter(|name| names.contains(*name))
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first sentence of a module's documentation.
fn first_sentence(modules: &Modules, name: &str) -> String {
    let text = modules.text(&[name.to_owned()]).unwrap_or_default();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let words = lines
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let end = words.find(". ").unwrap_or(words.len());
    words
        .get(..end)
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned()
}
