//! The item as a typed view: its shape, its fields, and their names on the server.

use proc_macro2::Span;
use syn::{Generics, Ident, Path, Type};

/// The item that the derive is on.
pub(super) struct Item<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    pub(super) shape: Shape<'a>,
}

pub(super) enum Shape<'a> {
    /// A struct with named fields: a map.
    Map(Vec<Field<'a>>),
    /// A struct with named fields and `array`: an array with the values, in the order of the fields.
    Row(Vec<Field<'a>>),
    /// A tuple struct with several fields: an array.
    Array(Vec<&'a Type>),
    /// A tuple struct with one field: like this field.
    Newtype(&'a Type),
    /// An enum of unit variants: a word.
    Word(Vec<Variant<'a>>),
}

/// A named field.
pub(super) struct Field<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
    /// Its name on the server.
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) source: Source,
    /// Its value if the reply does not have it.
    pub(super) default: Option<Default>,
}

/// Where the value of a field comes from and how it is sent.
pub(super) enum Source {
    /// Its own value.
    Plain,
    /// Its own value, which is JSON.
    Json,
    /// Its own value, by the functions of a module.
    With(Path),
    /// The fields of the same reply.
    Flatten,
    /// The field is neither decoded nor sent.
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

impl<'a> Field<'a> {
    /// Whether the field has a name on the server.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.source, Source::Plain | Source::Json | Source::With(_))
    }

    /// The type inside an `Option`, recognised by its name. Only for JSON and functions, where no trait can
    /// tell.
    pub(super) fn option(&self) -> Option<&'a Type> {
        let Type::Path(path) = bare(self.ty) else {
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

/// The type without parentheses and without the group that a `$t:ty` of a `macro_rules!` is in.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}
