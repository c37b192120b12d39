//! The commands with an effect on their connection: the table in which raw commands are looked up.

use super::{Command, Group, Kind, Param, Write};
use crate::problems::Problems;
use crate::spec::{Spec, Text};

/// One command, with all its rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KnownCommand {
    pub(crate) name: String,
    /// The variant of `StateChange`.
    pub(crate) state: Option<&'static str>,
    pub(crate) blocks: Option<Blocks>,
    /// What to do instead of sending it.
    pub(crate) refused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) place: Place,
    /// The type of the limit.
    pub(crate) limit: String,
}

/// The place of the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// That many words after the name.
    Behind(usize),
    /// That many words before the last.
    BeforeLast(usize),
    /// After this option; the command only blocks with it.
    Option(String),
}

/// The table, if the spec says which commands are refused.
pub(super) fn build(spec: &Spec, groups: &[Group], problems: &Problems) -> Vec<KnownCommand> {
    if spec.refused.is_empty() {
        return Vec::new();
    }
    let mut known: Vec<KnownCommand> = Vec::new();
    for command in groups.iter().flat_map(|group| &group.commands) {
        let (name, blocks) = (command.syntax.name.join(" "), blocks(command, problems));
        let state = command.facts.state;
        match known.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.state = known.state.or(state);
                known.blocks = known.blocks.take().or(blocks);
            }
            None if state.is_some() || blocks.is_some() => known.push(KnownCommand {
                name,
                state,
                blocks,
                refused: None,
            }),
            None => {}
        }
    }
    for (name, advice) in &spec.refused {
        check_refused(name, groups, problems);
        known.push(KnownCommand {
            name: name.text.clone(),
            state: None,
            blocks: None,
            refused: Some(advice.text.clone()),
        });
    }
    known
}

fn check_refused(name: &Text, groups: &[Group], problems: &Problems) {
    let words = name.text.split(' ').count();
    let is_name = (1..=2).contains(&words) && name.text == name.text.to_ascii_uppercase();
    if !is_name {
        problems.note(
            name.line,
            "refused",
            format!(
                "`{}` is no command; expected one word or two, in upper case",
                name.text
            ),
        );
    }
    let mut commands = groups.iter().flat_map(|group| &group.commands);
    if let Some(row) = commands.find(|command| command.syntax.name.join(" ") == name.text) {
        problems.note(
            name.line,
            "refused",
            format!(
                "`{}` has a row, [{}]; expected one of the two",
                name.text,
                row.table()
            ),
        );
    }
}

fn blocks(command: &Command, problems: &Problems) -> Option<Blocks> {
    let limit_of = |param: &Param| match &param.kind {
        Kind::Named(name) => Some(name.clone()),
        _ => None,
    };
    for option in &command.options {
        if let Some(param) = option.body.params().find(|param| param.blocks) {
            return Some(Blocks {
                place: Place::Option(option.label.clone()),
                limit: limit_of(param)?,
            });
        }
    }
    let param = command.body.params().find(|param| param.blocks)?;
    let Some(place) = place(command) else {
        problems.note(
            command.line,
            command.table(),
            format!(
                "what stands around `{}` has no fixed number of words; expected that before it, or behind it",
                param.name
            ),
        );
        return None;
    };
    Some(Blocks {
        place,
        limit: limit_of(param)?,
    })
}

/// The place of the limit of a command that can always block.
fn place(command: &Command) -> Option<Place> {
    let is_limit = |write: &&Write| write.param().is_some_and(|param| param.blocks);
    let first = &command.body.runs.first()?.writes;
    let before = first.iter().position(|write| is_limit(&write));
    if let Some(before) = before
        && first.iter().take(before).all(is_one_word)
    {
        return Some(Place::Behind(before));
    }
    let writes = || command.body.runs.iter().flat_map(|run| &run.writes);
    let behind = writes().skip_while(|write| !is_limit(write)).skip(1);
    (command.options.is_empty() && behind.clone().all(is_one_word))
        .then(|| Place::BeforeLast(behind.count()))
}

fn is_one_word(write: &Write) -> bool {
    match write {
        Write::Word(_) => true,
        Write::Param(param) => matches!(
            param.kind,
            Kind::Key | Kind::Value | Kind::Number(_) | Kind::Enum(_)
        ),
        Write::Counted { .. } => false,
    }
}
