//! From the syntax of an item to its typed view.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Ident, Type};

use super::Errors;
use super::ast::{Default, Field, Item, Shape, Source, Variant};
use super::attr::Attrs;
use super::case::Case;
use super::valid;

impl<'a> Item<'a> {
    /// Reads and checks an item; all its faults become one error.
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
        // If there is no shape, there is an error.
        errors
            .into_result(item)?
            .ok_or_else(|| syn::Error::new_spanned(ident, "nothing can be derived for this"))
    }

    fn shape(input: &'a DeriveInput, attrs: &Attrs, errors: &mut Errors) -> Option<Shape<'a>> {
        let case = attrs.rename_all.as_ref().map(|said| said.value);
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) if !fields.named.is_empty() => {
                    let in_array = attrs.array.is_some();
                    let fields = fields
                        .named
                        .iter()
                        .filter_map(|field| Field::parse(field, case, in_array, errors));
                    let fields = fields.collect();
                    Some(if in_array {
                        Shape::Row(fields)
                    } else {
                        Shape::Map(fields)
                    })
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
    fn parse(
        field: &'a syn::Field,
        case: Option<Case>,
        in_array: bool,
        errors: &mut Errors,
    ) -> Option<Self> {
        let ident = field.ident.as_ref()?;
        let attrs = Attrs::parse(&field.attrs, errors);
        valid::named_field(&attrs, errors);
        if in_array {
            valid::element(&attrs, errors);
        }
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
