//! `commands!`: from the macro's input to its expansion, by way of every step.

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token, Visibility};

use crate::expand;
use crate::model::{self, Model};
use crate::problems::Problems;
use crate::spec::{self, Spec};

mod keyword {
    syn::custom_keyword!(from);
}

/// `from "commands.toml"`, or `pub trait ShopCommands from "shop.toml"`.
pub(crate) struct Input {
    target: Option<(Visibility, Ident)>,
    path: LitStr,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let target = if input.peek(keyword::from) {
            None
        } else {
            let vis = input.parse()?;
            input.parse::<Token![trait]>()?;
            Some((vis, input.parse()?))
        };
        input.parse::<keyword::from>()?;
        let path = input.parse()?;
        input.parse::<Option<Token![;]>>()?;
        Ok(Self { target, path })
    }
}

/// A spec that was read and found sound.
pub(crate) struct Loaded {
    pub(crate) spec: Spec,
    pub(crate) model: Model,
    path: PathBuf,
}

/// Expands `commands!`.
pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let loaded = load(&input.path)?;
    let rebuild = loaded.rebuild();
    let expansion = match &input.target {
        None => expand::groups(&loaded.model),
        Some((vis, name)) => expand::one_trait(&loaded.model, vis, name),
    };
    Ok(quote!(#rebuild #expansion))
}

/// Reads the file that a macro names, relative to the package's folder.
pub(crate) fn load(literal: &LitStr) -> syn::Result<Loaded> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let path = Path::new(&root).join(literal.value());
    let source = std::fs::read_to_string(&path).map_err(|error| {
        let text = format!(
            "cannot read {}: {error}; expected a file, named from the folder of Cargo.toml",
            path.display()
        );
        syn::Error::new(literal.span(), text)
    })?;
    let (spec, model) =
        check(&source, &literal.value()).map_err(|messages| combined(literal.span(), messages))?;
    Ok(Loaded { spec, model, path })
}

/// Takes a file's text through all checks.
pub(crate) fn check(source: &str, file: &str) -> Result<(Spec, Model), Vec<String>> {
    let problems = Problems::default();
    let spec = spec::read(source, &problems);
    let model = model::build(&spec, &problems);
    if problems.is_empty() {
        Ok((spec, model))
    } else {
        Err(problems.into_messages(file))
    }
}

impl Loaded {
    /// Makes the compiler read the file, so that a change to it builds anew.
    pub(crate) fn rebuild(&self) -> TokenStream {
        let path = self.path.to_string_lossy();
        quote!(
            const _: &[u8] = ::core::include_bytes!(#path);
        )
    }
}

fn combined(span: Span, messages: Vec<String>) -> syn::Error {
    let errors = messages
        .into_iter()
        .map(|message| syn::Error::new(span, message));
    let all = errors.reduce(|mut all, error| {
        all.combine(error);
        all
    });
    all.unwrap_or_else(|| syn::Error::new(span, "the spec cannot be used"))
}
