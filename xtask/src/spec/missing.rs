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
    /// Commands that are there, and the words that they lack.
    pub(crate) options: BTreeMap<String, Vec<String>>,
    /// What is left out on purpose, and why.
    pub(crate) left_out: Vec<(String, &'static str)>,
}

impl Missing {
    pub(crate) fn find(spec: &Spec, server: &ServerCommands) -> Self {
        let mut missing = Self::default();
        for (name, command) in &server.commands {
            let mut words = BTreeSet::new();
            tokens(&command.arguments, &mut words);
            // What the server takes for an argument may be a subcommand in the spec, and the other way round.
            let (is_known, known) = words_of(spec, name);
            words.retain(|word| !known.contains(word.as_str()));
            match (is_known, exceptions::reason(name)) {
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
                Some(reason) => self.left_out.push((format!("{name} {word}"), reason)),
                None => self.options.entry(name.to_owned()).or_default().push(word),
            }
        }
    }

    /// Rows to begin with.
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

/// Whether the spec has a command, by itself or by its subcommands, and the words that it may send.
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

/// The words of some arguments, which the server nests no deeper than was read.
fn tokens(arguments: &[Argument], words: &mut BTreeSet<String>) {
    for argument in arguments {
        let token = argument.token.as_deref().unwrap_or_default();
        let parts = token.trim_matches('"').split_whitespace();
        words.extend(parts.map(str::to_uppercase));
        tokens(&argument.arguments, words);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::known::Written;
    use typedis_testkit::CommandDocs;

    use super::*;

    fn server() -> ServerCommands {
        let token = |token: &str| Argument {
            kind: "pure-token".to_owned(),
            token: Some(token.to_owned()),
            ..Argument::default()
        };
        let set = CommandDocs {
            arguments: vec![token("nx"), token("NEW")],
            ..CommandDocs::default()
        };
        let mut server = ServerCommands {
            name: "redis".to_owned(),
            version: "9.0.0".to_owned(),
            ..ServerCommands::default()
        };
        server.commands.insert("SET".to_owned(), set);
        for name in ["GET", "SETNEW", "OBJECT HELP", "FT.CONFIG"] {
            server
                .commands
                .insert(name.to_owned(), CommandDocs::default());
        }
        server
    }

    const SPEC: &str = r#"
        [string.set]
        syntax = "SET key value [NX]"
        [string.get]
        syntax = "GET key"
        [search.ft_config_get]
        syntax = "FT.CONFIG GET option"
    "#;

    #[test]
    fn new_commands_and_new_words_are_missing() {
        let spec = Spec::read(SPEC, &Written::default()).unwrap();
        let missing = Missing::find(&spec, &server());
        assert_eq!(missing.commands, ["SETNEW"]);
        let words: Vec<_> = missing.options.iter().collect();
        assert_eq!(words, [(&"SET".to_owned(), &vec!["NEW".to_owned()])]);
        assert_eq!(missing.left_out.len(), 1, "HELP is left out");
    }

    #[test]
    fn each_of_them_has_a_row() {
        let spec = Spec::read(SPEC, &Written::default()).unwrap();
        let server = server();
        let text = Missing::find(&spec, &server).render(&spec, &server);
        let rows: toml::Table = text.parse().unwrap();
        assert_eq!(rows["module"]["setnew"]["syntax"].as_str(), Some("SETNEW"));
        assert!(rows["string"]["set"]["options"].get("NEW").is_some());
    }
}
