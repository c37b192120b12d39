//! The item as a typed view: its shape, its fields, and their names on the server.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Ident, Path, Type};

use super::Errors;
use super::attr::Attrs;
use super::case::Case;
use super::valid;

/// What is derived for.
pub(super) struct Item<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    pub(super) shape: Shape<'a>,
}

pub(super) enum Shape<'a> {
    /// A struct with named fields: a map.
    Map(Vec<Field<'a>>),
    /// A tuple struct with several fields: an array.
    Array(Vec<&'a Type>),
    /// A tuple struct with one field: as that is.
    Newtype(&'a Type),
    /// An enum of unit variants: a word.
    Word(Vec<Variant<'a>>),
}

/// A named field.
pub(super) struct Field<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
    /// On the server.
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) source: Source,
    /// What it is where the reply does not have it.
    pub(super) default: Option<Default>,
}

/// Where a field comes from and goes to.
pub(super) enum Source {
    /// Its own value.
    Plain,
    /// Its own value, which is JSON.
    Json,
    /// Its own value, by the functions of a module.
    With(Path),
    /// The fields of the same reply.
    Flatten,
    /// Nowhere.
    Skip,
}

pub(super) enum Default {
    /// `Default::default()`
    Trait,
    /// A function.
    Path(Path),
}

pub(super) struct Variant<'a> {
    pub(super) ident: &'a Ident,
    pub(super) name: String,
    pub(super) span: Span,
}

impl<'a> Item<'a> {
    /// Reads and checks an item; all that is wrong with it is one error.
    pub(super) fn parse(input: &'a DeriveInput) -> syn::Result<Self> {
        let mut errors = Errors::default();
        let attrs = Attrs::parse(&input.attrs, &mut errors);
        let shape = Self::shape(input, &attrs, &mut errors);
        if let Some(shape) = &shape {
            valid::item(shape, &attrs, &mut errors);
        }
        let (ident, generics) = (&input.ident, &input.generics);
        let item = shape.map(|shape| Self {
            ident,
            generics,
            shape,
        });
        // Without a shape there is an error.
        errors
            .into_result(item)?
            .ok_or_else(|| syn::Error::new_spanned(ident, "nothing can be derived for this"))
    }

    fn shape(input: &'a DeriveInput, attrs: &Attrs, errors: &mut Errors) -> Option<Shape<'a>> {
        let case = attrs.rename_all.as_ref().map(|said| said.value);
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) if !fields.named.is_empty() => {
                    let fields = fields
                        .named
                        .iter()
                        .filter_map(|field| Field::parse(field, case, errors));
                    Some(Shape::Map(fields.collect()))
                }
                Fields::Unnamed(fields) if !fields.unnamed.is_empty() => {
                    for field in &fields.unnamed {
                        valid::unnamed_field(&Attrs::parse(&field.attrs, errors), errors);
                    }
                    let mut types: Vec<&Type> =
                        fields.unnamed.iter().map(|field| &field.ty).collect();
                    valid::width(&types, errors);
                    Some(match types.as_slice() {
                        [_] => Shape::Newtype(types.remove(0)),
                        _ => Shape::Array(types),
                    })
                }
                _ => {
                    errors.at(
                        input.ident.span(),
                        "a struct without fields has nothing to decode or to send",
                    );
                    None
                }
            },
            Data::Enum(data) => {
                let variants: Vec<_> = data
                    .variants
                    .iter()
                    .filter_map(|variant| Variant::parse(variant, case, errors))
                    .collect();
                if data.variants.is_empty() {
                    errors.at(
                        input.ident.span(),
                        "an enum without variants has nothing to decode or to send",
                    );
                }
                Some(Shape::Word(variants))
            }
            Data::Union(data) => {
                errors.at(
                    data.union_token.span,
                    "unions can be neither decoded nor sent",
                );
                None
            }
        }
    }
}

impl<'a> Field<'a> {
    fn parse(field: &'a syn::Field, case: Option<Case>, errors: &mut Errors) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let attrs = Attrs::parse(&field.attrs, errors);
        valid::named_field(&attrs, errors);
        let name = name(ident, &attrs, case);
        let default = attrs
            .default
            .map(|said| said.value.map_or(Default::Trait, Default::Path));
        let source = match (attrs.skip, attrs.flatten, attrs.json, attrs.with) {
            (Some(_), ..) => Source::Skip,
            (_, Some(_), ..) => Source::Flatten,
            (_, _, Some(_), _) => Source::Json,
            (.., Some(said)) => Source::With(said.value),
            _ => Source::Plain,
        };
        Some(Self {
            ident,
            ty: &field.ty,
            name,
            span: ident.span(),
            source,
            default,
        })
    }

    /// Whether the field has a name of its own on the server.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.source, Source::Plain | Source::Json | Source::With(_))
    }

    /// What is in an `Option`, judged by its name; only for JSON and functions, of which no trait can tell.
    pub(super) fn option(&self) -> Option<&'a Type> {
        let Type::Path(path) = self.ty else {
            return None;
        };
        let last = path
            .path
            .segments
            .last()
            .filter(|last| last.ident == "Option")?;
        match &last.arguments {
            syn::PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
                Some(syn::GenericArgument::Type(inner)) => Some(inner),
                _ => None,
            },
            _ => None,
        }
    }
}

impl<'a> Variant<'a> {
    fn parse(variant: &'a syn::Variant, case: Option<Case>, errors: &mut Errors) -> Option<Self> {
        let attrs = Attrs::parse(&variant.attrs, errors);
        valid::variant(&attrs, errors);
        if !matches!(variant.fields, Fields::Unit) {
            errors.at(
                variant.fields.span(),
                "a variant with fields has no form on the server; it is a word",
            );
            return None;
        }
        let ident = &variant.ident;
        Some(Self {
            ident,
            name: name(ident, &attrs, case),
            span: ident.span(),
        })
    }
}

fn name(ident: &Ident, attrs: &Attrs, case: Option<Case>) -> String {
    let own = ident.unraw().to_string();
    match (&attrs.rename, case) {
        (Some(said), _) => said.value.clone(),
        (None, Some(case)) => case.spell(&own),
        (None, None) => own,
    }
}
