//! The macros of `typedis`.
//!
//! # Layout
//!
//! Each step of `commands!` has a folder, and can be tested without the next:
//! - `spec`: reads the TOML file into a typed view that keeps the lines
//! - `syntax`: reads a command's syntax notation
//! - `model`: checks both and joins them into what the command is: parameters, options, reply types
//! - `expand`: writes the model as Rust
//! - `reference`: writes the model as JSON, for `cargo xtask reference`
//! - `cases`: writes the model as test cases, for the project's own conformance tests
//!
//! `derive` is the folder of `#[derive(FromRedis)]` and `#[derive(ToRedis)]`. Other files: `commands` (takes a file
//! through the steps), `places` (where the compiler says that a method is), `problems` (collects faults and reports them together) and `nearest` (did you mean ...?).

use proc_macro::TokenStream;

mod cases;
mod commands;
mod derive;
mod expand;
mod model;
mod nearest;
mod places;
mod problems;
mod reference;
mod spec;
mod syntax;

/// Expands a spec file into traits with a method for every command.
///
/// `commands! { from "commands.toml" }` makes one trait for each group of the file, and
/// `commands! { pub trait ShopCommands from "shop.toml" }` makes one trait of all its commands. The file is looked
/// for in the folder of `Cargo.toml` first, and then in the folder of the source file. The types that the spec names
/// must be in scope where the macro is called.
///
/// A list of the commands may follow, group by group: `commands! { from "commands.toml"; string: get set; list: llen; }`. Messages of
/// the compiler and "go to definition" then lead to a name in this list, in place of the macro as a whole. If there is a list,
/// it must be complete.
///
/// The expansion names `::typedis`. If your crate knows it by another name, or only through another crate, say so first:
/// `commands! { crate = my_framework::typedis; pub trait ShopCommands from "shop.toml" }`.
#[proc_macro]
pub fn commands(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as commands::Input);
    commands::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Expands a spec file into `cases()`: a test case for every command and every option.
///
/// For the project's own conformance tests; its output may change at any time.
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

/// Expands a spec file into a text of JSON that says all of it, for `cargo xtask`.
///
/// For the project's own tools; what it makes may change at any time.
#[doc(hidden)]
#[proc_macro]
pub fn spec_reference(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as commands::Input);
    let expansion = commands::load(input.path()).map(|loaded| {
        let (rebuild, reference) = (loaded.rebuild(), reference::expand(&loaded));
        quote::quote!({ #rebuild #reference })
    });
    expansion
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Decodes replies into the type: a struct from a map, a tuple struct from an array, a newtype from what its field
/// is decoded from, an enum of unit variants from a word.
///
/// ```no_run
/// use typedis::prelude::*;
///
/// #[derive(FromRedis, ToRedis)]
/// #[redis(rename_all = "camelCase")]
/// struct User {
///     name: String,
///     /// Absent from the hash where it is `None`.
///     email: Option<String>,
///     #[redis(default)]
///     login_count: u64,
///     #[redis(json)]
///     roles: Vec<String>,
/// }
///
/// # async fn example(conn: Connection, user: User) -> typedis::Result<()> {
/// conn.hset("user:1", &user).await?;
/// let user: Option<User> = conn.hgetall("user:1").await?;
/// # Ok(()) }
/// ```
///
/// With `#[redis(array)]` a struct is decoded from an array: its fields are the elements, in this order. Elements that
/// follow are ignored, because newer servers add some at the end. Where an array ends early, the fields that are left are
/// missing: an `Option` is `None`, and others need a `default`.
///
/// ```
/// use typedis::{Frame, FromRedis};
///
/// #[derive(FromRedis)]
/// #[redis(array)]
/// struct Visit {
///     page: String,
///     seconds: u64,
///     referrer: Option<String>,
/// }
///
/// // What a script or a module replies with.
/// let reply = Frame::parse("*2\r\n$5\r\n/home\r\n:12\r\n")?;
/// let visit: Visit = reply.decode()?;
/// assert_eq!((visit.page.as_str(), visit.seconds, visit.referrer), ("/home", 12, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Fields of the reply that the struct does not have are ignored. A field that the reply does not have is an error
/// that names it, unless the field is an `Option`. An empty reply is decoded as `None` for an `Option` of the struct:
/// servers send it for a key that does not exist.
///
/// # Attributes
///
/// | attribute | on | means |
/// | --- | --- | --- |
/// | `#[redis(rename = "name")]` | field, variant | its name on the server |
/// | `#[redis(rename_all = "camelCase")]` | struct, enum | how all names are spelt: `camelCase`, `snake_case`, `kebab-case`, `PascalCase`, `SCREAMING_SNAKE_CASE`, `lowercase`, `UPPERCASE` |
/// | `#[redis(array)]` | struct | its fields are the elements of an array; only for decoding |
/// | `#[redis(crate = "path")]` | struct, enum | where `typedis` is, if your crate knows it by another name, or only through another crate |
/// | `#[redis(default)]`, `#[redis(default = "path")]` | field | the value of a missing field: `Default::default()`, or `path()` |
/// | `#[redis(skip)]` | field | is neither decoded nor sent; it gets its default |
/// | `#[redis(flatten)]` | field | a struct whose fields are in the same map |
/// | `#[redis(json)]` | field | is JSON on the server |
/// | `#[redis(with = "module")]` | field | is decoded by `module::from_redis(Reply<'_>) -> Result<T, DecodeError>` and sent by `module::to_redis(&T, &mut ArgWriter<'_>) -> Result<(), ArgError>` |
///
/// With `json` and `with`, an `Option` field is left out if it is `None`; otherwise they handle the value
/// inside it. With `flatten`, an `Option` of a struct is `None` if the reply has none of the struct's fields; so `Some` of a struct
/// whose own fields are all `None` comes back as `None`.
#[proc_macro_derive(FromRedis, attributes(redis))]
pub fn derive_from_redis(input: TokenStream) -> TokenStream {
    derive::from_redis(input.into()).into()
}

/// Sends the type: a struct as pairs of field and value (for HSET, XADD, MSET), a tuple struct as several arguments,
/// a newtype like its field, an enum of unit variants as a word.
///
/// The attributes are the same as for [`FromRedis`](macro@FromRedis). A field that is `None` is left out.
#[proc_macro_derive(ToRedis, attributes(redis))]
pub fn derive_to_redis(input: TokenStream) -> TokenStream {
    derive::to_redis(input.into()).into()
}
