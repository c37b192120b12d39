//! `spec_reference!`: the model as a text of JSON, for the reference and the translation of `cargo xtask`.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::quote;

use crate::commands::Loaded;
use crate::expand::example;
use crate::model::{Body, Command, Kind, Opt, Param, Versions, Write as Written};

/// Expands `spec_reference!` into an expression: the text.
pub(crate) fn expand(loaded: &Loaded) -> TokenStream {
    let model = &loaded.model;
    let enums = list(model.enums.iter().map(|ty| {
        let words = ty.variants.iter().map(|variant| {
            object([
                ("word", text(&variant.word)),
                ("variant", text(&variant.name)),
            ])
        });
        object([("name", text(&ty.name)), ("words", list(words))])
    }));
    let commands = model.groups.iter().flat_map(|group| &group.commands);
    let refused =
        loaded.spec.refused.iter().map(|(name, advice)| {
            object([("name", text(&name.text)), ("advice", text(&advice.text))])
        });
    let json = object([
        ("enums", enums),
        ("commands", list(commands.map(command))),
        ("refused", list(refused)),
    ]);
    quote!(#json)
}

fn command(command: &Command) -> String {
    let facts = &command.facts;
    let needed = command.complete(&[]).unwrap_or_default();
    let receiver = receiver(command, &needed);
    let call = example::call(receiver, command, &needed);
    let rules = command.replies.rules.iter().map(|(condition, reply)| {
        let terms = condition
            .terms
            .iter()
            .map(|term| list(term.iter().map(ToString::to_string)));
        object([("when", list(terms)), ("type", text(&reply.text))])
    });
    let choices = command.choices.iter().map(|choice| {
        object([
            ("required", choice.required.to_string()),
            (
                "options",
                list(choice.options.iter().map(ToString::to_string)),
            ),
        ])
    });
    let (request, response) = facts.policies.unwrap_or_default();
    object([
        ("name", text(&command.name())),
        ("group", text(&command.group)),
        ("method", text(&command.method)),
        ("builder", text(&command.builder())),
        ("doc", text(&command.doc)),
        ("syntax", text(&command.syntax.to_string())),
        ("example", text(&call)),
        ("reply", text(&command.replies.otherwise.text)),
        ("replies", list(rules)),
        (
            "shown",
            list(command.replies.shown.iter().map(|(param, reply)| {
                object([("param", text(param)), ("type", text(&reply.text))])
            })),
        ),
        ("since", versions(facts.since.as_ref())),
        ("flags", list(facts.flags.iter().map(|flag| text(flag)))),
        ("readonly", facts.readonly.to_string()),
        ("idempotent", facts.idempotent.to_string()),
        ("blocking", facts.blocking.to_string()),
        ("state", facts.state.is_some().to_string()),
        ("cacheable", facts.cacheable.to_string()),
        ("request", text(request)),
        ("response", text(response)),
        ("keys", has_keys(command).to_string()),
        ("deprecated", optional(facts.deprecated.as_ref())),
        ("complexity", optional(facts.complexity.as_ref())),
        ("aliases", list(facts.aliases.iter().map(|name| text(name)))),
        ("body", body(&command.body)),
        ("choices", list(choices)),
        ("options", list(command.options.iter().map(option))),
    ])
}

fn has_keys(command: &Command) -> bool {
    command.params().any(|param| param.kind.has_keys())
}

/// The handle that has such a command.
fn receiver(command: &Command, options: &[usize]) -> &'static str {
    let blocks = |id: &usize| {
        command
            .options
            .get(*id)
            .is_some_and(|option| option.body.blocks())
    };
    if command.facts.state.is_some() {
        "exclusive"
    } else if command.facts.blocking || options.iter().any(blocks) {
        "pool"
    } else {
        "conn"
    }
}

fn option(option: &Opt) -> String {
    let parent = option.parent.map(|id| id.to_string());
    object([
        ("label", text(&option.label)),
        ("syntax", text(&option.syntax)),
        ("method", text(&option.method)),
        ("choice", option.choice.to_string()),
        ("parent", parent.unwrap_or_else(|| "null".to_owned())),
        ("repeatable", option.repeatable.to_string()),
        ("takes_none", option.takes_none.to_string()),
        ("blocks", option.body.blocks().to_string()),
        ("doc", optional(option.doc.as_ref())),
        ("since", versions(option.since.as_ref())),
        ("deprecated", optional(option.deprecated.as_ref())),
        ("body", body(&option.body)),
    ])
}

fn body(body: &Body) -> String {
    list(body.runs.iter().map(|run| {
        object([
            ("order", run.order.to_string()),
            ("writes", list(run.writes.iter().map(written))),
        ])
    }))
}

fn written(write: &Written) -> String {
    match write {
        Written::Word(word) => object([("word", text(word))]),
        Written::Param(it) => object([("param", param(it))]),
        // A counted list is no deeper.
        Written::Counted {
            words_per_item,
            what,
        } => object([
            ("per", words_per_item.to_string()),
            (
                "param",
                what.param().map_or_else(|| "null".to_owned(), param),
            ),
        ]),
    }
}

fn param(param: &Param) -> String {
    let (kind, ty, width, required) = match &param.kind {
        Kind::Key => ("key", "", 1, true),
        Kind::Value => ("value", "", 1, true),
        Kind::Args => ("args", "", 1, false),
        Kind::Number(ty) => ("number", ty.as_str(), 1, true),
        Kind::Named(ty) => ("named", ty.as_str(), 1, true),
        Kind::Enum(ty) => ("enum", ty.as_str(), 1, true),
        Kind::List { required, .. } => ("list", "", 1, *required),
        Kind::Records { columns, required } => ("records", "", columns.len(), *required),
        Kind::Columns(_) => ("columns", "", 2, true),
    };
    object([
        ("name", text(&param.name)),
        ("kind", text(kind)),
        ("type", text(ty)),
        ("width", width.to_string()),
        ("required", required.to_string()),
        ("rust", text(&param.example.rust)),
        (
            "wire",
            list(param.example.wire.iter().map(|word| text(word))),
        ),
    ])
}

fn versions(versions: Option<&Versions>) -> String {
    let Some(versions) = versions else {
        return "null".to_owned();
    };
    object([
        ("redis", optional(versions.redis.as_ref())),
        ("valkey", optional(versions.valkey.as_ref())),
    ])
}

fn optional(value: Option<&String>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| text(value))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn object<const N: usize>(fields: [(&str, String); N]) -> String {
    let fields = fields.map(|(name, value)| format!("{}:{value}", text(name)));
    format!("{{{}}}", fields.join(","))
}

/// A string of JSON.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(text("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
