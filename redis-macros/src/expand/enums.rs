//! The enums of `[enums]`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{alias, ident};
use crate::model::Enum;

/// `rt` is the path of the core.
pub(super) fn expand(ty: &Enum, rt: &TokenStream) -> TokenStream {
    let name = ident(&ty.name);
    let words: Vec<&str> = ty
        .variants
        .iter()
        .map(|variant| variant.word.as_str())
        .collect();
    let doc = format!(
        " One of the words {}.",
        words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let variants: Vec<_> = ty
        .variants
        .iter()
        .map(|variant| ident(&variant.name))
        .collect();
    let docs = words.iter().map(|word| format!(" `{word}`"));
    let aliases = ty
        .variants
        .iter()
        .map(|variant| alias::word(&variant.name, &variant.word));
    quote! {
        #[doc = #doc]
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::hash::Hash,
        )]
        #[non_exhaustive]
        pub enum #name {
            #(#[doc = #docs] #aliases #variants,)*
        }
        impl #name {
            /// The word that is sent.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    #(Self::#variants => #words,)*
                }
            }
        }
        impl ::std::convert::From<#name> for &'static str {
            fn from(word: #name) -> Self {
                word.word()
            }
        }
        impl #rt::ToArg for #name {
            fn write_arg(
                &self,
                out: &mut #rt::ArgWriter<'_>,
            ) -> ::std::result::Result<(), #rt::ArgError> {
                out.text(self.word());
                ::std::result::Result::Ok(())
            }
        }
        impl #rt::ToArgs for #name {
            fn write_args(&self, out: &mut #rt::Args) {
                out.item(self);
            }
        }
    }
}
