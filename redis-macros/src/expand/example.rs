//! A call of a command as a user writes it, with the examples of the spec for its arguments.

use proc_macro2::TokenStream;

use crate::model::{Body, Column, Command, Kind, OptionId, Param};

/// `conn.set("key", "value").ex(60)`.
pub(crate) fn call(receiver: &str, command: &Command, options: &[OptionId]) -> String {
    call_without(receiver, command, options, None)
}

/// A call with `None` for the arguments of an option.
pub(crate) fn call_without(
    receiver: &str,
    command: &Command,
    options: &[OptionId],
    absent: Option<OptionId>,
) -> String {
    let mut call = format!(
        "{receiver}.{}({})",
        command.method,
        arguments(&command.body)
    );
    for id in options {
        let Some(option) = command.options.get(*id) else {
            continue;
        };
        let arguments = if absent == Some(*id) {
            nothing(&option.body)
        } else {
            arguments(&option.body)
        };
        call.push_str(&format!(".{}({arguments})", option.method));
    }
    call
}

/// `None` for every argument, with its type where the compiler could not know it.
fn nothing(body: &Body) -> String {
    let none = |param: &Param| match &param.kind {
        Kind::Number(_) | Kind::Enum(_) => "None".to_owned(),
        Kind::Named(ty) => format!("None::<{ty}>"),
        Kind::Key | Kind::Value | Kind::Args | Kind::List { .. } => "None::<&str>".to_owned(),
        Kind::Records { columns, .. } => none_of(columns),
        Kind::Columns(columns) => none_of(columns),
    };
    body.params().map(none).collect::<Vec<_>>().join(", ")
}

fn none_of(columns: &[Column]) -> String {
    let types: Vec<&str> = columns
        .iter()
        .map(|column| match column {
            Column::Number => "f64",
            Column::Within(_) => "i64",
            Column::Text | Column::Key => "&str",
        })
        .collect();
    format!("None::<({})>", types.join(", "))
}

fn arguments(body: &Body) -> String {
    body.params()
        .map(|param| param.example.rust.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A type as people write it.
pub(crate) fn written(ty: &TokenStream) -> String {
    ty.to_string()
        .replace(" < ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
        .replace("< ", "<")
        .replace(" :: ", "::")
}
