//! The expansion of `#[derive(FromRedis)]`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Generics, Ident, Index, Type};

use super::ast::{Default, Field, Item, Shape, Source, Variant};
use super::bounds;

/// The implementation for a checked item.
pub(super) fn expand(item: &Item<'_>) -> TokenStream {
    let mut generics = item.generics.clone();
    let body = match &item.shape {
        Shape::Map(fields) => {
            require_of_fields(&mut generics, fields);
            let (decoder, names) = (by_fields(fields, fill), names(fields));
            quote!(#decoder #names)
        }
        Shape::Row(fields) => {
            require_of_fields(&mut generics, fields);
            let (one, all) = (by_fields(fields, take), all_rows(fields));
            quote!(#one #all)
        }
        Shape::Array(types) => {
            bounds::require(
                &mut generics,
                types.iter().copied(),
                &quote!(__rt::FromRedis),
            );
            array(types)
        }
        Shape::Newtype(inner) => {
            bounds::require(&mut generics, [*inner], &quote!(__rt::FromRedis));
            newtype(inner)
        }
        Shape::Word(variants) => word(variants),
    };
    implementation(item.ident, &generics, &body)
}

/// The implementation that is written after errors.
pub(super) fn fallback(input: &DeriveInput) -> TokenStream {
    let body = decoder(&quote!(::core::unreachable!()));
    implementation(&input.ident, &input.generics, &body)
}

fn implementation(ident: &Ident, generics: &Generics, body: &TokenStream) -> TokenStream {
    let (params, arguments, clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params __rt::FromRedis for #ident #arguments #clause {
            #body
        }
    }
}

fn decoder(body: &TokenStream) -> TokenStream {
    let reply = reply();
    quote! {
        fn from_redis(
            #reply: __rt::Reply<'_>,
        ) -> ::core::result::Result<Self, __rt::DecodeError> {
            #body
        }
    }
}

fn require_of_fields(generics: &mut Generics, fields: &[Field<'_>]) {
    let of = |plain: bool| {
        fields.iter().filter(move |field| match field.source {
            Source::Plain | Source::Flatten => plain,
            Source::Json => !plain,
            Source::With(_) | Source::Skip => false,
        })
    };
    bounds::require(
        generics,
        of(true).map(|field| field.ty),
        &quote!(__rt::FromRedis),
    );
    bounds::require(
        generics,
        of(false).map(|field| field.ty),
        &quote!(__rt::derived::DeserializeOwned),
    );
}

/// A struct with named fields, whose slots `fill` fills.
///
/// All fields wait in one tuple of `Option`s until the last of them is there, and leave it in one step that cannot
/// fail. So each early return drops the same value, with one drop function. With a variable for each field, the code
/// that drops them would grow with the square of their number.
fn by_fields(
    fields: &[Field<'_>],
    fill: impl FnOnce(&[Field<'_>], &Ident) -> TokenStream,
) -> TokenStream {
    let slots = local("slots");
    let nones = fields.iter().map(|_| quote!(::core::option::Option::None));
    let fill = fill(fields, &slots);
    let settle = fields.iter().enumerate().map(|(index, field)| {
        let slot = Index::from(index);
        settle(field, &quote!(#slots.#slot))
    });
    let idents = fields.iter().map(|field| field.ident);
    let values: Vec<Ident> = (0..fields.len())
        .map(|index| local(&format!("value{index}")))
        .collect();
    let decoder = decoder(&quote! {
        let mut #slots = (#(#nones,)*);
        #fill
        #(#settle)*
        match #slots {
            (#(::core::option::Option::Some(#values),)*) => {
                ::core::result::Result::Ok(Self { #(#idents: #values,)* })
            }
            _ => ::core::result::Result::Err(__rt::derived::unsettled()),
        }
    });
    quote! {
        #decoder

        fn from_option(
            reply: __rt::Reply<'_>,
        ) -> ::core::result::Result<::core::option::Option<Self>, __rt::DecodeError> {
            __rt::derived::unless_empty(reply)
        }
    }
}

/// The names by which the fields are found among those of other types.
fn names(fields: &[Field<'_>]) -> TokenStream {
    let own = fields.iter().filter(|field| field.is_named());
    let own = own.map(|field| &field.name);
    let flattened = fields
        .iter()
        .filter(|field| matches!(field.source, Source::Flatten))
        .map(|field| field.ty);
    quote! {
        const NAMES: __rt::derived::Names = __rt::derived::Names::Of {
            own: &[#(#own),*],
            flattened: &[#(<#flattened as __rt::FromRedis>::NAMES),*],
        };
    }
}

/// Goes through the pairs and decodes the values of known names.
fn fill(fields: &[Field<'_>], slots: &Ident) -> TokenStream {
    let reply = reply();
    let mut arms = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.is_named())
        .map(|(index, field)| {
            let (key, slot) = (
                Literal::byte_string(field.name.as_bytes()),
                Index::from(index),
            );
            let decode = decode(field);
            quote!(#key => __rt::derived::fill(&mut #slots.#slot, value, #decode),)
        })
        .peekable();
    if arms.peek().is_none() {
        return quote!(let _ = &#reply;);
    }
    quote! {
        for pair in __rt::derived::Fields::new(&#reply)? {
            let (key, value) = pair?;
            let name = __rt::derived::name(&key);
            let filled = match name {
                #(#arms)*
                _ => ::core::result::Result::Ok(()),
            };
            __rt::derived::at(name, filled)?;
        }
    }
}

/// Takes the elements of an array one after another.
fn take(fields: &[Field<'_>], slots: &Ident) -> TokenStream {
    let (elements, reply) = (local("elements"), reply());
    let steps = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.is_named())
        .map(|(index, field)| {
            let (name, slot, decode) = (&field.name, Index::from(index), decode(field));
            quote! {
                __rt::derived::element(&mut #elements, &mut #slots.#slot, #name, #decode)?;
            }
        });
    quote! {
        let mut #elements = __rt::derived::elements(&#reply)?;
        #(#steps)*
    }
}

/// Decodes a list of structs that are arrays. RESP2 may send all their elements one after another, and they are told apart only if
/// none of them may be missing.
fn all_rows(fields: &[Field<'_>]) -> TokenStream {
    let named: Vec<&Field<'_>> = fields.iter().filter(|field| field.is_named()).collect();
    if named.is_empty() || named.iter().any(|field| may_be_missing(field)) {
        return TokenStream::new();
    }
    let width = Literal::usize_unsuffixed(named.len());
    // Of other types only the trait can tell.
    let plain = named
        .iter()
        .filter(|field| matches!(field.source, Source::Plain));
    let absent = plain.map(|field| {
        let ty = field.ty;
        quote!(::core::option::Option::is_none(&<#ty as __rt::FromRedis>::absent()))
    });
    let is_exact = absent.reduce(|all, one| quote!(#all && #one));
    let is_exact = is_exact.unwrap_or_else(|| quote!(true));
    quote! {
        fn decode_all(
            reply: &__rt::Reply<'_>,
            put: &mut impl ::core::ops::FnMut(Self) -> ::core::result::Result<(), __rt::DecodeError>,
        ) -> ::core::result::Result<(), __rt::DecodeError> {
            __rt::derived::rows(reply, #width, #is_exact, put)
        }
    }
}

/// Whether the value of a field may be missing, as far as its name and attributes tell.
fn may_be_missing(field: &Field<'_>) -> bool {
    field.default.is_some() || field.option().is_some()
}

/// A variable name that cannot clash with the user's names.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The reply that is decoded; a function of the user may have the same name.
fn reply() -> Ident {
    local("reply")
}

/// The function that decodes a field.
fn decode(field: &Field<'_>) -> TokenStream {
    let (ty, decode) = match (&field.source, field.option()) {
        (Source::Json, Some(inner)) => (inner, quote!(__rt::derived::json)),
        (Source::Json, None) => (field.ty, quote!(__rt::derived::json)),
        (Source::With(module), Some(inner)) => (inner, quote!(#module::from_redis)),
        (Source::With(module), None) => return quote!(#module::from_redis),
        _ => {
            let ty = field.ty;
            return quote_spanned!(ty.span()=> <#ty as __rt::FromRedis>::from_redis);
        }
    };
    match (&field.source, field.option().is_some()) {
        (Source::Json, false) => quote!(#decode::<#ty>),
        (Source::Json, true) => {
            quote!(|reply| __rt::derived::present(reply, #decode::<#ty>))
        }
        _ => quote!(|reply| __rt::derived::present(reply, #decode)),
    }
}

/// Fills the slot of a field that the pairs did not fill.
fn settle(field: &Field<'_>, slot: &TokenStream) -> TokenStream {
    let (ty, name, reply) = (field.ty, &field.name, reply());
    let some = quote!(::core::option::Option::Some);
    let default = match &field.default {
        Some(Default::Path(path)) => quote!(#path),
        Some(Default::Trait) | None => quote!(<#ty as ::core::default::Default>::default),
    };
    match &field.source {
        Source::Skip => quote!(#slot = #some(#default());),
        Source::Flatten => quote! {
            #slot = #some(<#ty as __rt::FromRedis>::from_shared(::core::clone::Clone::clone(&#reply))?);
        },
        _ if field.default.is_some() => {
            quote!(__rt::derived::default(&mut #slot, #default);)
        }
        Source::Plain => {
            let absent = quote_spanned!(ty.span()=> <#ty as __rt::FromRedis>::absent);
            quote!(__rt::derived::settle(&mut #slot, #name, #absent)?;)
        }
        _ if field.option().is_some() => {
            quote!(__rt::derived::default(&mut #slot, || ::core::option::Option::None);)
        }
        _ => {
            quote!(__rt::derived::settle(&mut #slot, #name, || ::core::option::Option::None)?;)
        }
    }
}

/// A tuple struct with several fields: as the tuple.
fn array(types: &[&Type]) -> TokenStream {
    let tuple = quote!((#(#types,)*));
    let members: Vec<Ident> = (0..types.len())
        .map(|index| format_ident!("member{index}"))
        .collect();
    as_another(
        &tuple,
        &quote!((#(#members,)*)),
        &quote!(Self(#(#members),*)),
    )
}

/// A tuple struct with one field: like this field.
fn newtype(inner: &Type) -> TokenStream {
    let hooks = as_another(&quote!(#inner), &quote!(inner), &quote!(Self(inner)));
    quote! {
        #hooks

        const NAMES: __rt::derived::Names = <#inner as __rt::FromRedis>::NAMES;

        fn absent() -> ::core::option::Option<Self> {
            ::core::option::Option::map(<#inner as __rt::FromRedis>::absent(), Self)
        }

        fn from_shared(reply: __rt::Reply<'_>) -> ::core::result::Result<Self, __rt::DecodeError> {
            ::core::result::Result::map(<#inner as __rt::FromRedis>::from_shared(reply), Self)
        }

        #[inline]
        fn from_kept_text(
            text: __rt::derived::Bytes,
        ) -> ::core::result::Result<Self, __rt::Error> {
            ::core::result::Result::map(<#inner as __rt::FromRedis>::from_kept_text(text), Self)
        }

        fn option_from_outcome(
            outcome: ::core::result::Result<__rt::FrameRef<'_>, __rt::Error>,
        ) -> ::core::result::Result<::core::option::Option<Self>, __rt::Error> {
            let value = <#inner as __rt::FromRedis>::option_from_outcome(outcome)?;
            ::core::result::Result::Ok(::core::option::Option::map(value, Self))
        }

        fn describe_failure(
            &mut self,
            describe: impl ::core::ops::FnOnce(__rt::Error) -> __rt::Error,
        ) {
            <#inner as __rt::FromRedis>::describe_failure(&mut self.0, describe);
        }
    }
}

/// The whole trait, by means of another type.
fn as_another(other: &TokenStream, pattern: &TokenStream, value: &TokenStream) -> TokenStream {
    let reply = reply();
    let decoder = decoder(&quote! {
        let #pattern = <#other as __rt::FromRedis>::from_redis(#reply)?;
        ::core::result::Result::Ok(#value)
    });
    quote! {
        #decoder

        fn from_option(
            reply: __rt::Reply<'_>,
        ) -> ::core::result::Result<::core::option::Option<Self>, __rt::DecodeError> {
            let value = <#other as __rt::FromRedis>::from_option(reply)?;
            ::core::result::Result::Ok(::core::option::Option::map(value, |#pattern| #value))
        }

        fn decode_all(
            reply: &__rt::Reply<'_>,
            put: &mut impl ::core::ops::FnMut(Self) -> ::core::result::Result<(), __rt::DecodeError>,
        ) -> ::core::result::Result<(), __rt::DecodeError> {
            <#other as __rt::FromRedis>::decode_all(reply, &mut |#pattern| put(#value))
        }

        fn from_outcome(
            outcome: ::core::result::Result<__rt::FrameRef<'_>, __rt::Error>,
        ) -> ::core::result::Result<Self, __rt::Error> {
            let #pattern = <#other as __rt::FromRedis>::from_outcome(outcome)?;
            ::core::result::Result::Ok(#value)
        }
    }
}

/// An enum of unit variants.
fn word(variants: &[Variant<'_>]) -> TokenStream {
    let arms = variants.iter().map(|Variant { ident, name, .. }| {
        let word = Literal::byte_string(name.as_bytes());
        quote!(#word => ::core::result::Result::Ok(Self::#ident),)
    });
    let names = variants.iter().map(|variant| &variant.name);
    let reply = reply();
    decoder(&quote! {
        match __rt::derived::word(&#reply)? {
            #(#arms)*
            _ => ::core::result::Result::Err(__rt::derived::unknown_word(&[#(#names),*])),
        }
    })
}
