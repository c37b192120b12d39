//! Which attributes are allowed where: one function for each place.

use proc_macro2::Span;
use syn::Type;
use syn::spanned::Spanned;

use super::Errors;
use super::ast::Shape;
use super::attr::Attrs;

/// The most fields that a tuple struct may have: as many as the longest tuple that can be decoded.
const WIDEST: usize = 12;

/// The attributes of the item itself, and names that are given twice.
pub(super) fn item(shape: &Shape<'_>, attrs: &Attrs, errors: &mut Errors) {
    let named = matches!(shape, Shape::Map(_) | Shape::Word(_));
    for (word, span) in attrs.spans() {
        match word {
            "array" => array(shape, span, errors),
            "crate" => {}
            "rename_all" if named => {}
            "rename_all" if matches!(shape, Shape::Row(_)) => {
                errors.at(
                    span,
                    "`rename_all` means nothing together with `array`: elements have no names",
                );
            }
            "rename_all" => errors.at(span, "`rename_all` needs fields or variants with names"),
            _ => errors.at(
                span,
                format!("`{word}` belongs to a field or variant, not to the type"),
            ),
        }
    }
    match shape {
        Shape::Map(fields) => {
            let named = fields.iter().filter(|field| field.is_named());
            unique(
                "fields",
                named.map(|field| (field.name.as_str(), field.span)),
                errors,
            );
        }
        Shape::Word(variants) => {
            unique(
                "variants",
                variants
                    .iter()
                    .map(|variant| (variant.name.as_str(), variant.span)),
                errors,
            );
        }
        Shape::Row(_) | Shape::Array(_) | Shape::Newtype(_) => {}
    }
}

/// `array` on the item.
fn array(shape: &Shape<'_>, span: Span, errors: &mut Errors) {
    match shape {
        Shape::Row(_) | Shape::Map(_) => {}
        Shape::Array(_) => errors.at(
            span,
            "`array` is for fields with names; a tuple struct is an array anyway",
        ),
        Shape::Newtype(_) => errors.at(
            span,
            "`array` is for fields with names; a newtype is what its field is",
        ),
        Shape::Word(_) => errors.at(span, "`array` is for a struct; an enum is a word"),
    }
}

/// The attributes of a field that is an element of an array.
pub(super) fn element(attrs: &Attrs, errors: &mut Errors) {
    for (word, span) in attrs.spans() {
        if matches!(word, "rename" | "flatten") {
            errors.at(
                span,
                format!("`{word}` means nothing in an array, whose elements have no names"),
            );
        }
    }
}

/// The attributes of a field of a struct.
pub(super) fn named_field(attrs: &Attrs, errors: &mut Errors) {
    let spans = attrs.spans();
    let said = |word: &str| spans.iter().any(|(other, _)| *other == word);
    for (word, span) in &spans {
        let conflict = match *word {
            "rename_all" => {
                errors.at(
                    *span,
                    "`rename_all` belongs to the type; `rename` names one field",
                );
                continue;
            }
            "array" | "crate" => {
                errors.at(*span, format!("`{word}` belongs to the type"));
                continue;
            }
            "rename" | "json" | "with" if said("skip") => "skip",
            "rename" | "json" | "with" | "default" if said("flatten") => "flatten",
            "flatten" if said("skip") => "skip",
            "with" if said("json") => "json",
            _ => continue,
        };
        errors.at(
            *span,
            format!("`{word}` means nothing together with `{conflict}`"),
        );
    }
}

/// The attributes of a field of a tuple struct.
pub(super) fn unnamed_field(attrs: &Attrs, errors: &mut Errors) {
    for (word, span) in attrs.spans() {
        let text = match owner(word) {
            "a field" => "needs a field with a name; this one is known by its position",
            _ => "belongs to the type",
        };
        errors.at(span, format!("`{word}` {text}"));
    }
}

/// The attributes of a variant.
pub(super) fn variant(attrs: &Attrs, errors: &mut Errors) {
    for (word, span) in attrs.spans() {
        if word != "rename" {
            errors.at(
                span,
                format!(
                    "`{word}` belongs to {}; a variant has `rename`",
                    owner(word)
                ),
            );
        }
    }
}

/// The number of fields of a tuple struct.
pub(super) fn width(types: &[&Type], errors: &mut Errors) {
    if let Some(first_too_many) = types.get(WIDEST) {
        errors.at(
            first_too_many.span(),
            format!("a tuple struct may have up to {WIDEST} fields; more deserve names"),
        );
    }
}

fn owner(word: &str) -> &'static str {
    if matches!(word, "rename_all" | "array" | "crate") {
        "the type"
    } else {
        "a field"
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = (&'a str, Span)>, errors: &mut Errors) {
    let mut known = std::collections::BTreeSet::new();
    for (name, span) in names {
        if !known.insert(name) {
            errors.at(
                span,
                format!("two {what} are called `{name}` on the server"),
            );
        }
    }
}
