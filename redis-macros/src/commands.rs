//! `commands!`: from the macro's input to its expansion, through all steps.

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token, Visibility};

use crate::expand::{self, Facade};
use crate::model::{self, Call, Model};
use crate::places::Places;
use crate::problems::Problems;
use crate::spec::{self, Spec};

mod keyword {
    syn::custom_keyword!(from);
}

/// `from "commands.toml"`, or `pub trait ShopCommands from "shop.toml"`; either may be followed by a list of its commands, and may stand
/// behind `crate = path;`.
pub(crate) struct Input {
    facade: Facade,
    target: Option<(Visibility, Ident)>,
    path: LitStr,
    places: Places,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let facade = facade(input)?;
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
        let places = input.parse()?;
        Ok(Self {
            facade,
            target,
            path,
            places,
        })
    }
}

/// `crate = path;`, if the input begins with it.
fn facade(input: ParseStream<'_>) -> syn::Result<Facade> {
    if !input.peek(Token![crate]) {
        return Ok(Facade::default());
    }
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    let path = input.call(syn::Path::parse_mod_style)?;
    input.parse::<Token![;]>()?;
    Ok(Facade::new(path))
}

impl Input {
    /// The file's path, as the macro's caller writes it.
    pub(crate) fn path(&self) -> &LitStr {
        &self.path
    }
}

/// A spec that was read and has passed all checks.
pub(crate) struct Loaded {
    pub(crate) spec: Spec,
    pub(crate) model: Model,
    /// The file, and the scripts that it names.
    paths: Vec<PathBuf>,
}

