//! What the table of a command adds to its options: names, documentation, the server-side timeout.

use std::collections::BTreeMap;

use crate::model::condition::find;
use crate::model::types::PlaceholderType;
use crate::model::{Body, Context, Kind, Opt, Param, Write, names};
use crate::spec::Text;

/// Names the methods: by `names`, by `[tokens]`, or otherwise by the word or the first placeholder.
pub(super) fn name(context: &Context<'_>, options: &mut [Opt]) {
    let given: BTreeMap<usize, &Text> = context
        .command
        .names
        .iter()
        .filter_map(|(word, name)| Some((find(&word.text, options)?, name)))
        .collect();
    for (id, option) in options.iter_mut().enumerate() {
        option.method = match given.get(&id) {
            Some(name) => name.text.clone(),
            None => default_name(context, option),
        };
        check(context, option, given.get(&id).copied());
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for option in options.iter().filter(|option| !option.method.is_empty()) {
        if let Some(other) = seen.insert(&option.method, &option.label) {
            context.note_syntax(format!(
                "the options `{other}` and `{}` would both be the method `{}`; set another name in `names`",
                option.label, option.method
            ));
        }
    }
}

fn default_name(context: &Context<'_>, option: &Opt) -> String {
    if let Some(name) = context.spec.tokens.get(&option.label) {
        return name.text.clone();
    }
    let is_bare = option
        .label
        .starts_with(|first: char| first.is_ascii_lowercase());
    if !is_bare {
        return names::snake(&option.label);
    }
    // A count is not a parameter, so it cannot give a name.
    let counts = |name: &str| {
        let ty = context.spec.types.get(name).map(|ty| ty.text.as_str());
        [PlaceholderType::Count, PlaceholderType::Words]
            .iter()
            .any(|count| ty == Some(count.name()))
    };
    names::snake(
        option
            .label
            .split(' ')
            .find(|name| !counts(name))
            .unwrap_or_default(),
    )
}

fn check(context: &Context<'_>, option: &Opt, given: Option<&Text>) {
    let Opt {
        label,
        syntax,
        method,
        ..
    } = option;
    if label.is_empty() {
        context.note_syntax(format!(
            "`[{syntax}]` has no possible name; expected a word or a name as in `mode:<A | B>`"
        ));
        return;
    }
    if let Err(why) = names::check_method(method) {
        let line = given.map_or(context.command.syntax.line, |name| name.line);
        context.note(
            line,
            format!(
                "the method `{method}` of the option `{label}` {why}; set another name in `names`"
            ),
        );
    }
}

/// Adds what `options` says.
pub(super) fn describe(context: &Context<'_>, options: &mut [Opt]) {
    for (word, spec) in &context.command.options {
        let Some(option) = find(&word.text, options).and_then(|id| options.get_mut(id)) else {
            continue;
        };
        option.doc = spec.doc.as_ref().map(|doc| doc.text.clone());
        option.since = spec.since.as_ref().map(|since| context.versions(since));
        option.once_only = spec.idempotent == Some(false);
        if spec.idempotent == Some(true) {
            let text = format!(
                "an option can only say that it rules out a repetition; expected `idempotent = false` of `{}`, or none",
                word.text
            );
            context.note(word.line, text);
        }
        option.deprecated = spec.deprecated.as_ref().map(|instead| instead.text.clone());
    }
}

/// Marks the parameter that `blocking` names: a placeholder of the command, or an option's argument.
pub(super) fn mark_blocking(context: &Context<'_>, body: &mut Body, options: &mut [Opt]) {
    let Some(blocking) = &context.command.blocking else {
        return;
    };
    let name = &blocking.text;
    let option = find(name, options);
    let param = match option.and_then(|id| options.get_mut(id)) {
        Some(option) => params_mut(&mut option.body).next(),
        None => params_mut(body).find(|param| param.placeholders.contains(name)),
    };
    match param {
        Some(param) if matches!(param.kind, Kind::Named(_)) => param.blocks = true,
        Some(_) => context.note(
            blocking.line,
            format!("`blocking` names `{name}`, whose type does not tell how long; expected a named type such as `Timeout`"),
        ),
        None => context.note(
            blocking.line,
            format!("`blocking` names `{name}`, which is no required placeholder and no option with an argument"),
        ),
    }
}

fn params_mut(body: &mut Body) -> impl Iterator<Item = &mut Param> {
    body.runs
        .iter_mut()
        .flat_map(|run| &mut run.writes)
        .filter_map(param_mut)
}

fn param_mut(write: &mut Write) -> Option<&mut Param> {
    match write {
        Write::Word(_) => None,
        Write::Param(param) => Some(param),
        Write::Counted { what, .. } => match &mut **what {
            Write::Param(param) => Some(param),
            Write::Word(_) | Write::Counted { .. } => None,
        },
    }
}
