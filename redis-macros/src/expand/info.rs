//! The static with the facts of a command.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Path;

use super::ident;
use super::newer::{newer, versions};
use crate::model::{Call, Command};

/// The name of a command's static.
pub(super) fn name(command: &Command) -> proc_macro2::Ident {
    ident(&command.method.to_ascii_uppercase())
}

/// It is compared with the commands that the facade knows, if there is a path to them.
pub(super) fn expand(command: &Command, known: Option<&Path>) -> TokenStream {
    let facts = &command.facts;
    let (info, name) = (name(command), command.syntax.name.join(" "));
    let doc = format!(" What is known about `{name}`.");
    let sent = sent(command);
    let header = Literal::byte_string(&header(&sent));
    let words = Literal::usize_unsuffixed(sent.len());
    let script = script(command);
    let readonly = facts.readonly.then(|| quote!(.readonly()));
    let idempotent = (facts.idempotent && !facts.readonly).then(|| quote!(.idempotent()));
    let writes_unnamed = facts.writes_unnamed.then(|| quote!(.writes_unnamed()));
    let blocking = facts.blocking.then(|| quote!(.blocking()));
    let waits = command.waits().then(|| quote!(.waits()));
    let state = facts
        .state
        .map(ident)
        .map(|change| quote!(.state(rt::StateChange::#change)));
    let cacheable = facts.cacheable.then(|| quote!(.cacheable()));
    let naming = facts.naming.as_ref().map(|naming| {
        let naming = super::naming::expression(naming);
        quote!(.naming(const { &#naming }))
    });
    let policies = facts.policies.map(|(request, response)| {
        let (request, response) = (ident(request), ident(response));
        quote!(.policies(rt::RequestPolicy::#request, rt::ResponsePolicy::#response))
    });
    let since = facts.since.as_ref().map(|since| {
        let since = versions(since);
        quote!(.since(#since))
    });
    let newer: Vec<TokenStream> = newer(command)
        .iter()
        .map(|(word, since)| {
            let since = versions(since);
            quote!((#word, #since))
        })
        .collect();
    let newer = (!newer.is_empty()).then(|| quote!(.newer(&[#(#newer),*])));
    let is_command = matches!(command.call, Call::Command);
    let known = known.filter(|_| is_command);
    let checked = known.map(|known| quote!(.checked(&#known)));
    quote! {
        #script
        #[doc = #doc]
        pub static #info: rt::CommandInfo = rt::CommandInfo::new(#name, #header, #words)
            #readonly #writes_unnamed #idempotent #blocking #waits #state #cacheable #naming #policies #since #newer #checked;
    }
}

/// The words that a call begins with.
fn sent(command: &Command) -> Vec<String> {
    let suffix = if command.facts.readonly { "_RO" } else { "" };
    match &command.call {
        Call::Command => command.syntax.name.clone(),
        Call::Script(_) => vec![format!("EVALSHA{suffix}")],
        Call::Function(name) => vec![format!("FCALL{suffix}"), name.clone()],
    }
}

/// The name of the static for a command's script.
pub(super) fn script_name(command: &Command) -> proc_macro2::Ident {
    ident(&format!("{}_SCRIPT", command.method.to_ascii_uppercase()))
}

/// The static with the script that is called.
fn script(command: &Command) -> Option<TokenStream> {
    let Call::Script(script) = &command.call else {
        return None;
    };
    let (name, readonly) = (script_name(command), command.facts.readonly);
    let (source, sha1) = (&script.source, script.sha1());
    let doc = format!(" The script of `{}`.", command.method);
    Some(quote! {
        #[doc = #doc]
        pub static #name: rt::Script = {
            static TEXT: rt::ScriptText = rt::ScriptText::new(#source, #sha1, #readonly);
            rt::Script::from_text(&TEXT)
        };
    })
}

/// The encoded words of the name.
fn header(words: &[String]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| format!("${}\r\n{word}\r\n", word.len()).into_bytes())
        .collect()
}
