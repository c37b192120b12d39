//! The reader of one TOML table: typed access, which notes a problem for each value of the wrong kind and each
//! unknown key.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ExampleSpec, Text};
use crate::nearest::suggestion;
use crate::problems::Problems;

/// Where the lines of a file end.
#[derive(Debug)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn new(source: &str) -> Self {
        Self(source.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The number of the line, from 1, that holds this byte.
    pub(crate) fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }
}

/// The common data of all tables of a file while it is read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) lines: &'a Lines,
    pub(crate) problems: &'a Problems,
}

/// A table of the file.
pub(crate) struct Table<'a> {
    /// Its name, for messages: `string.set`.
    pub(crate) name: String,
    pub(crate) line: usize,
    entries: &'a DeTable<'a>,
    reader: Reader<'a>,
}

/// Placeholders or types, and their examples.
pub(crate) type Examples = Vec<(Text, ExampleSpec)>;

type Entry<'a> = (Text, &'a Spanned<DeValue<'a>>);

impl<'a> Table<'a> {
    pub(crate) fn root(entries: &'a DeTable<'a>, reader: Reader<'a>) -> Self {
        Self {
            name: String::new(),
            line: 1,
            entries,
            reader,
        }
    }

    /// Notes a problem of this table.
    pub(crate) fn note(&self, line: usize, text: impl Into<String>) {
        self.reader.problems.note(line, &self.name, text);
    }

    /// Notes the keys that are not known.
    pub(crate) fn expect_keys(&self, known: &[&str]) {
        for (key, _) in self.entries() {
            let name = key.text.as_str();
            if !known.contains(&name) {
                self.note(
                    key.line,
                    format!(
                        "unknown key `{name}`; {}",
                        suggestion(name, known.iter().copied())
                    ),
                );
            }
        }
    }

    /// The tables inside this one, in the order of the file; any other value is a problem.
    pub(crate) fn tables(&self) -> Vec<(Text, Table<'a>)> {
        self.entries()
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), self.inner(&key, value)?)))
            .collect()
    }

    /// The table under `key`.
    pub(crate) fn table(&self, key: &str) -> Option<Table<'a>> {
        let (key, value) = self.get(key)?;
        self.inner(&key, value)
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Option<Text> {
        let (key, value) = self.get(key)?;
        self.as_text(&key.text, value)
    }

    /// The text under `key`, which the table must have.
    pub(crate) fn required(&self, key: &str) -> Option<Text> {
        if self.get(key).is_none() {
            self.note(
                self.line,
                format!("`{key}` is missing; every command has one"),
            );
        }
        self.text(key)
    }

    /// The boolean under `key`.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let (key, value) = self.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_kind(&key.text, value, "`true` or `false`");
        }
        flag
    }

    /// The list of texts under `key`.
    pub(crate) fn list(&self, key: &str) -> Vec<Text> {
        self.get(key)
            .map(|(key, value)| self.as_list(&key.text, value))
            .unwrap_or_default()
    }

    /// The list of pairs of texts under `key`.
    pub(crate) fn pairs(&self, key: &str) -> Vec<(Text, Text)> {
        let Some((key, value)) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind(&key.text, value, "a list of pairs of texts");
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.as_pair(&key.text, item))
            .collect()
    }

    /// All entries, each a text.
    pub(crate) fn texts(&self) -> Vec<(Text, Text)> {
        self.entries()
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), self.as_text(&key.text, value)?)))
            .collect()
    }

    /// All entries, each a list of texts.
    pub(crate) fn lists(&self) -> Vec<(Text, Vec<Text>)> {
        self.entries()
            .into_iter()
            .map(|(key, value)| (key.clone(), self.as_list(&key.text, value)))
            .collect()
    }

    /// All entries, each an example: a text, or a table of `rust` and `wire`.
    pub(crate) fn examples(&self) -> Examples {
        self.entries()
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), self.as_example(&key, value)?)))
            .collect()
    }

    /// Entries that are examples, and those that are tables of examples.
    pub(crate) fn arguments(&self) -> (Examples, Vec<(Text, Examples)>) {
        let (mut own, mut nested) = (Vec::new(), Vec::new());
        for (key, value) in self.entries() {
            let is_nested = value
                .get_ref()
                .as_table()
                .is_some_and(|table| !table.contains_key("rust"));
            if is_nested {
                nested.extend(self.inner(&key, value).map(|table| (key, table.examples())));
            } else {
                own.extend(self.as_example(&key, value).map(|example| (key, example)));
            }
        }
        (own, nested)
    }

    /// Whether there is anything but a text under `key`; then it is a table, or a problem.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|(_, value)| value.get_ref().is_str())
    }

    fn get(&self, key: &str) -> Option<Entry<'a>> {
        self.entries
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|entry| self.entry(entry))
    }

    fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<Entry<'a>> =
            self.entries.iter().map(|entry| self.entry(entry)).collect();
        entries.sort_by_key(|(key, _)| key.line);
        entries
    }

    fn entry(
        &self,
        (key, value): (
            &'a Spanned<toml::de::DeString<'a>>,
            &'a Spanned<DeValue<'a>>,
        ),
    ) -> Entry<'a> {
        let line = self.reader.lines.line(key.span().start);
        (
            Text {
                text: key.get_ref().to_string(),
                line,
            },
            value,
        )
    }

    fn inner(&self, key: &Text, value: &'a Spanned<DeValue<'a>>) -> Option<Table<'a>> {
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_kind(&key.text, value, "a table");
            return None;
        };
        let name = if self.name.is_empty() {
            key.text.clone()
        } else {
            format!("{}.{}", self.name, key.text)
        };
        Some(Table {
            name,
            line: key.line,
            entries,
            reader: self.reader,
        })
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Text> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_kind(key, value, "a text");
            return None;
        };
        Some(Text {
            text: text.to_owned(),
            line: self.line_of(value),
        })
    }

    fn as_list(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Vec<Text> {
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_kind(key, value, "a list of texts");
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.as_text(key, item))
            .collect()
    }

    fn as_pair(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<(Text, Text)> {
        let items = value
            .get_ref()
            .as_array()
            .map(|items| items.iter().collect::<Vec<_>>());
        let Some([first, second]) = items.as_deref() else {
            self.wrong_kind(key, value, "a pair of texts");
            return None;
        };
        Some((self.as_text(key, first)?, self.as_text(key, second)?))
    }

    fn as_example(&self, key: &Text, value: &'a Spanned<DeValue<'a>>) -> Option<ExampleSpec> {
        if value.get_ref().is_str() {
            return Some(ExampleSpec {
                rust: self.as_text(&key.text, value)?,
                wire: None,
            });
        }
        let table = self.inner(key, value)?;
        table.expect_keys(&["rust", "wire"]);
        let wire = table
            .list("wire")
            .into_iter()
            .map(|word| word.text)
            .collect();
        Some(ExampleSpec {
            rust: table.text("rust")?,
            wire: Some(wire),
        })
    }

    fn wrong_kind(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let found = article(value.get_ref().type_str());
        self.note(
            self.line_of(value),
            format!("`{key}` holds {found}; expected {expected}"),
        );
    }

    fn line_of(&self, value: &Spanned<DeValue<'_>>) -> usize {
        self.reader.lines.line(value.span().start)
    }
}

/// A kind of value with its article.
fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
