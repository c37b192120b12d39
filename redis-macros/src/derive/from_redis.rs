//! The expansion of `#[derive(FromRedis)]`.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Generics, Ident, Type};

use super::ast::{Default, Field, Item, Shape, Source, Variant};
use super::bounds;

/// The implementation for a checked item.
pub(super) fn expand(item: &Item<'_>) -> TokenStream {
    let mut generics = item.generics.clone();
    let body = match &item.shape {
        Shape::Map(fields) => {
            require_of_fields(&mut generics, fields);
            map(fields)
        }
        Shape::Array(types) => {
            bounds::require(
                &mut generics,
                types.iter().copied(),
                &quote!(::typedis::__core::FromRedis),
            );
            array(types)
        }
        Shape::Newtype(inner) => {
            bounds::require(
                &mut generics,
                [*inner],
                &quote!(::typedis::__core::FromRedis),
            );
            newtype(inner)
        }
        Shape::Word(variants) => word(variants),
    };
    implementation(item.ident, &generics, &body)
}

/// An implementation that stands beside errors.
pub(super) fn fallback(input: &DeriveInput) -> TokenStream {
    let body = decoder(&quote!(::core::unreachable!()));
    implementation(&input.ident, &input.generics, &body)
}

fn implementation(ident: &Ident, generics: &Generics, body: &TokenStream) -> TokenStream {
    let (params, arguments, clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params ::typedis::__core::FromRedis for #ident #arguments #clause {
            #body
        }
    }
}

