//! The names that the Redis documentation and other clients have for things, so that a search in ours finds them: `#[doc(alias)]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::{Body, Call, Command, Opt, Write};

/// The name on the server, the words of the syntax that are always sent, `LCS` and `LEN`, and the names that other clients have for it.
pub(super) fn command(command: &Command) -> TokenStream {
    // A script or a function has no name on the server.
    let name = matches!(command.call, Call::Command).then(|| command.syntax.name.join(" "));
    expand(
        &command.method,
        name.into_iter()
            .chain(words(&command.body))
            .chain(command.facts.aliases.iter().cloned()),
    )
}

/// The words of an option: `WITHSCORES`.
pub(super) fn option(option: &Opt) -> TokenStream {
    expand(&option.method, words(&option.body))
}

/// A word of an enum.
pub(super) fn word(name: &str, word: &str) -> TokenStream {
    expand(name, [word.to_owned()])
}

fn words(body: &Body) -> impl Iterator<Item = String> {
    let writes = body.runs.iter().flat_map(|run| &run.writes);
    writes.filter_map(|write| match write {
        Write::Word(word) => Some(word.clone()),
        Write::Param(_) | Write::Counted { .. } => None,
    })
}

/// One attribute for each name: rustdoc refuses an item's own name, quotes and most white space, and nobody searches for
/// signs.
fn expand(own: &str, names: impl IntoIterator<Item = String>) -> TokenStream {
    let is_searched = |name: &String| {
        let plain = |letter: char| letter.is_ascii_graphic() && !['"', '\''].contains(&letter);
        name != own
            && name
                .split(' ')
                .all(|word| !word.is_empty() && word.chars().all(plain))
            && name.contains(|letter: char| letter.is_ascii_alphanumeric())
    };
    let mut aliases: Vec<String> = Vec::new();
    for name in names.into_iter().filter(is_searched) {
        if !aliases.contains(&name) {
            aliases.push(name);
        }
    }
    quote!(#(#[doc(alias = #aliases)])*)
}
