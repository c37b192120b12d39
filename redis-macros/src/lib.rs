//! The macros of `typedis`.
//!
//! # Layout
//!
//! One step of `commands!` a folder, each tested without the next:
//! - `spec`: reads the TOML file into a typed view that keeps the lines
//! - `syntax`: reads a command's syntax notation
//! - `model`: checks both and joins them into what the command is: parameters, options, reply types
//! - `expand`: writes the model as Rust
//! - `cases`: writes the model as test cases, for the project's own conformance tests
//!
//! and beside them `commands` (takes a file through the steps), `problems` (what is wrong, all at once) and `nearest`
//! (did you mean ...?).

use proc_macro::TokenStream;

mod cases;
mod commands;
mod expand;
mod model;
mod nearest;
mod problems;
mod spec;
mod syntax;

/// Expands a spec file into traits with a method for every command.
///
/// `commands! { from "commands.toml" }` makes one trait for each group of the file, and
/// `commands! { pub trait ShopCommands from "shop.toml" }` one trait of all its commands. The path starts at the folder
/// of `Cargo.toml`. The types that the spec names are looked up where the macro is called.
#[proc_macro]
pub fn commands(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as commands::Input);
    commands::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Expands a spec file into `cases()`: a test case for every command and every option.
///
/// For the project's own conformance tests; what it makes may change at any time.
#[doc(hidden)]
#[proc_macro]
pub fn spec_cases(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as commands::Input);
    let expansion = commands::load(input.path()).and_then(|loaded| {
        let (rebuild, cases) = (loaded.rebuild(), cases::expand(&loaded)?);
        Ok(quote::quote!(#rebuild #cases))
    });
    expansion
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
