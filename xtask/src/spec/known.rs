//! What `commands.toml` knows: [`Spec`], read for the names of commands and the words of their syntax.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::Result;

/// Tables of the file that hold no commands.
const OTHER_TABLES: [&str; 5] = ["types", "tokens", "enums", "examples", "refused"];

/// The commands of the file.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    /// Name on the server → what is known about it.
    pub(crate) commands: BTreeMap<String, Known>,
    /// Commands that must not be sent → why.
    pub(crate) refused: BTreeMap<String, String>,
}

/// The facts from all rows of a command.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) group: String,
    pub(crate) method: String,
    /// The words that it may send, in upper case.
    pub(crate) words: BTreeSet<String>,
}

impl Spec {
    /// Reads the text of the file; the words that types write are looked up in `written`.
    pub(crate) fn read(text: &str, written: &Written) -> Result<Self> {
        let file: Table = text
            .parse()
            .map_err(|error| format!("commands.toml: {error}"))?;
        let shared = Shared {
            types: file.get("types"),
            enums: file.get("enums"),
            written,
        };
        let groups = file
            .iter()
            .filter(|(name, _)| !OTHER_TABLES.contains(&name.as_str()));
        let mut spec = Self::default();
        for (group, rows) in groups {
            for (method, row) in rows.as_table().into_iter().flatten() {
                spec.add(&shared, group, method, row);
            }
        }
        let refused = file.get("refused").and_then(Value::as_table);
        spec.refused = refused
            .into_iter()
            .flatten()
            .filter_map(|(name, why)| Some((name.clone(), why.as_str()?.to_owned())))
            .collect();
        Ok(spec)
    }

    fn add(&mut self, shared: &Shared<'_>, group: &str, method: &str, row: &Value) {
        let Some(syntax) = row.get("syntax").and_then(Value::as_str) else {
            return;
        };
        let known = self.commands.entry(name(syntax)).or_default();
        if known.group.is_empty() {
            (known.group, known.method) = (group.to_owned(), method.to_owned());
        }
        let words = atoms(syntax).flat_map(|atom| shared.words(atom));
        known.words.extend(words);
    }

    /// The group that has similar commands.
    pub(crate) fn group_like(&self, command: &str) -> Option<&str> {
        let prefix = command.split_inclusive(['.', ' ']).next()?;
        let like = self
            .commands
            .iter()
            .find(|(name, _)| prefix.len() < command.len() && name.starts_with(prefix));
        like.map(|(_, known)| known.group.as_str())
    }
}

/// The words that argument types write themselves: the texts in the file that defines a type.
#[derive(Debug, Default)]
pub(crate) struct Written(BTreeMap<String, BTreeSet<String>>);

impl Written {
    /// Adds the types of a source file.
    pub(crate) fn add(&mut self, source: &str) {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = || {
            code.lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with("//"))
        };
        let texts: BTreeSet<String> = lines()
            .flat_map(|line| line.split('"').skip(1).step_by(2))
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        for line in lines() {
            let item = line
                .strip_prefix("pub struct ")
                .or_else(|| line.strip_prefix("pub enum "));
            let name =
                item.and_then(|item| item.split(|letter: char| !letter.is_alphanumeric()).next());
            if let Some(name) = name {
                self.0.insert(name.to_owned(), texts.clone());
            }
        }
    }
}

/// The tables in which placeholders are looked up.
struct Shared<'a> {
    types: Option<&'a Value>,
    enums: Option<&'a Value>,
    written: &'a Written,
}

impl Shared<'_> {
    /// The words that may be sent for an atom of a syntax: the atom itself, the words of its enum, or those that its
    /// type writes.
    fn words(&self, atom: &str) -> Vec<String> {
        let (placeholder, inline) = atom.split_once(':').unwrap_or((atom, ""));
        if is_word(placeholder) {
            return vec![placeholder.trim_matches('"').to_owned()];
        }
        let declared = || self.types?.get(placeholder)?.as_str();
        let ty = match inline {
            "" => declared().unwrap_or_default(),
            inline => inline,
        };
        let of_enum = self.enums.and_then(|enums| enums.get(ty)?.as_array());
        let of_enum = of_enum.into_iter().flatten().filter_map(Value::as_str);
        let of_type = self.written.0.get(ty).into_iter().flatten();
        let words = of_enum.chain(of_type.map(String::as_str));
        words.map(str::to_uppercase).collect()
    }
}

/// The words and placeholders of a syntax, without brackets.
pub(crate) fn atoms(syntax: &str) -> impl Iterator<Item = &str> {
    let atoms = syntax.split([' ', '[', ']', '<', '>', '|']);
    atoms.filter(|atom| !atom.is_empty() && *atom != "...")
}

/// The name on the server: the first word, and the second if no placeholder or bracket comes before it.
fn name(syntax: &str) -> String {
    let words = syntax.split(' ').take(2);
    let words = words.take_while(|word| {
        !word.starts_with(['[', '<', '"']) && !word.contains(':') && is_word(word)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether an atom is sent as it is.
fn is_word(atom: &str) -> bool {
    atom.starts_with('"') || !atom.chars().any(|letter| letter.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TEXT: &str = r#"
        [types]
        end = "ListEnd"
        trim = "Trim"
        key = "key"
        [enums]
        ListEnd = ["LEFT", "RIGHT"]
        [list.lpop]
        syntax = "LPOP key [COUNT count:u64] [FROM end]"
        [list.lpop_all]
        syntax = 'LPOP key "ALL"'
        [stream.xtrim]
        syntax = "XTRIM key trim"
        [stream.xinfo_stream]
        syntax = "XINFO STREAM key"
        [connection.hello]
        syntax = "HELLO [protover:u8]"
    "#;

    fn read() -> Spec {
        let mut written = Written::default();
        written.add("/// Not \"THIS\".\npub struct Trim {\n}\nargs.word(\"MAXLEN\");\n");
        Spec::read(TEXT, &written).unwrap()
    }

    #[test]
    fn rows_of_one_command_are_known_together() {
        let spec = read();
        let names: Vec<_> = spec.commands.keys().collect();
        assert_eq!(names, ["HELLO", "LPOP", "XINFO STREAM", "XTRIM"]);
        let words: Vec<_> = spec.commands["LPOP"].words.iter().collect();
        assert_eq!(words, ["ALL", "COUNT", "FROM", "LEFT", "LPOP", "RIGHT"]);
        let words: Vec<_> = spec.commands["XTRIM"].words.iter().collect();
        assert_eq!(words, ["MAXLEN", "XTRIM"]);
    }

    #[test]
    fn a_new_command_belongs_to_the_group_of_those_that_begin_like_it() {
        let spec = read();
        assert_eq!(spec.group_like("XINFO SHARDS"), Some("stream"));
        assert_eq!(spec.group_like("LPOPALL"), None);
    }

    #[test]
    fn what_is_no_toml_is_refused() {
        Spec::read("[list", &Written::default()).unwrap_err();
    }
}
