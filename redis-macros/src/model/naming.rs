//! Names in a command that are not among its keys, and those in its reply.

use super::{Body, Context, Opt};
use crate::nearest::suggestion;
use crate::spec::Text;

/// Where a command has such names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    /// Whether it concerns keys that it does not name.
    pub(crate) unnamed: bool,
    /// Whether what counts as its key is none.
    pub(crate) keyless: bool,
    /// Whether its first argument is a slot, whose node it concerns.
    pub(crate) slot_first: bool,
    pub(crate) pattern: Option<PatternPlace>,
    /// The options whose arguments are names with `*` for an element.
    pub(crate) templates: Vec<String>,
    pub(crate) channels: Option<Channels>,
    /// The paths to names in the reply.
    pub(crate) in_reply: Vec<Vec<Step>>,
}

/// Where a pattern of names of keys stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PatternPlace {
    First,
    After(String),
}

/// Which words are channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    First,
    All,
    Pattern,
}

/// A step on the way to a name in the reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nth(u64),
    Each,
    Heads,
    Alternate,
    Field(String),
}

const CHANNELS: [(&str, Channels); 3] = [
    ("first", Channels::First),
    ("all", Channels::All),
    ("pattern", Channels::Pattern),
];

impl Context<'_> {
    /// What the row says about names, if it says anything.
    pub(crate) fn naming(&self, body: &Body, options: &[Opt]) -> Option<Naming> {
        let spec = &self.command.naming;
        let pattern = spec.key_pattern.as_ref();
        let naming = Naming {
            unnamed: spec.unnamed_keys,
            keyless: spec.route_only,
            slot_first: spec.slot_first,
            pattern: pattern.and_then(|place| self.pattern_place(place, body, options)),
            templates: self.template_options(options),
            channels: spec.channels.as_ref().and_then(|word| self.channels(word)),
            in_reply: spec
                .reply_names
                .iter()
                .map(|path| steps(&path.text))
                .collect(),
        };
        (naming != Naming::default()).then_some(naming)
    }

    fn pattern_place(&self, place: &Text, body: &Body, options: &[Opt]) -> Option<PatternPlace> {
        if options.iter().any(|option| option.label == place.text) {
            return Some(PatternPlace::After(place.text.clone()));
        }
        let first = body.params().next();
        let is_first = first.is_some_and(|param| param.placeholders == [place.text.as_str()]);
        if !is_first {
            self.note(
                place.line,
                format!(
                    "`{}` is neither an option nor the first placeholder; expected one of these in `key_pattern`",
                    place.text
                ),
            );
        }
        is_first.then_some(PatternPlace::First)
    }

    fn template_options(&self, options: &[Opt]) -> Vec<String> {
        let words = &self.command.naming.key_templates;
        for word in words {
            if !options.iter().any(|option| option.label == word.text) {
                let labels = options.iter().map(|option| option.label.as_str());
                let hint = suggestion(&word.text, labels);
                self.note(word.line, format!("unknown option `{}`; {hint}", word.text));
            }
        }
        words.iter().map(|word| word.text.clone()).collect()
    }

    fn channels(&self, word: &Text) -> Option<Channels> {
        let found = CHANNELS.iter().find(|(name, _)| *name == word.text);
        if found.is_none() {
            let hint = suggestion(&word.text, CHANNELS.iter().map(|(name, _)| *name));
            self.note(
                word.line,
                format!("unknown channels `{}`; {hint}", word.text),
            );
        }
        found.map(|(_, channels)| *channels)
    }
}

/// The steps of a path: `1.each`.
fn steps(path: &str) -> Vec<Step> {
    let steps = path.split('.').filter(|step| *step != "whole");
    steps
        .map(|step| match step {
            "each" => Step::Each,
            "heads" => Step::Heads,
            "alternate" => Step::Alternate,
            field => match field.parse() {
                Ok(number) => Step::Nth(number),
                Err(_) => Step::Field(field.to_owned()),
            },
        })
        .collect()
}
