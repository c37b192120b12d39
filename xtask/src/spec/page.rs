//! The page that lists what is not proved and what is left out, with the reasons: [`render`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::exceptions;
use super::known::Spec;
use super::outcomes::Outcome;
use super::table::{self, Item, Place, Proof};

/// The page.
pub(crate) fn render(outcomes: &[Outcome], spec: &Spec) -> String {
    let groups = table::collect(outcomes);
    let items = || groups.values().flatten();
    let mut text = String::from(
        "# What is not proved\n\n\
         The conformance test makes every call of `commands.toml` on each server that knows it, in both protocols; the table in \
         [README.md](../README.md) counts what succeeds. This page lists the rest. It is written by `cargo xtask spec`.\n\n\
         ## Not proved on a server that knows it\n\n| what | where | why |\n| --- | --- | --- |\n",
    );
    for ((what, why), places) in refused(items()) {
        let _ = writeln!(text, "| {what} | {} | {why} |", join(&places));
    }
    text += "\n## Newer than every server of the tests\n\n\
             Written from the documentation of the servers; only the examples in it were decoded.\n\n\
             | group | commands and options |\n| --- | --- |\n";
    for (group, items) in &groups {
        let new = items
            .iter()
            .filter(|(_, proof)| proof.live.is_empty() && proof.tried.is_empty());
        let new: Vec<String> = new.map(|(item, _)| name(item)).collect();
        if !new.is_empty() {
            let _ = writeln!(text, "| {group} | {} |", new.join(", "));
        }
    }
    text += "\n## Left out of `commands.toml`\n\n| what | why |\n| --- | --- |\n";
    for (what, why) in exceptions::all() {
        let what = what.replace(" | ", ", ");
        let _ = writeln!(text, "| `{what}` | {why} |");
    }
    text += "\n## Refused\n\n\
             Commands without a method that are not sent when they are built from words either.\n\n\
             | what | why |\n| --- | --- |\n";
    for (what, why) in &spec.refused {
        let _ = writeln!(text, "| `{what}` | {why} |");
    }
    text
}

/// The items that were tried without success: an item and the reason, with the places.
fn refused<'a>(
    items: impl Iterator<Item = (&'a Item, &'a Proof)>,
) -> BTreeMap<(String, &'a str), BTreeSet<&'a Place>> {
    let mut refused: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (item, proof) in items {
        let vain = proof.tried.iter();
        for (place, why) in vain.filter(|(place, _)| !proof.live.contains(place)) {
            refused
                .entry((name(item), why.as_str()))
                .or_default()
                .insert(place);
        }
    }
    refused
}

fn name(item: &Item) -> String {
    match &item.option {
        Some((method, option)) => format!("`{method}().{option}()`"),
        None => format!("`{}`", item.command),
    }
}

fn join(places: &BTreeSet<&Place>) -> String {
    let places: Vec<String> = places
        .iter()
        .map(|(server, protocol)| format!("{server} in {protocol}"))
        .collect();
    places.join(", ")
}
