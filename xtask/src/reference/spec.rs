//! `commands.toml` as `spec_reference!` tells it: [`Spec`].

use serde::Deserialize;

use crate::Result;

/// All commands, as JSON.
pub(super) const JSON: &str = typedis_macros::spec_reference! { from "../commands.toml" };

#[derive(Debug, Deserialize)]
pub(super) struct Spec {
    pub(super) enums: Vec<Enum>,
    pub(super) commands: Vec<Command>,
    /// Commands that have no method.
    pub(super) refused: Vec<Refused>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) name: String,
    /// Why, and what to do instead.
    pub(super) advice: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Enum {
    pub(super) name: String,
    pub(super) words: Vec<Word>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Word {
    pub(super) word: String,
    pub(super) variant: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Command {
    /// `CONFIG GET`
    pub(super) name: String,
    pub(super) method: String,
    pub(super) syntax: String,
    pub(super) reply: String,
    pub(super) replies: Vec<Rule>,
    /// The types that examples choose for the parameters of the reply, where they are not `String`.
    pub(super) shown: Vec<Shown>,
    pub(super) blocking: bool,
    /// Whether it changes its connection.
    pub(super) state: bool,
    pub(super) deprecated: Option<String>,
    pub(super) body: Vec<Run>,
    pub(super) choices: Vec<Choice>,
    pub(super) options: Vec<Opt>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    /// It holds if all options of one of these lists are chosen.
    pub(super) when: Vec<Vec<usize>>,
    #[serde(rename = "type")]
    pub(super) ty: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) param: String,
    #[serde(rename = "type")]
    pub(super) ty: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) required: bool,
    pub(super) options: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Opt {
    pub(super) label: String,
    pub(super) syntax: String,
    pub(super) method: String,
    pub(super) choice: usize,
    pub(super) parent: Option<usize>,
    pub(super) repeatable: bool,
    pub(super) blocks: bool,
    pub(super) body: Vec<Run>,
}

/// What is written in one go.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    /// Its place among the options.
    pub(super) order: u8,
    pub(super) writes: Vec<Write>,
}

/// A word, a parameter, or a number and the parameter that it counts.
#[derive(Debug, Deserialize)]
pub(super) struct Write {
    pub(super) word: Option<String>,
    pub(super) per: Option<usize>,
    pub(super) param: Option<Param>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) kind: Kind,
    #[serde(rename = "type")]
    pub(super) ty: String,
    /// How many words an item of it has.
    pub(super) width: usize,
    pub(super) required: bool,
    /// The example, and the words that it is sent as.
    pub(super) rust: String,
    pub(super) wire: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Key,
    Value,
    Args,
    Number,
    Named,
    Enum,
    List,
    Records,
    Columns,
}

pub(super) fn read() -> Result<Spec> {
    Ok(serde_json::from_str(JSON)?)
}
