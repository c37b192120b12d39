//! Options that `None` leaves out: each called with it, and the words of the call without the option.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::wire;
use crate::expand::example;
use crate::model::{Command, Context, Enum, Group, OptionId};
use crate::problems::Problems;
use crate::spec::Spec;

pub(super) fn definition() -> TokenStream {
    quote! {
        #[doc = " A call in which `None` is given for the arguments of an option."]
        #[derive(Debug)]
        pub struct LeftOut {
            #[doc = " The call as it is written."]
            pub call: &'static str,
            #[doc = " The words that it should be sent as."]
            pub words: Vec<Vec<u8>>,
            #[doc = " Makes the call."]
            pub build: fn() -> ::typedis::__core::Args,
        }
    }
}

pub(super) fn of_group(spec: &Spec, enums: &[Enum], group: &Group) -> syn::Result<TokenStream> {
    let commands = group
        .commands
        .iter()
        .filter(|command| command.call.is_command());
    let all = commands.flat_map(|command| {
        let options = command.options.iter().enumerate();
        let optional = options.filter(|(_, option)| option.takes_none);
        optional.filter_map(move |(id, _)| of_option(spec, enums, command, id))
    });
    let all = all.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote! {
        absent.extend({
            #[allow(deprecated, unused_imports)]
            fn group() -> Vec<LeftOut> {
                use ::typedis::__core as rt;
                vec![#(#all),*]
            }
            group()
        });
    })
}

fn of_option(
    spec: &Spec,
    enums: &[Enum],
    command: &Command,
    id: OptionId,
) -> Option<syn::Result<TokenStream>> {
    let row = spec
        .commands
        .iter()
        .find(|row| row.label.line == command.line)?;
    // The spec was found sound before.
    let problems = Problems::default();
    let context = Context {
        spec,
        enums,
        command: row,
        problems: &problems,
    };
    let options = command.complete(&[id])?;
    let others: Vec<OptionId> = options
        .iter()
        .copied()
        .filter(|other| *other != id)
        .collect();
    let expected = wire::wire(&context, &command.syntax, &others);
    let words = expected
        .words
        .iter()
        .map(|word| Literal::byte_string(word.as_bytes()));
    let text = example::call_without("cmd()", command, &options, Some(id));
    let call = example::call_without("rt::cmd()", command, &options, Some(id));
    let reply = command.replies.reply(|option| options.contains(&option));
    let reply = super::concrete(reply);
    let build = syn::parse_str::<syn::Expr>(&call).map(|build| {
        quote! {
            LeftOut {
                call: #text,
                words: vec![#(#words.to_vec()),*],
                build: || {
                    let request: rt::Request<rt::Detached, #reply> = rt::IntoRequest::into_request(#build);
                    request.into_args()
                },
            }
        }
    });
    Some(build)
}
