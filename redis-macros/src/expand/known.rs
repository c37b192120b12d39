//! The table in which raw commands are looked up.

use std::collections::BTreeMap;
use std::iter::once;

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::ident;
use crate::model::{Blocks, KnownCommand, Model, Naming, Place};

/// `None` if the spec has no table of refused commands; `rt` is the path of the core.
pub(super) fn expand(model: &Model, rt: &TokenStream) -> Option<TokenStream> {
    if model.known.is_empty() {
        return None;
    }
    let commands = model.known.iter().map(command);
    let named = named(model).into_iter().map(|(name, naming)| {
        let naming = super::naming::expression(naming);
        quote!((#name, const { &#naming }))
    });
    let named: Vec<TokenStream> = named.collect();
    let named = (!named.is_empty()).then(|| quote!(.named(&[#(#named),*])));
    let all = once(quote! {
        #[doc = " The commands that a shared connection does not accept; raw commands are looked up in this table."]
        #[doc(hidden)]
        pub static KNOWN: #rt::KnownCommands = {
            use #rt as rt;
            rt::KnownCommands::new(&[#(#commands),*])#named
        };
    });
    let raw = once(quote! {
        #[doc = " What is known about commands that are built from words."]
        #[doc(hidden)]
        pub static RAW: #rt::RawInfo = #rt::RawInfo::new(&KNOWN);
    });
    Some(all.chain(raw).collect())
}

/// The commands with names besides their keys; rows of one command say the same.
fn named(model: &Model) -> BTreeMap<String, &Naming> {
    let commands = model.groups.iter().flat_map(|group| &group.commands);
    commands
        .filter_map(|command| {
            Some((
                command.syntax.name.join(" "),
                command.facts.naming.as_ref()?,
            ))
        })
        .collect()
}

fn command(known: &KnownCommand) -> TokenStream {
    let name = &known.name;
    let state = known
        .state
        .map(ident)
        .map(|change| quote!(.state(rt::StateChange::#change)));
    let blocks = known.blocks.as_ref().map(blocks);
    let refused = known
        .refused
        .as_ref()
        .map(|advice| quote!(.refused(#advice)));
    quote!(rt::KnownCommand::new(#name) #state #blocks #refused)
}

fn blocks(blocks: &Blocks) -> TokenStream {
    let limit = ident(&blocks.limit);
    let unit = quote!(<#limit as rt::BlockLimit>::UNIT);
    match &blocks.place {
        Place::Behind(words) => {
            let words = Literal::usize_unsuffixed(*words);
            quote!(.blocks(rt::Blocks::behind(#words, #unit)))
        }
        Place::BeforeLast(words) => {
            let words = Literal::usize_unsuffixed(*words);
            quote!(.blocks(rt::Blocks::before_last(#words, #unit)))
        }
        Place::Option(word) => quote!(.blocks(rt::Blocks::by_option(#word, #unit))),
    }
}
