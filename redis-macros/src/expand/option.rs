//! The methods of a builder: one for each option, in one `impl` for each set of states that they share.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote};

use super::marker::marker;
use super::{alias, docs, ident, newer, rules, write};
use crate::model::states::{Slot, State, Transition};
use crate::model::{Command, Opt, OptionId};
use crate::places::at;

pub(super) fn expand(command: &Command, place: Span) -> TokenStream {
    let mut impls: Vec<(String, TokenStream, Vec<TokenStream>)> = Vec::new();
    for id in 0..command.options.len() {
        let transitions = command.transitions(id);
        let exclusive = command.exclusive_slot(id, &transitions);
        for transition in &transitions {
            let header = header(command, exclusive, transition);
            let method = method(command, id, exclusive, transition, place);
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
fn header(command: &Command, exclusive: Option<usize>, transition: &Transition<'_>) -> TokenStream {
    let name = ident(&command.builder());
    let (params, reply) = match transition.reply {
        None => (vec![ident("R")], quote!(R)),
        // Where another option of the choice was chosen the reply is another; the bound then says what is wrong.
        Some((from, _)) if exclusive.is_some() && from.params.is_empty() => {
            (vec![ident("R")], quote!(R))
        }
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
    let mut from = transition.from.clone();
    if let Some(state) = exclusive.and_then(|slot| from.get_mut(slot)) {
        *state = State::Any;
    }
    // `Chosen` is of whatever option.
    let open = command
        .slots
        .iter()
        .zip(&from)
        .filter(|(_, state)| matches!(state, State::Any | State::Chosen));
    let generics = params
        .into_iter()
        .chain(open.map(|(slot, _)| ident(&slot.name)));
    let states = states(command, &from, None);
    quote!(impl<S: rt::Sink, #(#generics),*> #name<S, #reply, #(#states),*>)
}

fn method(
    command: &Command,
    id: OptionId,
    exclusive: Option<usize>,
    transition: &Transition<'_>,
    place: Span,
) -> TokenStream {
    let Some(option) = command.options.get(id) else {
        return TokenStream::new();
    };
    let docs = docs::option(command, option);
    let aliases = alias::option(option);
    let deprecated = option.deprecated.as_ref().map(|instead| {
        let note = docs::instead(instead);
        quote!(#[deprecated(note = #note)])
    });
    let name = ident(&option.method);
    let statements = statements(command, option);
    let edit = edit(&quote!(#(#statements;)*));
    let (generics, params, edit) = if option.takes_none {
        optional(option, &edit)
    } else {
        let conversions = write::conversions(&option.body);
        let edit = quote!(#(#conversions)* #edit);
        (
            new_params(transition),
            write::declarations(&option.body),
            edit,
        )
    };
    let generics = (!generics.is_empty()).then(|| quote!(<#(#generics),*>));
    let bounds = bounds(command, option, exclusive);
    let (returns, value) = result(command, id, transition);
    let head = quote!(pub fn #name #generics (mut self, #(#params),*) -> #returns #bounds);
    let head = at(place, head);
    quote! {
        #(#[doc = #docs])*
        #aliases
        #deprecated
        #head {
            #edit
            #value
        }
    }
}

/// Writes to the arguments, unless the request was sent.
fn edit(statements: &TokenStream) -> TokenStream {
    quote!(if let ::core::option::Option::Some(args) = self.request.args() { #statements })
}

/// What is different where `None` leaves an option out: type parameters, parameters, and what is written if it is not.
fn optional(option: &Opt, edit: &TokenStream) -> (Vec<TokenStream>, Vec<TokenStream>, TokenStream) {
    let write::Optionals {
        generics,
        declarations,
        values,
        names,
    } = write::optionals(&option.body);
    let generics = generics.iter().map(ToTokens::to_token_stream).collect();
    let edit = match (names.as_slice(), values.as_slice()) {
        ([name], [value]) => quote!(if let ::core::option::Option::Some(#name) = #value { #edit }),
        _ => {
            let (syntax, nothing) = (
                &option.syntax,
                names.iter().map(|_| quote!(::core::option::Option::None)),
            );
            let refuse = self::edit(&quote!(args.refuse_half(#syntax);));
            quote! {
                match (#(#values),*) {
                    (#(::core::option::Option::Some(#names)),*) => { #edit }
                    (#(#nothing),*) => {}
                    _ => { #refuse }
                }
            }
        }
    };
    (generics, declarations, edit)
}

/// What must hold of the request and of what was chosen before.
fn bounds(command: &Command, option: &Opt, exclusive: Option<usize>) -> Option<TokenStream> {
    let blocks = option.body.blocks().then(|| quote!(S: rt::AllowsBlocking));
    let free = exclusive
        .and_then(|slot| command.slots.get(slot))
        .map(|slot| {
            let (slot, rule) = (ident(&slot.name), rules::exclusive(command, slot));
            quote!(#slot: rules::#rule)
        });
    let bounds: Vec<TokenStream> = blocks.into_iter().chain(free).collect();
    (!bounds.is_empty()).then(|| quote!(where #(#bounds),*))
}

fn statements(command: &Command, option: &Opt) -> Vec<TokenStream> {
    let parent = option.parent.and_then(|parent| {
        let needed = command
            .options
            .get(parent)
            .filter(|parent| parent.takes_none)?;
        let order = Literal::u8_unsuffixed(needed.body.runs.first()?.order);
        let (option, needed) = (&option.label, &needed.label);
        Some(quote!(args.needs_part(#order, #option, #needed)))
    });
    let once_only = option.once_only.then(|| quote!(args.once_only()));
    let writes = write::statements(&option.body, option.repeatable);
    let versions = newer::of_option(command, option);
    parent
        .into_iter()
        .chain(once_only)
        .chain(versions)
        .chain(writes)
        .collect()
}

/// The type parameters that come with the new reply.
fn new_params(transition: &Transition<'_>) -> Vec<TokenStream> {
    let Some((from, to)) = transition.reply else {
        return Vec::new();
    };
    let new = to
        .params
        .iter()
        .filter(|param| !from.params.contains(param));
    new.map(|param| quote!(#param: rt::FromRedis)).collect()
}

/// What the method returns: its type and value.
fn result(
    command: &Command,
    id: OptionId,
    transition: &Transition<'_>,
) -> (TokenStream, TokenStream) {
    if transition.reply.is_none() && transition.from == transition.to {
        return (quote!(Self), quote!(self));
    }
    let name = ident(&command.builder());
    let states = states(command, &transition.to, Some(id));
    let (reply, request) = match transition.reply {
        None => (quote!(R), quote!(self.request)),
        Some((_, to)) => (to.ty.to_token_stream(), quote!(self.request.with_reply())),
    };
    (
        quote!(#name<S, #reply, #(#states),*>),
        quote!(#name { request: #request, state: ::std::marker::PhantomData }),
    )
}

/// The states as types; `chosen` is the option that has just been chosen.
fn states(command: &Command, states: &[State], chosen: Option<OptionId>) -> Vec<TokenStream> {
    let own = chosen.and_then(|id| command.slot_of(id));
    let state = |(index, (slot, state)): (usize, (&Slot, &State))| match state {
        State::Any => ident(&slot.name).to_token_stream(),
        State::Open if slot.required => quote!(rt::state::Missing),
        State::Open => quote!(rt::state::Unset),
        State::Chosen => {
            let by = match chosen.filter(|_| own == Some(index)) {
                Some(id) => marker_path(command, id),
                None => ident(&slot.name).to_token_stream(),
            };
            quote!(rt::state::Chosen<#by>)
        }
        State::Option(id) => marker_path(command, *id),
    };
    command
        .slots
        .iter()
        .zip(states)
        .enumerate()
        .map(state)
        .collect()
}

fn marker_path(command: &Command, id: OptionId) -> TokenStream {
    let marker = ident(&marker(command, id).unwrap_or_default());
    quote!(chosen::#marker)
}
