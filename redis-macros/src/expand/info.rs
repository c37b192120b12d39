//! The static with the facts of a command.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::ident;
use crate::model::Command;

/// The name of a command's static.
pub(super) fn name(command: &Command) -> proc_macro2::Ident {
    ident(&command.method.to_ascii_uppercase())
}

pub(super) fn expand(command: &Command) -> TokenStream {
    let facts = &command.facts;
    let (info, name) = (name(command), command.syntax.name.join(" "));
    let doc = format!(" What is known of `{name}`.");
    let header = Literal::byte_string(&header(&command.syntax.name));
    let words = Literal::usize_unsuffixed(command.syntax.name.len());
    let readonly = facts.readonly.then(|| quote!(.readonly()));
    let idempotent = (facts.idempotent && !facts.readonly).then(|| quote!(.idempotent()));
    let blocking = facts.blocking.then(|| quote!(.blocking()));
    let state = facts
        .state
        .map(ident)
        .map(|change| quote!(.state(rt::StateChange::#change)));
    let cacheable = facts.cacheable.then(|| quote!(.cacheable()));
    let policies = facts.policies.map(|(request, response)| {
        let (request, response) = (ident(request), ident(response));
        quote!(.policies(rt::RequestPolicy::#request, rt::ResponsePolicy::#response))
    });
    let masked = &facts.masked;
    let masked = (!masked.is_empty()).then(|| quote!(.masked(&[#(#masked),*])));
    quote! {
        #[doc = #doc]
        pub static #info: rt::CommandInfo = rt::CommandInfo::new(#name, #header, #words)
            #readonly #idempotent #blocking #state #cacheable #policies #masked;
    }
}

/// The words of the name as they go over the wire.
fn header(words: &[String]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| format!("${}\r\n{word}\r\n", word.len()).into_bytes())
        .collect()
}
