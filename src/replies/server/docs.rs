//! The reply of COMMAND DOCS: [`CommandDocs`].

use std::collections::HashMap;

use crate::FromRedis;

/// The documentation of a command.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CommandDocs {
    /// What it does, in a sentence; modules may leave it out.
    pub summary: Option<String>,
    /// The first version that has it.
    pub since: Option<String>,
    /// Its group, such as `string`.
    pub group: Option<String>,
    /// Its time complexity.
    pub complexity: Option<String>,
    /// The module that brings it.
    pub module: Option<String>,
    /// `deprecated` or `syscmd`.
    #[redis(default)]
    pub doc_flags: Vec<String>,
    /// The version since which it is deprecated.
    pub deprecated_since: Option<String>,
    /// What to use instead.
    pub replaced_by: Option<String>,
    /// What changed, with the version.
    #[redis(default)]
    pub history: Vec<(String, String)>,
    /// Its arguments.
    #[redis(default)]
    pub arguments: Vec<CommandArgument>,
    /// Its subcommands by their names, such as `config|get`.
    #[redis(default)]
    pub subcommands: HashMap<String, CommandDocs>,
}

/// An argument of a command.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CommandArgument {
    /// Its name.
    pub name: String,
    /// Its type: `key`, `string`, `integer`, `pure-token`, `oneof`, `block` and so on.
    #[redis(rename = "type")]
    pub kind: String,
    /// How documentation shows it.
    pub display_text: Option<String>,
    /// Which of the command's key specs finds it.
    pub key_spec_index: Option<u64>,
    /// The word before it, or the word that replaces it.
    pub token: Option<String>,
    /// What it does, in a sentence.
    pub summary: Option<String>,
    /// The first version that has it.
    pub since: Option<String>,
    /// The version since which it is deprecated.
    pub deprecated_since: Option<String>,
    /// `optional`, `multiple` and `multiple_token`.
    #[redis(default)]
    pub flags: Vec<String>,
    /// Its parts, or the choices.
    #[redis(default)]
    pub arguments: Vec<CommandArgument>,
}

impl CommandArgument {
    /// Whether it may be left out.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.flags.iter().any(|flag| flag == "optional")
    }

    /// Whether it may come more than once.
    #[must_use]
    pub fn is_multiple(&self) -> bool {
        self.flags
            .iter()
            .any(|flag| flag == "multiple" || flag == "multiple_token")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn arguments_and_subcommands_are_nested() {
        let get = "$7\r\nsummary\r\n$7\r\nReads..\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n\
                   $7\r\nhistory\r\n";
        let three = format!(
            "%1\r\n$3\r\nget\r\n%6\r\n{get}~1\r\n*2\r\n$5\r\n6.0.0\r\n$5\r\nMore.\r\n$9\r\narguments\r\n*1\r\n%5\r\n\
             $4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n\
             $5\r\nflags\r\n~1\r\n+multiple\r\n"
        );
        let two = format!(
            "*2\r\n$3\r\nget\r\n*12\r\n{get}*1\r\n*2\r\n$5\r\n6.0.0\r\n$5\r\nMore.\r\n$9\r\narguments\r\n*1\r\n*10\r\n\
             $4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n\
             $5\r\nflags\r\n*1\r\n+multiple\r\n"
        );
        let docs: HashMap<String, CommandDocs> = decode(&three).unwrap();
        assert_eq!(decode::<HashMap<String, CommandDocs>>(&two).unwrap(), docs);
        let get = docs.get("get").unwrap();
        assert_eq!(get.since.as_deref(), Some("1.0.0"));
        assert_eq!(get.history, [("6.0.0".to_owned(), "More.".to_owned())]);
        let key = get.arguments.first().unwrap();
        assert_eq!((key.kind.as_str(), key.key_spec_index), ("key", Some(0)));
        assert!(key.is_multiple() && !key.is_optional());
        let nested = "%1\r\n$6\r\nconfig\r\n%1\r\n$11\r\nsubcommands\r\n%1\r\n$10\r\nconfig|get\r\n%1\r\n$5\r\nsince\r\n$5\r\n2.0.0\r\n";
        let docs: HashMap<String, CommandDocs> = decode(nested).unwrap();
        assert!(
            docs.get("config")
                .unwrap()
                .subcommands
                .contains_key("config|get")
        );
    }
}
