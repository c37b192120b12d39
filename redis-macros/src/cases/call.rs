//! One call: the command without options, or with one option, one word of an enum, or as many options as go
//! together.

use crate::model::{Command, Context, Enum, Kind, OptionId, Selection, Versions};
use crate::problems::Problems;
use crate::spec::{CommandSpec, ExampleSpec, Spec, Text};

/// One call of a command, with the examples for the chosen options.
pub(super) struct Call<'a> {
    pub(super) spec: &'a Spec,
    pub(super) enums: &'a [Enum],
    /// The table of the command.
    pub(super) row: CommandSpec,
    pub(super) command: Command,
    pub(super) options: Selection,
    /// The word of an enum that this call is about.
    word: Option<Word>,
}

/// A word of an enum, and the parameter that takes it.
#[derive(Clone)]
struct Word {
    placeholder: String,
    rust: String,
    word: String,
    /// The option that the parameter belongs to.
    owner: Option<OptionId>,
}

/// All calls of one command.
pub(super) fn calls<'a>(spec: &'a Spec, enums: &'a [Enum], command: &Command) -> Vec<Call<'a>> {
    let Some(row) = spec
        .commands
        .iter()
        .find(|row| row.label.line == command.line)
    else {
        return Vec::new();
    };
    let options = selections(command)
        .into_iter()
        .map(|options| (options, None));
    let words = words(enums, command).into_iter().filter_map(|word| {
        let wanted: Vec<OptionId> = word.owner.into_iter().collect();
        Some((command.complete(&wanted)?, Some(word)))
    });
    options
        .chain(words)
        .filter_map(|(options, word)| {
            let row = with_examples(row, command, &options, word.as_ref());
            // The spec has passed all checks before.
            let problems = Problems::default();
            let context = Context {
                spec,
                enums,
                command: &row,
                problems: &problems,
            };
            let command = context.build()?;
            Some(Call {
                spec,
                enums,
                row,
                command,
                options,
                word,
            })
        })
        .collect()
}

fn selections(command: &Command) -> Vec<Selection> {
    let each = (0..command.options.len()).map(|id: OptionId| command.complete(&[id]));
    let all = [command.complete(&[])]
        .into_iter()
        .chain(each)
        .chain([command.most()])
        .flatten();
    let mut distinct: Vec<Selection> = Vec::new();
    for selection in all {
        if !distinct.contains(&selection) {
            distinct.push(selection);
        }
    }
    distinct
}

/// The words that no example shows.
fn words(enums: &[Enum], command: &Command) -> Vec<Word> {
    let own = command.body.params().map(|param| (None, param));
    let of_options = command
        .options
        .iter()
        .enumerate()
        .flat_map(|(id, option)| option.body.params().map(move |param| (Some(id), param)));
    let mut words = Vec::new();
    for (owner, param) in own.chain(of_options) {
        let Kind::Enum(name) = &param.kind else {
            continue;
        };
        let variants = enums
            .iter()
            .filter(|ty| ty.name == *name)
            .flat_map(|ty| &ty.variants);
        let others = variants.filter(|variant| param.example.wire != [variant.word.clone()]);
        for (variant, placeholder) in others.zip(param.placeholders.iter().cycle()) {
            words.push(Word {
                placeholder: placeholder.clone(),
                rust: format!("{name}::{}", variant.name),
                word: variant.word.clone(),
                owner,
            });
        }
    }
    words
}

/// The table of the command with the examples that go with the options and the word.
fn with_examples(
    row: &CommandSpec,
    command: &Command,
    options: &Selection,
    word: Option<&Word>,
) -> CommandSpec {
    let mut row = row.clone();
    let labels = options
        .iter()
        .filter_map(|id| command.options.get(*id))
        .map(|option| option.label.as_str());
    let names: Vec<&str> = labels.chain(word.map(|word| word.word.as_str())).collect();
    let nested = row
        .args_with
        .iter()
        .filter(|(name, _)| names.contains(&name.text.as_str()))
        .flat_map(|(_, examples)| examples.clone());
    let own = word.map(|word| {
        let text = |text: &str| Text {
            text: text.to_owned(),
            line: row.label.line,
        };
        let example = ExampleSpec {
            rust: text(&word.rust),
            wire: Some(vec![word.word.clone()]),
        };
        (text(&word.placeholder), example)
    });
    // The first match counts.
    row.args = own
        .into_iter()
        .chain(nested)
        .chain(row.args.iter().cloned())
        .collect();
    row
}

impl Call<'_> {
    /// The versions that have the command and all chosen options.
    pub(super) fn versions(&self) -> Versions {
        let command = &self.command;
        let own = command.facts.since.clone().unwrap_or_else(|| {
            let first = Some("1.0.0".to_owned());
            Versions {
                redis: first.clone(),
                valkey: first,
            }
        });
        let options = self
            .options
            .iter()
            .filter_map(|id| command.options.get(*id)?.since.as_ref());
        let word = self.word.as_ref().map(|word| word.word.as_str());
        let words = command
            .words
            .iter()
            .filter(|note| Some(note.word.as_str()) == word)
            .filter_map(|note| note.since.as_ref());
        options
            .chain(words)
            .fold(own, |versions, since| versions.and(since))
    }
}
