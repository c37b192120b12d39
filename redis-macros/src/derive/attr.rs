//! The words of `#[redis(..)]`. They are read without regard to their place; `valid` checks that later.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Path, Token};

use super::Errors;
use super::case::Case;
use crate::nearest::suggestion;

/// A word of the attribute with its place.
#[derive(Clone)]
pub(super) struct Said<T> {
    pub(super) span: Span,
    pub(super) value: T,
}

/// All words that the attribute can have.
#[derive(Default)]
pub(super) struct Attrs {
    pub(super) rename: Option<Said<String>>,
    pub(super) rename_all: Option<Said<Case>>,
    /// A function to call, or `Default::default`.
    pub(super) default: Option<Said<Option<Path>>>,
    pub(super) skip: Option<Said<()>>,
    pub(super) flatten: Option<Said<()>>,
    pub(super) json: Option<Said<()>>,
    pub(super) with: Option<Said<Path>>,
    pub(super) array: Option<Said<()>>,
    /// Where the facade is.
    pub(super) facade: Option<Said<Path>>,
}

const WORDS: [&str; 9] = [
    "rename",
    "rename_all",
    "default",
    "skip",
    "flatten",
    "json",
    "with",
    "array",
    "crate",
];

impl Attrs {
    /// Reads all `#[redis(..)]` among the attributes.
    pub(super) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut said = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("redis")) {
            let read = attr.parse_nested_meta(|meta| said.word(&meta, errors));
            if let Err(error) = read {
                errors.push(error);
            }
        }
        said
    }

    /// The words that were given, with their places.
    pub(super) fn spans(&self) -> Vec<(&'static str, Span)> {
        let spans = [
            self.rename.as_ref().map(|said| said.span),
            self.rename_all.as_ref().map(|said| said.span),
            self.default.as_ref().map(|said| said.span),
            self.skip.as_ref().map(|said| said.span),
            self.flatten.as_ref().map(|said| said.span),
            self.json.as_ref().map(|said| said.span),
            self.with.as_ref().map(|said| said.span),
            self.array.as_ref().map(|said| said.span),
            self.facade.as_ref().map(|said| said.span),
        ];
        WORDS
            .into_iter()
            .zip(spans)
            .filter_map(|(word, span)| Some((word, span?)))
            .collect()
    }

    fn word(&mut self, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<()> {
        let span = meta.path.span();
        let word = meta
            .path
            .get_ident()
            .map(ToString::to_string)
            .unwrap_or_default();
        match word.as_str() {
            "rename" => set(&mut self.rename, span, text(meta)?.value(), errors),
            "rename_all" => {
                let style = text(meta)?;
                match Case::parse(&style.value()) {
                    Ok(case) => set(&mut self.rename_all, span, case, errors),
                    Err(problem) => errors.at(style.span(), problem),
                }
            }
            "default" if meta.input.peek(Token![=]) => {
                set(&mut self.default, span, Some(path(meta)?), errors)
            }
            "default" => set(&mut self.default, span, None, errors),
            "skip" => set(&mut self.skip, span, (), errors),
            "flatten" => set(&mut self.flatten, span, (), errors),
            "json" => set(&mut self.json, span, (), errors),
            "with" => set(&mut self.with, span, path(meta)?, errors),
            "array" => set(&mut self.array, span, (), errors),
            "crate" => set(&mut self.facade, span, path(meta)?, errors),
            _ => {
                errors.at(
                    span,
                    format!(
                        "there is no attribute `{word}`; {}",
                        suggestion(&word, WORDS)
                    ),
                );
                pass_value(meta)?;
            }
        }
        Ok(())
    }
}

fn set<T>(place: &mut Option<Said<T>>, span: Span, value: T, errors: &mut Errors) {
    if place.is_some() {
        errors.at(span, "this is said twice");
    }
    *place = Some(Said { span, value });
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

fn path(meta: &ParseNestedMeta<'_>) -> syn::Result<Path> {
    text(meta)?.parse()
}

/// Skips the value of an unknown word, so that the words after it are read.
fn pass_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.input.parse::<proc_macro2::Group>()?;
    }
    Ok(())
}
