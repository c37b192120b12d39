//! A call of a command as a user writes it, with the examples of the spec for its arguments.

use proc_macro2::TokenStream;

use crate::model::{Body, Command, OptionId};

/// `conn.set("key", "value").ex(60)`.
pub(crate) fn call(receiver: &str, command: &Command, options: &[OptionId]) -> String {
    let mut call = format!(
        "{receiver}.{}({})",
        command.method,
        arguments(&command.body)
    );
    for option in options.iter().filter_map(|id| command.options.get(*id)) {
        call.push_str(&format!(".{}({})", option.method, arguments(&option.body)));
    }
    call
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