/// Expands `commands!`.
pub(crate) fn expand(input: &Input) -> syn::Result<TokenStream> {
    let loaded = load(&input.path)?;
    let (path, facade, places) = (&input.path, &input.facade, &input.places);
    let rebuild = loaded.rebuild();
    // Beside the expansion, because each use of a method would be an error as well.
    let faults = places
        .check(&loaded.model, path)
        .map(syn::Error::into_compile_error);
    let expansion = match &input.target {
        None => expand::groups(&loaded.model, facade, places),
        Some((vis, name)) => {
            refuse_table(input, &loaded.spec)?;
            expand::one_trait(&loaded.model, facade, places, vis, name)
        }
    };
    Ok(quote!(#faults #rebuild #expansion))
}

/// Only a spec with a trait for each group may have the table of refused commands.
fn refuse_table(input: &Input, spec: &Spec) -> syn::Result<()> {
    let Some((name, _)) = spec.refused.first() else {
        return Ok(());
    };
    let text = format!(
        "{}:{}: [refused] has no meaning here; raw commands are looked up in the built-in spec",
        input.path.value(),
        name.line
    );
    Err(syn::Error::new(input.path.span(), text))
}

/// Reads the file that a macro names.
pub(crate) fn load(literal: &LitStr) -> syn::Result<Loaded> {
    let path = locate(literal);
    let source = std::fs::read_to_string(&path).map_err(|error| {
        let text = format!(
            "cannot read `{}`: {error}; expected a file, named from the folder of Cargo.toml or of this source file",
            literal.value()
        );
        syn::Error::new(literal.span(), text)
    })?;
    let (spec, mut model) =
        check(&source, &literal.value()).map_err(|messages| combined(literal.span(), messages))?;
    let scripts = read_scripts(&mut model, &path, &literal.value())
        .map_err(|messages| combined(literal.span(), messages))?;
    Ok(Loaded {
        spec,
        model,
        paths: [vec![path], scripts].concat(),
    })
}

/// The file in the package's folder, or, if it is not there, in the folder of the source file.
fn locate(literal: &LitStr) -> PathBuf {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let path = Path::new(&root).join(literal.value());
    let beside = || {
        // Unit tests run outside of the compiler, where spans know no file.
        let source = proc_macro::is_available().then(|| literal.span().unwrap().local_file())??;
        Some(source.parent()?.join(literal.value())).filter(|path| path.is_file())
    };
    if path.is_file() {
        return path;
    }
    beside()
        .and_then(|path| path.canonicalize().ok())
        .unwrap_or(path)
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

/// Reads the scripts that a spec names, from the folder of the spec; returns their paths.
fn read_scripts(model: &mut Model, spec: &Path, file: &str) -> Result<Vec<PathBuf>, Vec<String>> {
    let problems = Problems::default();
    let mut paths = Vec::new();
    for command in model
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.commands)
    {
        let table = command.table();
        let Call::Script(script) = &mut command.call else {
            continue;
        };
        let path = spec.with_file_name(&script.file.text);
        match std::fs::read_to_string(&path) {
            Ok(source) => script.source = source,
            Err(error) => problems.note(
                script.file.line,
                table,
                format!(
                    "cannot read the script {}: {error}; expected a file, named from the folder of the spec",
                    path.display()
                ),
            ),
        }
        paths.push(path);
    }
    if problems.is_empty() {
        Ok(paths)
    } else {
        Err(problems.into_messages(file))
    }
}

impl Loaded {
    /// Makes the compiler track the file, so that a change to it starts a new build.
    pub(crate) fn rebuild(&self) -> TokenStream {
        let paths = self.paths.iter().map(|path| path.to_string_lossy());
        quote!(#(const _: &[u8] = ::core::include_bytes!(#paths);)*)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn message(input: &str) -> String {
        let input: Input = syn::parse_str(input).unwrap();
        match expand(&input) {
            Ok(_) => panic!("expected an error"),
            Err(error) => error
                .into_iter()
                .map(|error| error.to_string())
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    #[test]
    fn both_forms_are_read() {
        assert!(
            syn::parse_str::<Input>("from \"a.toml\"")
                .unwrap()
                .target
                .is_none()
        );
        let input: Input = syn::parse_str("pub(crate) trait Shop from \"a.toml\";").unwrap();
        let (vis, name) = input.target.unwrap();
        assert_eq!(
            (quote!(#vis #name).to_string(), input.path.value()),
            ("pub (crate) Shop".to_owned(), "a.toml".to_owned())
        );
        for elsewhere in [
            "crate = kv; from \"a.toml\"",
            "crate = self::deps::typedis; pub trait Shop from \"a.toml\"; string: get;",
        ] {
            assert!(syn::parse_str::<Input>(elsewhere).is_ok(), "{elsewhere}");
        }
        for faulty in [
            "crate from \"a.toml\"",
            "crate = kv from \"a.toml\"",
            "crate = \"kv\"; from \"a.toml\"",
            "\"a.toml\"",
            "from a",
            "trait from \"a.toml\"",
            "struct Shop from \"a.toml\"",
        ] {
            assert!(syn::parse_str::<Input>(faulty).is_err(), "{faulty}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let message = message("from \"tests/data/none.toml\"");
        assert!(
            message.starts_with("cannot read `tests/data/none.toml`: "),
            "{message}"
        );
        assert!(
            message.ends_with("named from the folder of Cargo.toml or of this source file"),
            "{message}"
        );
    }

    #[test]
    fn a_script_that_cannot_be_read_is_named() {
        let message = message("from \"tests/data/lost_script.toml\"");
        assert!(
            message.starts_with("tests/data/lost_script.toml:4: [g.m] cannot read the script "),
            "{message}"
        );
        assert!(message.contains("/tests/data/none.lua: "), "{message}");
    }

    #[test]
    fn every_problem_is_an_error_of_its_own() {
        assert_eq!(
            message("from \"tests/data/faulty.toml\""),
            "tests/data/faulty.toml:3: [g.get] unknown key `sintax`; did you mean `syntax`?\n\
             tests/data/faulty.toml:8: [g.set] unknown placeholder `key`; expected an entry in [types] or an inline type such \
             as `key:u64`"
        );
    }

    #[test]
    fn a_change_of_the_file_builds_anew() {
        let input: Input = syn::parse_str("from \"tests/data/shapes.toml\"").unwrap();
        let tokens = expand(&input).unwrap().to_string();
        assert!(
            tokens.starts_with("const _ : & [u8] = :: core :: include_bytes ! (\"/"),
            "{tokens:.100}"
        );
    }
}
