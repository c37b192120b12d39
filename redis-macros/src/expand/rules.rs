//! The rules of choices, as traits with a message each: which options exclude each other, and which of them one must be.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::ident;
use super::marker::marker;
use crate::model::Command;
use crate::model::states::Slot;

/// The module of the rules of these commands.
pub(super) fn expand<'a>(commands: impl Iterator<Item = &'a Command>) -> TokenStream {
    let rules: Vec<TokenStream> = commands
        .flat_map(|command| command.slots.iter().map(move |slot| rule(command, slot)))
        .collect();
    if rules.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #[doc(hidden)]
        pub mod rules {
            use super::{chosen, rt};
            #(#rules)*
        }
    }
}

fn rule(command: &Command, slot: &Slot) -> TokenStream {
    let required = slot.required.then(|| made(command, slot));
    let exclusive = is_exclusive(command, slot).then(|| free(command, slot));
    quote!(#required #exclusive)
}

/// The trait of a required choice that has been made.
fn made(command: &Command, slot: &Slot) -> TokenStream {
    let name = required(command, slot);
    let methods = methods(command, slot, "or");
    let message = format!("{} needs {methods} before it can be sent", command.name());
    let states = if slot.apart {
        let markers = options(command, slot).filter_map(|id| marker(command, id));
        let markers = markers.map(|marker| ident(&marker));
        quote!(#(impl #name for chosen::#markers {})*)
    } else {
        quote!(impl<By> #name for rt::state::Chosen<By> {})
    };
    quote! {
        #[diagnostic::on_unimplemented(message = #message, label = "a choice is missing")]
        pub trait #name {}
        #states
    }
}

/// The trait of a choice that has not been made yet.
fn free(command: &Command, slot: &Slot) -> TokenStream {
    let name = exclusive(command, slot);
    let methods = methods(command, slot, "and");
    let message = format!(
        "{}: {methods} exclude each other, and one of them was called before",
        command.name()
    );
    let open = if slot.required {
        quote!(rt::state::Missing)
    } else {
        quote!(rt::state::Unset)
    };
    quote! {
        #[diagnostic::on_unimplemented(message = #message, label = "cannot be called after `{Self}`")]
        pub trait #name {}
        impl #name for #open {}
    }
}

fn options(command: &Command, slot: &Slot) -> impl Iterator<Item = usize> {
    let choice = command.choices.get(slot.choice);
    choice
        .map(|choice| choice.options.clone())
        .unwrap_or_default()
        .into_iter()
}

fn is_exclusive(command: &Command, slot: &Slot) -> bool {
    options(command, slot).count() > 1
}

/// `` `ex`, `px` or `keep_ttl` ``.
fn methods(command: &Command, slot: &Slot, word: &str) -> String {
    let methods: Vec<String> = options(command, slot)
        .filter_map(|id| command.options.get(id))
        .map(|option| format!("`{}`", option.method))
        .collect();
    match methods.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {word} {last}", rest.join(", ")),
        _ => methods.concat(),
    }
}

/// The trait that a slot implements once its required choice has been made.
pub(super) fn required(command: &Command, slot: &Slot) -> Ident {
    ident(&format!("{}Has{}", command.builder(), slot.name))
}

/// The trait that a slot implements as long as its choice is open.
pub(super) fn exclusive(command: &Command, slot: &Slot) -> Ident {
    ident(&format!("{}Lacks{}", command.builder(), slot.name))
}
