//! Names that exclude each other: in a pipeline every builder also has all command methods, so an option must not
//! have the name of a command.

use std::collections::BTreeMap;

use super::{Command, Model, names};
use crate::problems::Problems;

/// Names that the expansion uses itself.
const RESERVED_TYPES: [&str; 2] = ["S", "R"];

/// Modules that the expansion defines itself.
const RESERVED_MODULES: [&str; 3] = ["chosen", "rt", "traits"];

pub(super) fn check(model: &Model, problems: &Problems) {
    let mut methods: BTreeMap<&str, &Command> = BTreeMap::new();
    for command in commands(model) {
        if let Some(other) = methods.insert(&command.method, command) {
            let (method, table, line) = (&command.method, other.table(), other.line);
            let text = format!(
                "the method `{method}` is that of [{table}] (line {line}) too; expected another name"
            );
            problems.note(command.line, command.table(), text);
        }
    }
    for command in commands(model) {
        check_options(command, &methods, problems);
    }
    check_groups(model, problems);
    check_traits(model, problems);
}

/// Checks that no two groups have a trait of the same name: `set_1` and `set1`.
fn check_traits(model: &Model, problems: &Problems) {
    let mut traits: BTreeMap<String, &str> = BTreeMap::new();
    for group in &model.groups {
        let name = names::camel(&group.name);
        if let Some(other) = traits.insert(name.clone(), &group.name) {
            let line = group.commands.first().map_or(1, |command| command.line);
            let text = format!(
                "the groups `{other}` and `{}` would both have the trait `{name}Commands`; expected another name",
                group.name
            );
            problems.note(line, &group.name, text);
        }
    }
}

/// Checks that no two builders have the same name: those of `get_1` and `get1`.
fn check_builders<'a>(
    commands: impl Iterator<Item = &'a Command>,
    problems: &Problems,
) -> BTreeMap<String, &'a Command> {
    let mut builders: BTreeMap<String, &Command> = BTreeMap::new();
    for command in commands {
        let name = command.builder();
        if let Some(other) = builders.insert(name.clone(), command) {
            let other = other.table();
            let text =
                format!("its builder and that of [{other}] would both be `{name}`; set `method`");
            problems.note(command.line, command.table(), text);
        }
    }
    builders
}

fn commands(model: &Model) -> impl Iterator<Item = &Command> {
    model.groups.iter().flat_map(|group| &group.commands)
}

fn check_options(command: &Command, methods: &BTreeMap<&str, &Command>, problems: &Problems) {
    for option in &command.options {
        if let Some(other) = methods.get(option.method.as_str()) {
            let (label, method, other) = (&option.label, &option.method, other.table());
            let text = format!(
                "the option `{label}` is the method `{method}`, which is the command [{other}] too; set another name in `names`"
            );
            problems.note(command.line, command.table(), text);
        }
    }
}

/// Checks the names of modules, and that no builder hides a type that its module uses.
fn check_groups(model: &Model, problems: &Problems) {
    for group in &model.groups {
        let line = group.commands.first().map_or(1, |command| command.line);
        if names::check_method(&group.name).is_err()
            || RESERVED_MODULES.contains(&group.name.as_str())
        {
            problems.note(
                line,
                &group.name,
                format!(
                    "`{}` is no name of a module; expected one such as `sorted_set`",
                    group.name
                ),
            );
        }
        let built = group
            .commands
            .iter()
            .filter(|command| command.has_options());
        let builders = check_builders(built, problems);
        for command in &group.commands {
            for ty in command.used_types() {
                if let Some(builder) = builders.get(&ty) {
                    let text = format!(
                        "the type `{ty}` is hidden by the builder of [{}]; set `method` there",
                        builder.table()
                    );
                    problems.note(command.line, command.table(), text);
                }
            }
        }
        for (name, command) in builders
            .iter()
            .filter(|(name, _)| RESERVED_TYPES.contains(&name.as_str()))
        {
            problems.note(
                command.line,
                command.table(),
                format!("the builder would be named `{name}`; set `method`"),
            );
        }
    }
}
