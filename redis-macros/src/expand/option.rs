//! The methods of a builder: one for each option, in one `impl` for each set of states that they share.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};

use super::marker::marker;
use super::{alias, docs, ident, newer, write};
use crate::model::states::{State, Transition};
use crate::model::{Command, Opt};

pub(super) fn expand(command: &Command) -> TokenStream {
    let mut impls: Vec<(String, TokenStream, Vec<TokenStream>)> = Vec::new();
    for (id, option) in command.options.iter().enumerate() {
        for transition in command.transitions(id) {
            let header = header(command, &transition);
            let method = method(command, option, &transition);
            let text = header.to_string();
            match impls.iter_mut().find(|(other, ..)| *other == text) {
                Some((.., methods)) => methods.push(method),
                None => impls.push((text, header, vec![method])),
            }
        }
    }
    let impls = impls
        .into_iter()
        .map(|(_, header, methods)| quote!(#header { #(#methods)* }));
    quote!(#(#impls)*)
}

/// `impl<S: rt::Sink, R, Expiry> Set<S, R, rt::state::Unset, Expiry>`.
fn header(command: &Command, transition: &Transition<'_>) -> TokenStream {
    let name = ident(&command.builder());
    let (params, reply) = match transition.reply {
        None => (vec![ident("R")], quote!(R)),
        Some((from, to)) => {
            let dropped: Vec<&Ident> = from
                .params
                .iter()
                .filter(|param| !to.params.contains(param))
                .collect();
            let kept = from
                .params
                .iter()
                .filter(|param| !dropped.contains(param))
                .cloned()
                .collect();
            // The type that the caller would have chosen is not in the reply any more, so the caller does not
            // have to choose it.
            (
                kept,
                from.with(&|param| dropped.contains(&param).then(|| quote!(()))),
            )
        }
    };
    let any = command
        .slots
        .iter()
        .zip(&transition.from)
        .filter(|(_, state)| **state == State::Any);
    let generics = params
        .into_iter()
        .chain(any.map(|(slot, _)| ident(&slot.name)));
    let states = states(command, &transition.from);
    quote!(impl<S: rt::Sink, #(#generics),*> #name<S, #reply, #(#states),*>)
}

fn method(command: &Command, option: &Opt, transition: &Transition<'_>) -> TokenStream {
    let docs = docs::option(command, option);
    let aliases = alias::option(option);
    let deprecated = option.deprecated.as_ref().map(|instead| {
        let note = docs::instead(instead);
        quote!(#[deprecated(note = #note)])
    });
    let name = ident(&option.method);
    let (params, conversions) = (
        write::declarations(&option.body),
        write::conversions(&option.body),
    );
    let write = write::closure(&statements(command, option));
    let generics = new_params(transition);
    let bound = option
        .body
        .blocks()
        .then(|| quote!(where S: rt::AllowsBlocking));
    let (returns, value) = result(command, transition);
    quote! {
        #(#[doc = #docs])*
        #aliases
        #deprecated
        pub fn #name #generics (mut self, #(#params),*) -> #returns #bound {
            #(#conversions)*
            self.request.edit(#write);
            #value
        }
    }
}

fn statements(command: &Command, option: &Opt) -> Vec<TokenStream> {
    let once_only = option.once_only.then(|| quote!(args.once_only()));
    let writes = write::statements(&option.body, option.repeatable);
    let needs = newer::of_option(command, option);
    once_only.into_iter().chain(needs).chain(writes).collect()
}

/// The type parameters that come with the new reply.
fn new_params(transition: &Transition<'_>) -> Option<TokenStream> {
    let (from, to) = transition.reply?;
    let new: Vec<&Ident> = to
        .params
        .iter()
        .filter(|param| !from.params.contains(param))
        .collect();
    (!new.is_empty()).then(|| quote!(<#(#new: rt::FromRedis),*>))
}

/// What the method returns: its type and value.
fn result(command: &Command, transition: &Transition<'_>) -> (TokenStream, TokenStream) {
    if transition.reply.is_none() && transition.from == transition.to {
        return (quote!(Self), quote!(self));
    }
    let name = ident(&command.builder());
    let states = states(command, &transition.to);
    let (reply, request) = match transition.reply {
        None => (quote!(R), quote!(self.request)),
        Some((_, to)) => (to.ty.to_token_stream(), quote!(self.request.with_reply())),
    };
    (
        quote!(#name<S, #reply, #(#states),*>),
        quote!(#name { request: #request, state: ::std::marker::PhantomData }),
    )
}

fn states(command: &Command, states: &[State]) -> Vec<TokenStream> {
    let state = |(slot, state): (&crate::model::states::Slot, &State)| match state {
        State::Any => ident(&slot.name).to_token_stream(),
        State::Open if slot.required => quote!(rt::state::Missing),
        State::Open => quote!(rt::state::Unset),
        State::Chosen => quote!(rt::state::Chosen),
        State::Option(_) => {
            let marker = ident(&marker(command, *state).unwrap_or_default());
            quote!(chosen::#marker)
        }
    };
    command.slots.iter().zip(states).map(state).collect()
}
