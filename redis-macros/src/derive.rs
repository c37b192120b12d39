//! `#[derive(FromRedis)]` and `#[derive(ToRedis)]`.
//!
//! # Layout
//!
//! - `attr`: the words of `#[redis(..)]`, with their places in the source
//! - `ast`: the item as a typed view: a shape, its fields, their names on the server
//! - `parse`: from the syntax to that view
//! - `valid`: which attribute is allowed where
//! - `case`: how `rename_all` spells names
//! - `bounds`: what the parameters of a generic item must implement
//! - `from_redis`, `to_redis`: the expansions

use proc_macro2::TokenStream;
use quote::quote;

mod ast;
mod attr;
mod bounds;
mod case;
mod from_redis;
mod parse;
mod to_redis;
mod valid;

#[cfg(test)]
mod tests;

/// Expands `#[derive(FromRedis)]`.
pub(crate) fn from_redis(input: TokenStream) -> TokenStream {
    derive(input, from_redis::expand, from_redis::fallback)
}

/// Expands `#[derive(ToRedis)]`.
pub(crate) fn to_redis(input: TokenStream) -> TokenStream {
    derive(input, to_redis::expand, to_redis::fallback)
}

/// Parses, checks and expands. After an error an implementation is still written, so that code that uses it gets no
/// further errors.
fn derive(
    input: TokenStream,
    expand: fn(&ast::Item) -> TokenStream,
    fallback: fn(&syn::DeriveInput) -> TokenStream,
) -> TokenStream {
    let input: syn::DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    match ast::Item::parse(&input) {
        Ok(item) => within(&input, &expand(&item)),
        Err(error) => {
            let errors = error.into_compile_error();
            let fallback = within(&input, &fallback(&input));
            quote!(#errors #fallback)
        }
    }
}

/// Where the expansion finds the core, by a name that it alone sees. Paths of the user mean there what they mean around it.
fn within(input: &syn::DeriveInput, expansion: &TokenStream) -> TokenStream {
    let said = attr::Attrs::parse(&input.attrs, &mut Errors::default()).facade;
    let facade = said.map_or_else(|| syn::parse_quote!(::typedis), |said| said.value);
    quote! {
        const _: () = {
            use #facade::__core as __rt;
            #expansion
        };
    }
}

/// Errors of one item, which are reported together.
#[derive(Default)]
struct Errors(Option<syn::Error>);

impl Errors {
    fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn at(&mut self, span: proc_macro2::Span, text: impl std::fmt::Display) {
        self.push(syn::Error::new(span, text));
    }

    fn into_result<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
