//! Conditions on options: `NX | XX & GET`.

use super::{Context, Opt, OptionId};
use crate::nearest::suggestion;
use crate::spec::Text;

/// A condition that holds if all options of one of its terms are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) terms: Vec<Vec<OptionId>>,
}

impl Condition {
    pub(crate) fn holds(&self, chosen: impl Fn(OptionId) -> bool) -> bool {
        self.terms
            .iter()
            .any(|term| term.iter().all(|option| chosen(*option)))
    }

    pub(crate) fn options(&self) -> impl Iterator<Item = OptionId> {
        self.terms.iter().flatten().copied()
    }
}

impl Context<'_> {
    /// Reads a condition; `key` is its place, for messages.
    pub(crate) fn condition(&self, text: &Text, key: &str, options: &[Opt]) -> Option<Condition> {
        let atom = |atom: &str| {
            self.option_named(
                &Text {
                    text: atom.trim().to_owned(),
                    line: text.line,
                },
                key,
                options,
            )
        };
        let term = |term: &str| {
            term.split('&')
                .map(atom)
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Option<Vec<_>>>()
        };
        let terms = text
            .text
            .split('|')
            .map(term)
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Option<Vec<_>>>()?;
        Some(Condition { terms })
    }

    /// The option with this name in the spec: its words, or the placeholders of a bare option. An option inside
    /// another one may be named by the words of both.
    pub(crate) fn option_named(&self, name: &Text, key: &str, options: &[Opt]) -> Option<OptionId> {
        let found = find(&name.text, options);
        if found.is_none() {
            let labels = options.iter().map(|option| option.label.as_str());
            let hint = suggestion(&name.text, labels);
            self.note(
                name.line,
                format!(
                    "`{key}` names `{}`, which is no option of the syntax; {hint}",
                    name.text
                ),
            );
        }
        found
    }
}

/// The option of this name: its label, the label after its parent's, or the first placeholder of a bare option.
pub(crate) fn find(name: &str, options: &[Opt]) -> Option<OptionId> {
    let position = |matches: &dyn Fn(&Opt) -> bool| options.iter().position(matches);
    position(&|option| option.label == name)
        .or_else(|| {
            position(&|option| qualified(option, options).is_some_and(|label| label == name))
        })
        .or_else(|| {
            position(&|option| {
                is_bare(&option.label) && option.label.split(' ').next() == Some(name)
            })
        })
}

fn qualified(option: &Opt, options: &[Opt]) -> Option<String> {
    let parent = options.get(option.parent?)?;
    Some(format!("{} {}", parent.label, option.label))
}

fn is_bare(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_lowercase())
}
