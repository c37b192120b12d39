//! `spec_cases!`: the model as test cases. There is a case for every command, for every option of it alone, for every
//! word of its enums, and for as many options as go together in the reverse of their order; each has the words that
//! should be sent.
//!
//! The words come from the syntax tree and the examples, not from the expansion of `commands!`.
//!
//! # Layout
//!
//! - `absent`: options that `None` leaves out
//! - `call`: one call
//! - `rows`: the rows as grammars, by which recorded calls are read
//! - `wire`: the words and key positions of a call, from the syntax

mod absent;
mod call;
mod rows;
mod wire;

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use call::Call;

use crate::commands::Loaded;
use crate::expand::example;
use crate::model::{Command, Context, Enum, Group, Reply};
use crate::problems::Problems;
use crate::spec::Spec;

/// Expands `spec_cases!`.
pub(crate) fn expand(loaded: &Loaded) -> syn::Result<TokenStream> {
    let Loaded { spec, model, .. } = loaded;
    let groups = model
        .groups
        .iter()
        .map(|group| cases_of_group(spec, &model.enums, group))
        .collect::<syn::Result<Vec<_>>>()?;
    let rows = model.groups.iter().map(|group| {
        let commands = group
            .commands
            .iter()
            .filter(|command| command.call.is_command());
        let rows = commands.filter_map(|command| rows::row(spec, &model.enums, command));
        quote! {
            rows.extend({
                #[allow(deprecated, unused_imports)]
                fn group() -> Vec<Row> {
                    use ::typedis::__core as rt;
                    vec![#(#rows),*]
                }
                group()
            });
        }
    });
    let absent = model
        .groups
        .iter()
        .map(|group| absent::of_group(spec, &model.enums, group))
        .collect::<syn::Result<Vec<_>>>()?;
    let definition_of_absent = absent::definition();
    let (definition, definition_of_rows) = (definition(), rows::definition());
    Ok(quote! {
        #definition
        #definition_of_rows
        #definition_of_absent

        #[doc = " Every option that `None` leaves out."]
        pub fn absent() -> Vec<LeftOut> {
            use ::typedis::__core as rt;
            let mut absent = Vec::new();
            #(#absent)*
            absent
        }

        #[doc = " Every row of the spec."]
        pub fn rows() -> Vec<Row> {
            let mut rows = Vec::new();
            #(#rows)*
            rows
        }

        #[doc = " Every command of the spec, and every option of it."]
        pub fn cases() -> Vec<Case> {
            use ::typedis::__core as rt;
            let mut cases = Vec::new();
            #(#groups)*
            cases
        }
    })
}

fn definition() -> TokenStream {
    quote! {
        #[doc = " One call of a command, and its expected result."]
        #[derive(Debug, Clone)]
        pub struct Case {
            #[doc = " The name of the command on the server."]
            pub command: &'static str,
            #[doc = " The group of the spec."]
            pub group: &'static str,
            #[doc = " The method."]
            pub method: &'static str,
            #[doc = " The options that are called, in the order of the calls."]
            pub options: Vec<&'static str>,
            #[doc = " The call as it is written."]
            pub call: &'static str,
            #[doc = " The words that it should be sent as."]
            pub words: Vec<Vec<u8>>,
            #[doc = " Which of them are keys."]
            pub keys: Vec<usize>,
            #[doc = " Which of them are the same in every call with these options: all but arguments."]
            pub literals: Vec<usize>,
            #[doc = " How many words the shortest call with these options has."]
            pub least: usize,
            #[doc = " Makes the call."]
            pub build: fn() -> ::typedis::__core::Args,
            #[doc = " The reply type as the spec writes it."]
            pub reply: &'static str,
            #[doc = " Decodes a reply into that type, with a `Value` for the types that the caller chooses."]
            pub decode: fn(&::typedis::__core::Frame) -> ::std::result::Result<(), ::typedis::__core::Error>,
            #[doc = " The type that examples show: with types for what is the caller's choice."]
            pub shown: &'static str,
            #[doc = " Decodes a reply into the type that examples show."]
            pub decode_shown: fn(&::typedis::__core::Frame) -> ::std::result::Result<(), ::typedis::__core::Error>,
            #[doc = " The first version of Redis that has it."]
            pub redis: Option<&'static str>,
            #[doc = " The first version of Valkey that has it."]
            pub valkey: Option<&'static str>,
            #[doc = " The flags of the spec."]
            pub flags: Vec<&'static str>,
            #[doc = " Whether this call blocks."]
            pub blocking: bool,
        }
    }
}

fn cases_of_group(spec: &Spec, enums: &[Enum], group: &Group) -> syn::Result<TokenStream> {
    let cases = group
        .commands
        .iter()
        // A call of a script sends more than its syntax says.
        .filter(|command| command.call.is_command())
        .flat_map(|command| cases_of_command(spec, enums, command));
    let cases = cases.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote! {
        // Each is a separate function, so that none becomes too long for the compiler.
        cases.extend({
            #[allow(deprecated, unused_imports)]
            fn group() -> Vec<Case> {
                use ::typedis::__core as rt;
                vec![#(#cases),*]
            }
            group()
        });
    })
}

fn cases_of_command(
    spec: &Spec,
    enums: &[Enum],
    command: &Command,
) -> Vec<syn::Result<TokenStream>> {
    call::calls(spec, enums, command).iter().map(case).collect()
}

fn case(call: &Call<'_>) -> syn::Result<TokenStream> {
    let Call {
        command, options, ..
    } = call;
    let facts = &command.facts;
    let (group, method, name) = (
        &command.group,
        &command.method,
        command.syntax.name.join(" "),
    );
    let called: Vec<_> = options
        .iter()
        .filter_map(|id| command.options.get(*id))
        .collect();
    let methods = called.iter().map(|option| option.method.as_str());
    let wire::Wire {
        words,
        keys,
        literals,
        spare,
    } = expected(call);
    let least = words.len() - spare;
    let words = words
        .iter()
        .map(|word| Literal::byte_string(word.as_bytes()));
    let position = |position: &usize| Literal::usize_unsuffixed(*position);
    let (keys, literals) = (keys.iter().map(position), literals.iter().map(position));
    let call_text = example::call("cmd()", command, options);
    let build: syn::Expr = syn::parse_str(&example::call("rt::cmd()", command, options))?;
    let reply = command.replies.reply(|option| options.contains(&option));
    let reply_text = &reply.text;
    let shown = command.replies.shown(reply);
    let shown_text = example::written(&shown);
    let reply = concrete(reply);
    let blocking = facts.blocking || called.iter().any(|option| option.body.blocks());
    let flags = &facts.flags;
    let versions = call.versions();
    let (redis, valkey) = (
        optional(versions.redis.as_deref()),
        optional(versions.valkey.as_deref()),
    );
    Ok(quote! {
        Case {
            command: #name,
            group: #group,
            method: #method,
            options: vec![#(#methods),*],
            call: #call_text,
            words: vec![#(#words.to_vec()),*],
            keys: vec![#(#keys),*],
            literals: vec![#(#literals),*],
            least: #least,
            build: || {
                let request: rt::Request<rt::Detached, #reply> = rt::IntoRequest::into_request(#build);
                request.into_args()
            },
            reply: #reply_text,
            decode: |frame| frame.clone().decode::<#reply>().map(drop),
            shown: #shown_text,
            decode_shown: |frame| frame.clone().decode::<#shown>().map(drop),
            redis: #redis,
            valkey: #valkey,
            flags: vec![#(#flags),*],
            blocking: #blocking,
        }
    })
}

/// A reply type with a `Value` for the types that the caller chooses.
fn concrete(reply: &Reply) -> TokenStream {
    reply.with(&|param| {
        Some(if param == "K" {
            quote!(String)
        } else {
            quote!(rt::Value)
        })
    })
}

/// The words of a call, from the syntax and the examples only.
fn expected(call: &Call<'_>) -> wire::Wire {
    let problems = Problems::default();
    let context = Context {
        spec: call.spec,
        enums: call.enums,
        command: &call.row,
        problems: &problems,
    };
    wire::wire(&context, &call.command.syntax, &call.options)
}

fn optional(version: Option<&str>) -> TokenStream {
    version.map_or_else(|| quote!(None), |version| quote!(Some(#version)))
}

#[cfg(test)]
mod tests;
