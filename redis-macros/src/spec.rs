//! Step 1: the file as a typed view. Every value keeps its line. Only the shape of the file is checked here.
//!
//! # Layout
//!
//! - [`read`]: from text to [`Spec`]
//! - `table`: the reader of one TOML table, which reports unknown keys and values of the wrong kind
//! - `command`: the table of one command

use std::collections::BTreeMap;

use crate::problems::Problems;

mod command;
mod table;

pub(crate) use command::{Availability, CommandSpec};
use table::{Lines, Reader, Table};

/// A text of the file and its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The content of a file.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    /// Placeholder to type.
    pub(crate) types: BTreeMap<String, Text>,
    /// Option word to method name.
    pub(crate) tokens: BTreeMap<String, Text>,
    /// Name of an enum and its words.
    pub(crate) enums: Vec<(Text, Vec<Text>)>,
    /// Placeholder or type name to example.
    pub(crate) examples: BTreeMap<String, ExampleSpec>,
    /// Name of a command that must not be sent, and what to do instead.
    pub(crate) refused: Vec<(Text, Text)>,
    /// The commands, in the order of the file.
    pub(crate) commands: Vec<CommandSpec>,
}

/// A Rust expression as an example argument, and the words that it is sent as, if the expression does not show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExampleSpec {
    pub(crate) rust: Text,
    pub(crate) wire: Option<Vec<String>>,
}

/// Reads a file; what can be read from a faulty file is returned too, so that later steps find their problems as well.
pub(crate) fn read(source: &str, problems: &Problems) -> Spec {
    let lines = Lines::new(source);
    let (document, errors) = toml::de::DeTable::parse_recoverable(source);
    for error in errors {
        let line = error.span().map_or(1, |span| lines.line(span.start));
        problems.note(
            line,
            "",
            format!("this is not TOML: {}", error.message().trim()),
        );
    }
    let root = Table::root(
        document.get_ref(),
        Reader {
            lines: &lines,
            problems,
        },
    );
    let mut spec = Spec::default();
    for (key, table) in root.tables() {
        match key.text.as_str() {
            "types" => spec.types = by_name(table.texts()),
            "tokens" => spec.tokens = by_name(table.texts()),
            "enums" => spec.enums = table.lists(),
            "refused" => spec.refused = table.texts(),
            "examples" => spec.examples = by_name(table.examples()),
            _ => spec.commands.extend(command::group(&key, &table)),
        }
    }
    spec.commands.sort_by_key(|command| command.label.line);
    spec
}

fn by_name<T>(entries: Vec<(Text, T)>) -> BTreeMap<String, T> {
    entries
        .into_iter()
        .map(|(key, value)| (key.text, value))
        .collect()
}

#[cfg(test)]
mod tests;
