//! The expansion of `#[derive(ToRedis)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Generics, Ident, Index, Type, WherePredicate, parse_quote};

use super::ast::{Field, Item, Shape, Source, Variant};
use super::bounds;

/// The implementations for a checked item.
pub(super) fn expand(item: &Item<'_>) -> TokenStream {
    let ident = item.ident;
    let mut generics = item.generics.clone();
    match &item.shape {
        Shape::Map(fields) => {
            require_of_fields(&mut generics, fields);
            let body = fields.iter().map(field);
            records(ident, &generics, flattened(fields), &quote!(#(#body)*))
        }
        Shape::Row(_) => refused(item),
        Shape::Array(types) => {
            bounds::require(&mut generics, types.iter().copied(), &quote!(__rt::ToArgs));
            let members = types
                .iter()
                .enumerate()
                .map(|(index, ty)| member(index, ty));
            arguments(ident, &generics, &quote!(#(#members)*))
        }
        Shape::Newtype(inner) => {
            bounds::require(&mut generics, [*inner], &quote!(__rt::ToArg));
            argument(
                ident,
                &generics,
                &quote_spanned!(inner.span()=> __rt::ToArg::write_arg(&self.0, out)),
            )
        }
        Shape::Word(variants) => argument(ident, &generics, &word(variants)),
    }
}

/// Arrays are decoded only.
fn refused(item: &Item<'_>) -> TokenStream {
    let text = "a struct with `array` can be decoded, not sent: what is sent has names, or is a tuple struct";
    let error = syn::Error::new(item.ident.span(), text).into_compile_error();
    let fallback = implementations(item.ident, item.generics);
    quote!(#error #fallback)
}

/// The implementations that are written after errors.
pub(super) fn fallback(input: &DeriveInput) -> TokenStream {
    implementations(&input.ident, &input.generics)
}

fn implementations(ident: &Ident, generics: &Generics) -> TokenStream {
    let body = quote!(::core::unreachable!());
    let records = records(ident, generics, [], &body);
    let argument = argument(ident, generics, &body);
    quote!(#records #argument)
}

fn require_of_fields(generics: &mut Generics, fields: &[Field<'_>]) {
    let of = |json: bool| {
        fields.iter().filter(move |field| match field.source {
            Source::Plain => !json,
            Source::Json => json,
            Source::With(_) | Source::Skip | Source::Flatten => false,
        })
    };
    bounds::require(
        generics,
        of(false).map(|field| field.ty),
        &quote!(__rt::ToArg),
    );
    bounds::require(
        generics,
        of(true).map(|field| field.ty),
        &quote!(__rt::derived::Serialize),
    );
}

/// The types whose fields are sent as those of the item.
fn flattened<'a>(fields: &'a [Field<'a>]) -> impl Iterator<Item = &'a Type> {
    let flattened = |field: &&Field<'_>| matches!(field.source, Source::Flatten);
    fields.iter().filter(flattened).map(|field| field.ty)
}

/// Pairs of a name and a value; the name fits any column.
fn records<'a>(
    ident: &Ident,
    generics: &Generics,
    flattened: impl IntoIterator<Item = &'a Type>,
    body: &TokenStream,
) -> TokenStream {
    let (_, arguments, _) = generics.split_for_impl();
    let mut with_column = generics.clone();
    with_column.params.push(parse_quote!(__Column));
    let generic = flattened
        .into_iter()
        .filter(|ty| bounds::is_generic(generics, ty));
    // Of the type and not of its parameters: what these need of it is not known here.
    let whole = generic.map(|ty| parse_quote!(#ty: __rt::ToRecords<(__Column, __rt::Text)>));
    let predicates = &mut with_column.make_where_clause().predicates;
    predicates.push(parse_quote!(&'static str: __rt::Fits<__Column>));
    predicates.extend::<Vec<WherePredicate>>(whole.collect());
    let (params, _, clause) = with_column.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params __rt::ToRecords<(__Column, __rt::Text)> for #ident #arguments #clause {
            fn write_records(&self, out: &mut __rt::Args) {
                #body
            }
        }
    }
}

fn field(field: &Field<'_>) -> TokenStream {
    let (ident, name, optional) = (field.ident, &field.name, field.option().is_some());
    let write = |value: TokenStream| quote!(__rt::derived::Field::write_field::<__Column>(#value, #name, out););
    match &field.source {
        Source::Skip => TokenStream::new(),
        Source::Flatten => quote_spanned! {field.ty.span()=>
            __rt::ToRecords::<(__Column, __rt::Text)>::write_records(&self.#ident, out);
        },
        Source::Plain => quote_spanned! {field.ty.span()=>
            __rt::derived::Field::write_field::<__Column>(&self.#ident, #name, out);
        },
        Source::Json if optional => write(wrapped(ident, &quote!(__rt::Json))),
        Source::Json => write(quote!(&__rt::Json(&self.#ident))),
        Source::With(module) if optional => write(wrapped(
            ident,
            &quote!(|value| __rt::derived::With(value, #module::to_redis)),
        )),
        Source::With(module) => {
            write(quote!(&__rt::derived::With(&self.#ident, #module::to_redis)))
        }
    }
}

/// The value of an optional field, if there is one, wrapped in the type that sends it.
fn wrapped(ident: &Ident, wrap: &TokenStream) -> TokenStream {
    quote!(&::core::option::Option::map(::core::option::Option::as_ref(&self.#ident), #wrap))
}

/// Several arguments.
fn arguments(ident: &Ident, generics: &Generics, body: &TokenStream) -> TokenStream {
    let (params, arguments, clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params __rt::ToArgs for #ident #arguments #clause {
            fn write_args(&self, out: &mut __rt::Args) {
                #body
            }
        }
    }
}

fn member(index: usize, ty: &Type) -> TokenStream {
    // It has the span of the type, so that an error points there.
    let index = Index {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        span: ty.span(),
    };
    quote_spanned!(ty.span()=> __rt::ToArgs::write_args(&self.#index, out);)
}

/// One argument, which is also a list of one.
fn argument(ident: &Ident, generics: &Generics, body: &TokenStream) -> TokenStream {
    let (params, arguments, clause) = generics.split_for_impl();
    let list = self::arguments(ident, generics, &quote!(__rt::Args::item(out, self);));
    quote! {
        #[automatically_derived]
        impl #params __rt::ToArg for #ident #arguments #clause {
            fn write_arg(
                &self,
                out: &mut __rt::ArgWriter<'_>,
            ) -> ::core::result::Result<(), __rt::ArgError> {
                #body
            }
        }

        #list
    }
}

fn word(variants: &[Variant<'_>]) -> TokenStream {
    let arms = variants
        .iter()
        .map(|Variant { ident, name, .. }| quote!(Self::#ident => #name,));
    quote! {
        __rt::ArgWriter::text(out, match self { #(#arms)* });
        ::core::result::Result::Ok(())
    }
}
