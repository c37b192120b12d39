//! Step 4: the model as Rust. Expansions are small: code that can be a function of the core is one, and is called
//! here.
//!
//! All items of the core are named through `rt`, the facade's hidden re-export, so that a crate with its own spec
//! depends only on the facade. Those of the standard library are named by their full paths: around the macro's call the usual names may
//! mean other things.
//!
//! # Layout
//!
//! - `facade`: where the facade is
//! - `unit`: one module with its trait, which contains everything below
//! - `info`: the static with the facts of a command; `naming`: its names that are not keys
//! - `method`: the trait's method
//! - `builder`: the type that a command with options returns
//! - `option`: the methods of a builder
//! - `marker`: names of the markers that stand for an option in a type
//! - `newer`: what came later than its command
//! - `rules`: traits whose messages say what a builder lacks, or what excludes what
//! - `write`: parameters and how they are written
//! - `known`: the table in which raw commands are looked up
//! - `enums`: the enums of `[enums]`
//! - `docs`, `example`: documentation; `alias`: the names by which it is found

mod alias;
mod builder;
mod docs;
mod enums;
pub(crate) mod example;
mod facade;
mod info;
mod known;
mod marker;
mod method;
mod naming;
mod newer;
mod option;
mod rules;
mod unit;
mod write;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

pub(crate) use facade::Facade;

use crate::model::Model;
use crate::places::Places;

/// Every group as a module with its own trait.
pub(crate) fn groups(model: &Model, facade: &Facade, places: &Places) -> TokenStream {
    let path = facade.path();
    let rt = quote!(#path::__core);
    let enums = model.enums.iter().map(|ty| enums::expand(ty, &rt));
    let known = known::expand(model, &rt);
    let units: Vec<unit::Unit<'_>> = model
        .groups
        .iter()
        .map(|group| unit::Unit::of_group(group, facade, places))
        .collect();
    let modules = units.iter().map(unit::Unit::expand);
    let paths = units.iter().map(unit::Unit::path);
    quote! {
        #(#enums)*
        #(#modules)*
        #known

        #[doc = " The traits of all groups, for one glob import."]
        pub mod traits {
            #(pub use super::#paths;)*
        }
    }
}

/// All commands as one trait.
pub(crate) fn one_trait(
    model: &Model,
    facade: &Facade,
    places: &Places,
    vis: &syn::Visibility,
    name: &Ident,
) -> TokenStream {
    unit::Unit::of_trait(model, facade, places, vis.clone(), name.clone()).expand()
}

fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The name of a variable that cannot be confused with a parameter of the same name.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

#[cfg(test)]
mod tests;
