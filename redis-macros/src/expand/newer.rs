//! What came later than its command: options, and words of enums. A call notes which of them it has, so that an error can
//! say what they need.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::ident;
use crate::model::{Body, Command, Kind, Opt, Versions};

/// `rt::Since::new(Some([8, 0, 0]), None)`.
pub(super) fn versions(versions: &Versions) -> TokenStream {
    let version = |version: &Option<String>| match version {
        Some(version) => {
            let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
            let mut next = || Literal::u16_unsuffixed(numbers.next().unwrap_or(0));
            let (major, minor, patch) = (next(), next(), next());
            quote!(::core::option::Option::Some([#major, #minor, #patch]))
        }
        None => quote!(::core::option::Option::None),
    };
    let (redis, valkey) = (version(&versions.redis), version(&versions.valkey));
    quote!(rt::Since::new(#redis, #valkey))
}

/// How many options [`newer`] may list: as many as a number has bits.
const MOST_NEWER: usize = 32;

/// The options, and the words of enums, that came later than their command. Their places here are what a call notes.
pub(super) fn newer(command: &Command) -> Vec<(&str, &Versions)> {
    let options = command.options.iter();
    let options = options.filter_map(|option| Some((&*option.label, option.since.as_ref()?)));
    let words = command.words.iter();
    let words = words.filter_map(|note| Some((&*note.word, note.since.as_ref()?)));
    let later = options
        .chain(words)
        .filter(|(_, since)| Some(*since) != command.facts.since.as_ref());
    later.take(MOST_NEWER).collect()
}

/// Notes the option, where it came later, and the words that are chosen with it.
pub(super) fn of_option(command: &Command, option: &Opt) -> Vec<TokenStream> {
    let own = option
        .since
        .as_ref()
        .and_then(|_| place(command, &option.label));
    let own = own.map(|place| quote!(args.needs(#place)));
    own.into_iter()
        .chain(of_words(command, &option.body))
        .collect()
}

/// Notes the words that are chosen among the arguments of a body.
pub(super) fn of_words(command: &Command, body: &Body) -> Vec<TokenStream> {
    let enums = body
        .params()
        .filter(|param| matches!(param.kind, Kind::Enum(_)));
    let words = enums.flat_map(|param| {
        let name = ident(&param.name);
        let notes = command.words.iter().filter(|note| note.since.is_some());
        notes.filter_map(move |note| {
            let (word, place) = (&note.word, place(command, &note.word)?);
            Some(quote!(if #name.word() == #word { args.needs(#place) }))
        })
    });
    words.collect()
}

fn place(command: &Command, word: &str) -> Option<Literal> {
    let mut newer = newer(command).into_iter();
    let place = newer.position(|(newer, _)| newer == word);
    place.map(Literal::usize_unsuffixed)
}
