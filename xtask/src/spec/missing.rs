//! What a live server knows and `commands.toml` does not: [`Missing`].

use std::collections::{BTreeMap, BTreeSet};

use super::exceptions;
use super::known::Spec;
use super::stub;
use typedis_testkit::{Argument, ServerCommands};

/// What is missing in `commands.toml`.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    pub(crate) commands: Vec<String>,
    /// Commands that `commands.toml` has, and the words that they lack.
    pub(crate) options: BTreeMap<String, Vec<String>>,
    /// What is left out on purpose, and why.
    pub(crate) left_out: Vec<(String, String)>,
}

impl Missing {
    pub(crate) fn find(spec: &Spec, server: &ServerCommands) -> Self {
        let mut missing = Self::default();
        for (name, command) in &server.commands {
            let mut words = BTreeSet::new();
            tokens(&command.arguments, &mut words);
            // An argument on the server may be a subcommand in the spec, and the other way round.
            let (is_known, known) = words_of(spec, name);
            words.retain(|word| !known.contains(word.as_str()));
            let refused = spec.refused.get(name).cloned();
            let reason = refused.or_else(|| exceptions::reason(name).map(str::to_owned));
            match (is_known, reason) {
                (false, Some(reason)) => missing.left_out.push((name.clone(), reason)),
                (false, None) => missing.commands.push(name.clone()),
                (true, _) => missing.lack(name, words),
            }
        }
        missing
    }

    fn lack(&mut self, name: &str, words: BTreeSet<String>) {
        for word in words {
            match exceptions::reason_for_word(name, &word) {
                Some(reason) => {
                    let word = format!("{name} {word}");
                    self.left_out.push((word, reason.to_owned()));
                }
                None => self.options.entry(name.to_owned()).or_default().push(word),
            }
        }
    }

    /// First versions of the missing rows.
    pub(crate) fn render(&self, spec: &Spec, server: &ServerCommands) -> String {
        let commands = self.commands.iter().filter_map(|name| {
            let command = server.commands.get(name)?;
            let documented = command
                .group
                .as_deref()
                .unwrap_or("module")
                .replace('-', "_");
            let group = spec.group_like(name).unwrap_or(&documented);
            Some(stub::command(server, group, name, command))
        });
        let options = self.options.iter().filter_map(|(name, words)| {
            let command = server.commands.get(name)?;
            let similar = || {
                spec.commands
                    .iter()
                    .find(|(row, _)| is_subcommand(row, name))
            };
            let row = spec
                .commands
                .get(name)
                .or_else(|| similar().map(|(_, row)| row))?;
            let place = (row.group.as_str(), row.method.as_str());
            Some(stub::options(server, place, (name, command), words))
        });
        commands.chain(options).map(|row| row + "\n").collect()
    }
}

/// Whether the spec has a command, itself or as subcommands, and the words that it may send.
fn words_of<'a>(spec: &'a Spec, name: &str) -> (bool, BTreeSet<&'a str>) {
    let rows = spec
        .commands
        .iter()
        .filter(|(row, _)| *row == name || is_subcommand(row, name));
    let mut is_known = false;
    let mut words = BTreeSet::new();
    for (row, known) in rows {
        is_known = true;
        words.extend(row.split(' '));
        words.extend(known.words.iter().map(String::as_str));
    }
    (is_known, words)
}

fn is_subcommand(row: &str, name: &str) -> bool {
    row.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with(' '))
}

/// The words of some arguments, which are nested only as deep as the reply was read.
fn tokens(arguments: &[Argument], words: &mut BTreeSet<String>) {
    for argument in arguments {
        let token = argument.token.as_deref().unwrap_or_default();
        let parts = token.trim_matches('"').split_whitespace();
        words.extend(parts.map(str::to_uppercase));
        tokens(&argument.arguments, words);
    }
}

#[cfg(test)]
mod tests;
