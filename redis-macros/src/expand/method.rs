//! The trait's method of a command.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use super::{alias, docs, ident, info, local, newer, write};
use crate::model::{Call, Command};
use crate::places::at;

pub(super) fn expand(command: &Command, doctests: bool, place: Span) -> TokenStream {
    let docs = docs::command(command, doctests);
    let aliases = alias::command(command);
    let deprecated = command.facts.deprecated.as_ref().map(|instead| {
        let note = docs::instead(instead);
        quote!(#[deprecated(note = #note)])
    });
    let method = ident(&command.method);
    let (params, conversions) = (
        write::declarations(&command.body),
        write::conversions(&command.body),
    );
    // With `self`, more than 7: clippy's limit is for functions whose author can choose.
    let many = (params.len() > 6).then(|| quote!(#[allow(clippy::too_many_arguments)]));
    let generics = generics(command);
    let reply = &command.replies.otherwise.ty;
    let bounds = bounds(command);
    let statements = statements(command);
    let info = info::name(command);
    let (sink, mutable) = (local("sink"), (!statements.is_empty()).then(|| quote!(mut)));
    let request = quote!(rt::Request::of(#sink, args));
    let (returns, value) = if command.has_options() {
        let builder = ident(&command.builder());
        let state =
            (!command.slots.is_empty()).then(|| quote!(, state: ::std::marker::PhantomData));
        (
            quote!(#builder<Self::Sink, #reply>),
            quote!(#builder { request: #request #state }),
        )
    } else {
        (quote!(rt::Request<Self::Sink, #reply>), request)
    };
    let head = quote!(fn #method #generics (self, #(#params),*) -> #returns #bounds);
    let head = at(place, head);
    quote! {
        #(#[doc = #docs])*
        #aliases
        #deprecated
        #many
        #head {
            #(#conversions)*
            let (#sink, #mutable args) = rt::begin(self, &#info);
            #(#statements;)*
            #value
        }
    }
}

/// The type parameters of the reply, which the caller chooses.
fn generics(command: &Command) -> Option<TokenStream> {
    let params = &command.replies.otherwise.params;
    (!params.is_empty()).then(|| quote!(<#(#params: rt::FromRedis),*>))
}

fn bounds(command: &Command) -> Option<TokenStream> {
    let blocking = command.facts.blocking.then(|| quote!(rt::AllowsBlocking));
    let state = command.facts.state.map(|_| quote!(rt::AllowsState));
    let bounds: Vec<TokenStream> = blocking.into_iter().chain(state).collect();
    (!bounds.is_empty()).then(|| quote!(where Self::Sink: #(#bounds)+*))
}

/// What writes the arguments.
fn statements(command: &Command) -> Vec<TokenStream> {
    match &command.call {
        Call::Command => [
            newer::of_words(command, &command.body),
            write::statements(&command.body, false),
        ]
        .concat(),
        Call::Script(_) => {
            let script = info::script_name(command);
            [
                vec![quote!(args.script(&#script))],
                write::keys_first(&command.body),
            ]
            .concat()
        }
        Call::Function(_) => write::keys_first(&command.body),
    }
}
