//! Where the methods of commands are, for the compiler and for editors.
//!
//! A macro cannot point into the TOML file: on stable Rust the only places that it can name are those of its own input. So the
//! input may list the commands, group by group. Messages of the compiler, "go to definition" and the source links of the
//! documentation then lead to the name of the command, instead of to the macro's call as a whole.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Token};

use crate::model::{Command, Model};

/// `string: append decr …;` for each group; empty if the input lists none.
#[derive(Default)]
pub(crate) struct Places(Vec<Listed>);

/// The commands of one group, in the order of the list.
struct Listed {
    group: Ident,
    methods: Vec<Ident>,
}

impl Parse for Places {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut listed = Vec::new();
        while !input.is_empty() {
            let group = input.call(Ident::parse_any)?;
            input.parse::<Token![:]>()?;
            let mut methods = Vec::new();
            while !input.peek(Token![;]) {
                methods.push(input.call(Ident::parse_any)?);
            }
            input.parse::<Token![;]>()?;
            listed.push(Listed { group, methods });
        }
        Ok(Self(listed))
    }
}

impl Places {
    /// What is wrong with the list: it has to be complete, and to name nothing else. Without a list there is nothing to check.
    pub(crate) fn check(&self, model: &Model, path: &LitStr) -> Option<syn::Error> {
        if self.0.is_empty() {
            return None;
        }
        let file = path.value();
        let commands = || model.groups.iter().flat_map(|group| &group.commands);
        let missing = commands()
            .filter(|command| self.find(command).is_none())
            .map(|command| {
                let (line, table) = (command.line, command.table());
                let Command { group, method, .. } = command;
                let text = format!(
                    "{file}:{line}: [{table}] is not in the list of this macro; write `{method}` behind `{group}:`"
                );
                syn::Error::new(path.span(), text)
            });
        let unknown = self.names().filter(|(group, method)| {
            !commands().any(|command| **group == command.group && **method == command.method)
        });
        let unknown = unknown.map(|(group, method)| {
            let text = format!("{file} has no method `{method}` in the group `{group}`");
            syn::Error::new(method.span(), text)
        });
        missing.chain(unknown).reduce(|mut all, problem| {
            all.combine(problem);
            all
        })
    }

    fn names(&self) -> impl Iterator<Item = (&Ident, &Ident)> {
        self.0.iter().flat_map(|listed| {
            let group = &listed.group;
            listed.methods.iter().map(move |method| (group, method))
        })
    }

    fn find(&self, command: &Command) -> Option<Span> {
        let listed = self.0.iter().find(|listed| listed.group == command.group)?;
        let method = listed
            .methods
            .iter()
            .find(|method| **method == command.method)?;
        Some(method.span())
    }

    /// Where the list names a command, or else the macro's call. Names with this span mean what they mean with that of the call.
    pub(crate) fn of(&self, command: &Command) -> Span {
        let call = Span::call_site();
        self.find(command)
            .map_or(call, |span| call.located_at(span))
    }
}

/// Code that is at a place. It is for the heads of functions and types, which the compiler names; each token costs time.
pub(crate) fn at(place: Span, code: TokenStream) -> TokenStream {
    code.into_iter()
        .map(|token| {
            let mut token = match token {
                TokenTree::Group(group) => {
                    TokenTree::Group(Group::new(group.delimiter(), at(place, group.stream())))
                }
                other => other,
            };
            token.set_span(place);
            token
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::commands::check;

    const SPEC: &str = "[types]\nkey = \"key\"\n\
        [string.get]\ndoc = \"Gets.\"\nsyntax = \"GET key\"\nreply = \"()\"\n\
        [list.llen]\ndoc = \"Counts.\"\nsyntax = \"LLEN key\"\nreply = \"u64\"\n";

    fn faults(list: &str) -> Vec<String> {
        let (_, model) = check(SPEC, "a.toml").unwrap();
        let places: Places = syn::parse_str(list).unwrap();
        let path = syn::parse_quote!("a.toml");
        let faults = places.check(&model, &path).into_iter().flatten();
        faults.map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn a_list_names_every_command_and_no_other() {
        assert_eq!(faults(""), Vec::<String>::new());
        assert_eq!(faults("string: get; list: llen;"), Vec::<String>::new());
        assert_eq!(
            faults("string: get gte;"),
            [
                "a.toml:7: [list.llen] is not in the list of this macro; write `llen` behind `list:`",
                "a.toml has no method `gte` in the group `string`",
            ]
        );
    }
}