fn decoder(body: &TokenStream) -> TokenStream {
    quote! {
        fn from_redis(
            reply: ::typedis::__core::Reply<'_>,
        ) -> ::core::result::Result<Self, ::typedis::__core::DecodeError> {
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
        &quote!(::typedis::__core::FromRedis),
    );
    bounds::require(
        generics,
        of(false).map(|field| field.ty),
        &quote!(::typedis::__core::derived::DeserializeOwned),
    );
}

/// A struct with named fields.
fn map(fields: &[Field<'_>]) -> TokenStream {
    let named: Vec<(&Field<'_>, Ident)> = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.is_named())
        .map(|(index, field)| (field, slot(index)))
        .collect();
    let slots = named.iter().map(|(_, slot)| slot);
    let fill = fill(&named);
    let values = fields.iter().enumerate().map(|(index, field)| {
        let (ident, value) = (field.ident, value(field, &slot(index)));
        quote!(#ident: #value)
    });
    let decoder = decoder(&quote! {
        #(let mut #slots = ::typedis::__core::derived::Slot::new();)*
        #fill
        ::core::result::Result::Ok(Self { #(#values,)* })
    });
    quote! {
        #decoder

        fn from_option(
            reply: ::typedis::__core::Reply<'_>,
        ) -> ::core::result::Result<::core::option::Option<Self>, ::typedis::__core::DecodeError> {
            ::typedis::__core::derived::unless_empty(reply)
        }
    }
}

/// Goes through the pairs and decodes the values of known names.
fn fill(named: &[(&Field<'_>, Ident)]) -> TokenStream {
    if named.is_empty() {
        return quote!(let _ = &reply;);
    }
    let arms = named.iter().map(|(field, slot)| {
        let (key, name) = (Literal::byte_string(field.name.as_bytes()), &field.name);
        let decode = decode(field);
        quote!(#key => #slot.fill(#name, value, #decode)?,)
    });
    quote! {
        for field in ::typedis::__core::derived::Fields::new(&reply)? {
            let (key, value) = field?;
            match ::typedis::__core::derived::name(&key) {
                #(#arms)*
                _ => {}
            }
        }
    }
}

fn slot(index: usize) -> Ident {
    Ident::new(&format!("slot{index}"), Span::mixed_site())
}

/// The function that decodes a field.
fn decode(field: &Field<'_>) -> TokenStream {
    let (ty, decode) = match (&field.source, field.option()) {
        (Source::Json, Some(inner)) => (inner, quote!(::typedis::__core::derived::json)),
        (Source::Json, None) => (field.ty, quote!(::typedis::__core::derived::json)),
        (Source::With(module), Some(inner)) => (inner, quote!(#module::from_redis)),
        (Source::With(module), None) => return quote!(#module::from_redis),
        _ => {
            let ty = field.ty;
            return quote_spanned!(ty.span()=> <#ty as ::typedis::__core::FromRedis>::from_redis);
        }
    };
    match (&field.source, field.option().is_some()) {
        (Source::Json, false) => quote!(#decode::<#ty>),
        (Source::Json, true) => {
            quote!(|reply| ::typedis::__core::derived::present(reply, #decode::<#ty>))
        }
        _ => quote!(|reply| ::typedis::__core::derived::present(reply, #decode)),
    }
}

/// What a field is in the end.
fn value(field: &Field<'_>, slot: &Ident) -> TokenStream {
    let (ty, name) = (field.ty, &field.name);
    let default = match &field.default {
        Some(Default::Path(path)) => quote!(#path),
        Some(Default::Trait) | None => quote!(<#ty as ::core::default::Default>::default),
    };
    match &field.source {
        Source::Skip => quote!(#default()),
        Source::Flatten => {
            quote!(<#ty as ::typedis::__core::FromRedis>::from_redis(::core::clone::Clone::clone(&reply))?)
        }
        _ if field.default.is_some() => quote!(#slot.or_else(#default)),
        Source::Plain => {
            let absent = quote_spanned!(ty.span()=> <#ty as ::typedis::__core::FromRedis>::absent);
            quote!(#slot.or_absent(#name, #absent)?)
        }
        _ if field.option().is_some() => quote!(#slot.or_else(|| ::core::option::Option::None)),
        _ => quote!(#slot.or_missing(#name)?),
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

/// A tuple struct with one field: as that is.
fn newtype(inner: &Type) -> TokenStream {
    let hooks = as_another(&quote!(#inner), &quote!(inner), &quote!(Self(inner)));
    quote! {
        #hooks

        fn absent() -> ::core::option::Option<Self> {
            ::core::option::Option::map(<#inner as ::typedis::__core::FromRedis>::absent(), Self)
        }
    }
}

/// All of the trait by way of another type.
fn as_another(other: &TokenStream, pattern: &TokenStream, value: &TokenStream) -> TokenStream {
    let decoder = decoder(&quote! {
        let #pattern = <#other as ::typedis::__core::FromRedis>::from_redis(reply)?;
        ::core::result::Result::Ok(#value)
    });
    quote! {
        #decoder

        fn from_option(
            reply: ::typedis::__core::Reply<'_>,
        ) -> ::core::result::Result<::core::option::Option<Self>, ::typedis::__core::DecodeError> {
            let value = <#other as ::typedis::__core::FromRedis>::from_option(reply)?;
            ::core::result::Result::Ok(::core::option::Option::map(value, |#pattern| #value))
        }

        fn decode_all(
            reply: &::typedis::__core::Reply<'_>,
            put: &mut impl ::core::ops::FnMut(Self) -> ::core::result::Result<(), ::typedis::__core::DecodeError>,
        ) -> ::core::result::Result<(), ::typedis::__core::DecodeError> {
            <#other as ::typedis::__core::FromRedis>::decode_all(reply, &mut |#pattern| put(#value))
        }

        fn from_outcome(
            outcome: ::core::result::Result<::typedis::__core::FrameRef<'_>, ::typedis::__core::Error>,
        ) -> ::core::result::Result<Self, ::typedis::__core::Error> {
            let #pattern = <#other as ::typedis::__core::FromRedis>::from_outcome(outcome)?;
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
    decoder(&quote! {
        match ::typedis::__core::derived::word(&reply)? {
            #(#arms)*
            _ => ::core::result::Result::Err(::typedis::__core::derived::unknown_word(&[#(#names),*])),
        }
    })
}
