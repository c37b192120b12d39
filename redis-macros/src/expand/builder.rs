//! The type that a command with options returns: a request, and what has been chosen so far.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{docs, ident, option, rules};
use crate::model::Command;
use crate::places::at;

pub(super) fn expand(command: &Command, place: Span) -> TokenStream {
    let parts = Parts::new(command);
    let definition = parts.definition(command, place);
    let options = option::expand(command, place);
    let finish = parts.finish();
    let (conversion, debug) = (parts.conversion(), parts.debug());
    let (future, target) = (parts.future(), parts.target());
    quote! {
        #definition
        #options
        #finish
        #future
        #target
        #conversion
        #debug
    }
}

/// The common parts of a builder's `impl`s.
struct Parts {
    name: Ident,
    /// The type parameters of its choices.
    slots: Vec<Ident>,
    /// The type parameters of its required choices.
    required: Vec<Ident>,
    /// What says that each of those has been made.
    rules: Vec<Ident>,
}

impl Parts {
    fn new(command: &Command) -> Self {
        let required = || command.slots.iter().filter(|slot| slot.required);
        Self {
            rules: required()
                .map(|slot| rules::required(command, slot))
                .collect(),
            name: ident(&command.builder()),
            slots: command.slots.iter().map(|slot| ident(&slot.name)).collect(),
            required: required().map(|slot| ident(&slot.name)).collect(),
        }
    }

    fn definition(&self, command: &Command, place: Span) -> TokenStream {
        let Self { name, slots, .. } = self;
        let docs = docs::builder(command);
        let defaults = command.slots.iter().map(|slot| {
            if slot.required {
                quote!(rt::state::Missing)
            } else {
                quote!(rt::state::Unset)
            }
        });
        let state = (!slots.is_empty())
            .then(|| quote!(state: ::std::marker::PhantomData<fn() -> (#(#slots,)*)>,));
        let head = quote!(pub struct #name<S: rt::Sink, R, #(#slots = #defaults),*>);
        let head = at(place, head);
        quote! {
            #(#[doc = #docs])*
            #[must_use = "a request does nothing until it is awaited or sent"]
            #head {
                request: rt::Request<S, R>,
                #state
            }
        }
    }

    /// The `impl`s by which a finished builder is executed.
    fn finish(&self) -> TokenStream {
        let Self { name, slots, .. } = self;
        let made = self.made();
        let state = (!slots.is_empty()).then(|| quote!(, state: self.state));
        quote! {
            impl<S: rt::Sink, R, #(#slots),*> #name<S, R, #(#slots),*> #made {
                #[doc = " Sends the command now; its reply can be awaited later."]
                pub fn send(self) -> Self where S: rt::Execute<R> {
                    Self { request: self.request.send() #state }
                }

                #[doc = " The deadline of this one call, from its first poll to its reply, instead of the configured timeout."]
                pub fn deadline(self, limit: ::std::time::Duration) -> Self {
                    Self { request: self.request.deadline(limit) #state }
                }

                #[doc = " Puts an error of this command in its place among the replies, so that it does not hide the others."]
                pub fn attempt(self) -> rt::Request<S, ::std::result::Result<R, rt::Error>> where S: rt::Queues {
                    self.request.attempt()
                }
            }
        }
    }

    fn future(&self) -> TokenStream {
        let Self { name, slots, .. } = self;
        let made = self.made();
        quote! {
            impl<S: rt::Execute<R>, R, #(#slots),*> ::std::future::Future for #name<S, R, #(#slots),*> #made {
                type Output = rt::Result<S::Output>;

                fn poll(
                    mut self: ::std::pin::Pin<&mut Self>,
                    cx: &mut ::std::task::Context<'_>,
                ) -> ::std::task::Poll<Self::Output> {
                    ::std::future::Future::poll(::std::pin::Pin::new(&mut self.request), cx)
                }
            }
        }
    }

    fn target(&self) -> TokenStream {
        let Self {
            name,
            slots,
            required,
            rules,
        } = self;
        quote! {
            // Documentation would repeat every command on the page of every builder.
            #[cfg(not(doc))]
            impl<S: rt::Sink, R, #(#slots),*> rt::Target for #name<S, R, #(#slots),*>
            where
                rt::Request<S, R>: rt::Target,
                #(#required: rules::#rules,)*
            {
                type Sink = <rt::Request<S, R> as rt::Target>::Sink;

                fn into_sink(self) -> Self::Sink {
                    rt::Target::into_sink(self.request)
                }
            }
        }
    }

    fn conversion(&self) -> TokenStream {
        let Self { name, slots, .. } = self;
        let made = self.made();
        quote! {
            impl<S: rt::Sink, R, #(#slots),*> rt::IntoRequest for #name<S, R, #(#slots),*> #made {
                type Sink = S;
                type Reply = R;

                fn into_request(self) -> rt::Request<S, R> {
                    self.request
                }
            }
        }
    }

    fn debug(&self) -> TokenStream {
        let Self { name, slots, .. } = self;
        quote! {
            impl<S: rt::Sink, R, #(#slots),*> ::std::fmt::Debug for #name<S, R, #(#slots),*> {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    ::std::fmt::Debug::fmt(&self.request, f)
                }
            }
        }
    }

    /// The bounds that say that every required choice has been made.
    fn made(&self) -> Option<TokenStream> {
        let Self {
            required, rules, ..
        } = self;
        (!required.is_empty()).then(|| quote!(where #(#required: rules::#rules),*))
    }
}
