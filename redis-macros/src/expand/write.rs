//! Parameters, and how they are written.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use syn::Type;

use super::{ident, local};
use crate::model::{Body, Column, Kind, Param, Run, Write};

/// The parameters of a method, as they are declared.
pub(super) fn declarations(body: &Body) -> Vec<TokenStream> {
    body.params().map(declaration).collect()
}

fn declaration(param: &Param) -> TokenStream {
    let name = ident(&param.name);
    let ty = match &param.kind {
        Kind::Key | Kind::Value => quote!(impl rt::ToArg),
        Kind::Args | Kind::List { .. } => quote!(impl rt::ToArgs),
        Kind::Number(number) => {
            let number = ident(number);
            quote!(#number)
        }
        Kind::Named(named) => {
            let named = named_type(named);
            quote!(impl ::core::convert::Into<#named>)
        }
        Kind::Enum(name) => {
            let name = ident(name);
            quote!(#name)
        }
        Kind::Records { columns, .. } => records(columns),
        Kind::Columns(columns) => records(columns),
    };
    quote!(#name: #ty)
}

fn records(columns: &[Column]) -> TokenStream {
    let columns = columns.iter().map(|column| match column {
        Column::Text => quote!(rt::Text),
        Column::Number => quote!(rt::Number),
        Column::Within([low, high]) => quote!(rt::Within<#low, #high>),
        Column::Key => quote!(rt::Key),
    });
    quote!(impl rt::ToRecords<(#(#columns),*)>)
}

/// The conversions that come before anything is written.
pub(super) fn conversions(body: &Body) -> Vec<TokenStream> {
    let conversion = |param: &Param| {
        let Kind::Named(named) = &param.kind else {
            return None;
        };
        let (name, named) = (ident(&param.name), named_type(named));
        Some(quote!(let #name: #named = ::core::convert::Into::into(#name);))
    };
    body.params().filter_map(conversion).collect()
}

/// The parameters of an option that may be left out by `None`.
pub(super) struct Optionals {
    /// Type parameters that the compiler finds.
    pub(super) generics: Vec<Ident>,
    pub(super) declarations: Vec<TokenStream>,
    /// Each parameter as an `Option`.
    pub(super) values: Vec<TokenStream>,
    pub(super) names: Vec<Ident>,
}

pub(super) fn optionals(body: &Body) -> Optionals {
    let mut all = Optionals {
        generics: Vec::new(),
        declarations: Vec::new(),
        values: Vec::new(),
        names: Vec::new(),
    };
    for param in body.params() {
        let name = ident(&param.name);
        let (ty, value) = match &param.kind {
            Kind::Key | Kind::Value => (
                quote!(impl rt::OptionalArg),
                quote!(rt::OptionalArg::given(#name)),
            ),
            Kind::Number(ty) | Kind::Enum(ty) => {
                let ty = ident(ty);
                let optional = quote!(::core::option::Option<#ty>);
                (
                    quote!(impl ::core::convert::Into<#optional>),
                    quote!(::core::convert::Into::<#optional>::into(#name)),
                )
            }
            Kind::Named(ty) => {
                let ty = named_type(ty);
                let how = ident(&format!("How{}", all.generics.len()));
                all.generics.push(how.clone());
                (
                    quote!(impl rt::Optional<#ty, #how>),
                    quote!(rt::Optional::<#ty, #how>::given(#name)),
                )
            }
            Kind::Args | Kind::List { .. } => (
                quote!(impl rt::ToArgs),
                quote!(rt::ToArgs::is_given(&#name).then_some(#name)),
            ),
            Kind::Records { columns, .. } => optional_records(&name, columns),
            Kind::Columns(columns) => optional_records(&name, columns),
        };
        all.declarations.push(quote!(#name: #ty));
        all.values.push(value);
        all.names.push(name);
    }
    all
}

fn optional_records(name: &Ident, columns: &[Column]) -> (TokenStream, TokenStream) {
    let value = quote!(rt::ToRecords::is_given(&#name).then_some(#name));
    (records(columns), value)
}

/// What a body writes: first what comes before all parts, then the rest, in its parts.
pub(super) fn statements(body: &Body, repeatable: bool) -> Vec<TokenStream> {
    body.runs
        .iter()
        .flat_map(|run| run_statements(run, repeatable))
        .collect()
}

/// What the body of a script or function writes: the number of its keys, the keys, the rest.
pub(super) fn keys_first(body: &Body) -> Vec<TokenStream> {
    let is_key = |write: &Write| matches!(write, Write::Param(param) if param.is_key());
    let mut runs = body.runs.iter();
    let (first, later) = match runs.next() {
        Some(run) if run.order == 0 => {
            let keys = run.writes.iter().take_while(|write| is_key(write)).count();
            let (keys, rest) = run.writes.split_at(keys);
            let keys: Vec<TokenStream> = keys.iter().flat_map(write).collect();
            let rest: Vec<TokenStream> = rest.iter().flat_map(write).collect();
            ((keys, rest), runs.as_slice())
        }
        _ => (Default::default(), body.runs.as_slice()),
    };
    let (keys, rest) = first;
    let keys = closure(&keys);
    let later = later.iter().flat_map(|run| run_statements(run, false));
    [quote!(args.counted(1, #keys))]
        .into_iter()
        .chain(rest)
        .chain(later)
        .collect()
}

/// A closure of these statements.
pub(super) fn closure(statements: &[TokenStream]) -> TokenStream {
    match statements {
        [] => quote!(|_| {}),
        [statement] => quote!(|args| #statement),
        _ => quote!(|args| { #(#statements;)* }),
    }
}

fn run_statements(run: &Run, repeatable: bool) -> Vec<TokenStream> {
    let statements: Vec<TokenStream> = run.writes.iter().flat_map(write).collect();
    if run.order == 0 {
        return statements;
    }
    let order = Literal::u8_unsuffixed(run.order);
    if let ([Write::Word(word)], false) = (run.writes.as_slice(), repeatable) {
        return vec![quote!(args.flag(#order, #word))];
    }
    let begin = ident(if repeatable {
        "begin_another"
    } else {
        "begin_part"
    });
    let part = local("part");
    let mut all = vec![quote!(let #part = args.#begin(#order))];
    all.extend(statements);
    all.push(quote!(args.end_part(#part)));
    all
}

fn write(write: &Write) -> Vec<TokenStream> {
    match write {
        Write::Word(word) => vec![quote!(args.word(#word))],
        Write::Param(param) => param_statements(param),
        Write::Counted {
            words_per_item,
            what,
        } => {
            let words_per_item = Literal::u32_unsuffixed(*words_per_item);
            let write = closure(&self::write(what));
            vec![quote!(args.counted(#words_per_item, #write))]
        }
    }
}

fn param_statements(param: &Param) -> Vec<TokenStream> {
    let (name, text) = (ident(&param.name), &param.name);
    let method = ident(match &param.kind {
        Kind::Key => "key",
        Kind::Value | Kind::Number(_) | Kind::Enum(_) => "arg",
        Kind::Args
        | Kind::Named(_)
        | Kind::List {
            keys: false,
            required: false,
        } => "args",
        Kind::List {
            keys: true,
            required: true,
        } => "keys",
        Kind::List {
            keys: true,
            required: false,
        } => "any_keys",
        Kind::List {
            keys: false,
            required: true,
        } => "list",
        Kind::Records { required: true, .. } => "records",
        Kind::Records {
            required: false, ..
        } => "any_records",
        Kind::Columns(_) => "columns",
    });
    let block = param.blocks.then(|| quote!(args.block(&#name)));
    block
        .into_iter()
        .chain([quote!(args.#method(#text, &#name))])
        .collect()
}

/// The type of a checked name.
fn named_type(name: &str) -> Type {
    let name = ident(name);
    syn::parse_quote!(#name)
}
