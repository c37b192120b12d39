//! The rows of the spec as grammars, by which recorded calls are read: the words that a call may have, and the reply
//! type for each selection of options.

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::types::PlaceholderType;
use crate::model::{Command, Context, Enum, OptionId, Reply, alternatives, only_list};
use crate::problems::Problems;
use crate::spec::Spec;
use crate::syntax::Node;

pub(super) fn definition() -> TokenStream {
    quote! {
        #[doc = " A row of the spec, by which a call can be read."]
        #[derive(Debug)]
        pub struct Row {
            #[doc = " The name of the command on the server."]
            pub command: &'static str,
            #[doc = " The group of the spec."]
            pub group: &'static str,
            #[doc = " The method."]
            pub method: &'static str,
            #[doc = " The methods of its options, by their numbers."]
            pub options: Vec<&'static str>,
            #[doc = " What follows the name."]
            pub parts: Vec<Part>,
            #[doc = " Reply types, each with its condition: all numbers of one of the lists are chosen. The first that holds counts."]
            pub replies: Vec<(Vec<Vec<usize>>, Decoder)>,
        }

        #[doc = " A reply type."]
        #[derive(Debug, Clone, Copy)]
        pub struct Decoder {
            #[doc = " As the spec writes it."]
            pub text: &'static str,
            #[doc = " Decodes a reply into it, with a `Value` for the types that the caller chooses."]
            pub decode: fn(&::typedis::__core::Frame) -> ::std::result::Result<(), ::typedis::__core::Error>,
        }

        #[doc = " A part of a row."]
        #[derive(Debug)]
        pub enum Part {
            #[doc = " This word."]
            Word(&'static str),
            #[doc = " One of these words."]
            OneOf(Vec<&'static str>),
            #[doc = " One argument."]
            One,
            #[doc = " Any number of arguments."]
            Any,
            #[doc = " These parts, and again."]
            List(Vec<Part>),
            #[doc = " A number, and then these parts that many times; or that many words of them."]
            Counted(bool, Vec<Part>),
            #[doc = " One of these options, with their numbers, or none of them unless one is required."]
            Options(bool, Vec<(usize, Vec<Part>)>),
        }
    }
}

/// The row of a command.
pub(super) fn row(spec: &Spec, enums: &[Enum], command: &Command) -> Option<TokenStream> {
    let row = spec
        .commands
        .iter()
        .find(|row| row.label.line == command.line)?;
    // The spec has passed all checks before.
    let problems = Problems::default();
    let context = Context {
        spec,
        enums,
        command: row,
        problems: &problems,
    };
    let mut walk = Walk {
        context: &context,
        next: 0,
    };
    let parts = walk.parts(&command.syntax.nodes);
    let rules = command.replies.rules.iter().map(|(condition, reply)| {
        let terms = condition.terms.iter().map(|term| quote!(vec![#(#term),*]));
        let decoder = decoder(reply);
        quote!((vec![#(#terms),*], #decoder))
    });
    let otherwise = decoder(&command.replies.otherwise);
    let (group, method) = (&command.group, &command.method);
    let name = command.syntax.name.join(" ");
    let options = command.options.iter().map(|option| option.method.as_str());
    Some(quote! {
        Row {
            command: #name,
            group: #group,
            method: #method,
            options: vec![#(#options),*],
            parts: vec![#(#parts),*],
            replies: vec![#(#rules,)* (vec![vec![]], #otherwise)],
        }
    })
}

fn decoder(reply: &Reply) -> TokenStream {
    let ty = super::concrete(reply);
    let text = &reply.text;
    quote!(Decoder { text: #text, decode: |frame| frame.clone().decode::<#ty>().map(drop) })
}

struct Walk<'a> {
    context: &'a Context<'a>,
    /// The number of the next option.
    next: OptionId,
}

impl Walk<'_> {
    fn parts(&mut self, nodes: &[Node]) -> Vec<TokenStream> {
        let mut parts = Vec::new();
        let mut rest = nodes.iter();
        while let Some(node) = rest.next() {
            let part = match self.counts_words(node) {
                Some(in_words) => rest.next().map(|counted| self.counted(counted, in_words)),
                None => Some(self.part(node)),
            };
            parts.extend(part);
        }
        parts
    }

    /// The nodes after a count. They are not an option.
    fn counted(&mut self, node: &Node, in_words: bool) -> TokenStream {
        let list = match node {
            Node::List(list) => Some(list),
            Node::Optional(optional) => only_list(&optional.alternatives),
            _ => None,
        };
        let item = match list {
            Some(list) => self.parts(&list.item),
            None => vec![self.part(node)],
        };
        quote!(Part::Counted(#in_words, vec![#(#item),*]))
    }

    fn part(&mut self, node: &Node) -> TokenStream {
        if let Some((alternatives, required)) = alternatives(node) {
            let alternatives = alternatives.iter().map(|nodes| {
                let number = self.next;
                self.next += 1;
                let parts = self.parts(nodes);
                quote!((#number, vec![#(#parts),*]))
            });
            let alternatives: Vec<_> = alternatives.collect();
            return quote!(Part::Options(#required, vec![#(#alternatives),*]));
        }
        match node {
            Node::Word(word) => {
                let text = &word.text;
                quote!(Part::Word(#text))
            }
            Node::List(list) => {
                let item = self.parts(&list.item);
                quote!(Part::List(vec![#(#item),*]))
            }
            Node::Choice(choice) => {
                let words = choice.bare_words().unwrap_or_default();
                quote!(Part::OneOf(vec![#(#words),*]))
            }
            Node::Placeholder(placeholder) => match self.context.type_of(placeholder) {
                Some(PlaceholderType::Args) => quote!(Part::Any),
                // A type whose example has several words may write any number of them.
                Some(ty @ PlaceholderType::Named(_))
                    if self.context.example(placeholder, &ty).wire.len() != 1 =>
                {
                    quote!(Part::Any)
                }
                _ => quote!(Part::One),
            },
            Node::Optional(_) => TokenStream::new(),
        }
    }

    /// For a count: whether it counts words, not items.
    fn counts_words(&self, node: &Node) -> Option<bool> {
        let Node::Placeholder(placeholder) = node else {
            return None;
        };
        match self.context.type_of(placeholder)? {
            PlaceholderType::Count => Some(false),
            PlaceholderType::Words => Some(true),
            _ => None,
        }
    }
}
