//! The reply types of a command, and which options decide between them.

use std::fmt;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Ident, Type};

use super::{Condition, Context, Opt, OptionId};
use crate::spec::Text;

/// Type parameters of replies, which the caller chooses.
const PARAMETERS: [&str; 3] = ["T", "K", "V"];

/// A reply type.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) ty: Type,
    /// As the spec writes it.
    pub(crate) text: String,
    /// The type parameters in it, which the caller chooses.
    pub(crate) params: Vec<Ident>,
}

/// What a command replies: the type of the first rule whose condition holds, otherwise the last type.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) rules: Vec<(Condition, Reply)>,
    pub(crate) otherwise: Reply,
    /// What examples choose for the type parameters, where it is not `String`.
    pub(crate) shown: Vec<(String, Reply)>,
}

impl Replies {
    /// The reply when these options are chosen.
    pub(crate) fn reply(&self, chosen: impl Fn(OptionId) -> bool) -> &Reply {
        self.rules
            .iter()
            .find(|(condition, _)| condition.holds(&chosen))
            .map_or(&self.otherwise, |(_, reply)| reply)
    }

    /// A reply with the types that examples choose for its parameters.
    pub(crate) fn shown(&self, reply: &Reply) -> TokenStream {
        reply.with(&|param| {
            let shown = self.shown.iter().find(|(name, _)| param == name);
            Some(shown.map_or_else(
                || quote::quote!(String),
                |(_, shown)| shown.ty.to_token_stream(),
            ))
        })
    }

    /// The options that the type depends on.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = OptionId> {
        self.rules
            .iter()
            .flat_map(|(condition, _)| condition.options())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Reply> {
        self.rules
            .iter()
            .map(|(_, reply)| reply)
            .chain([&self.otherwise])
    }
}

impl Reply {
    /// Whether it is an `Option`.
    pub(crate) fn may_be_nil(&self) -> bool {
        let Type::Path(path) = &self.ty else {
            return false;
        };
        let last = path.path.segments.last();
        last.is_some_and(|segment| segment.ident == "Option")
    }

    fn parse(text: &str) -> syn::Result<Self> {
        let ty: Type = syn::parse_str(text)?;
        let mut idents = Vec::new();
        identifiers(ty.to_token_stream(), &mut idents);
        let params = PARAMETERS
            .iter()
            .filter_map(|name| idents.iter().find(|ident| *ident == name).cloned())
            .collect();
        Ok(Self {
            ty,
            text: text.to_owned(),
            params,
        })
    }

    /// Its type with other types for some of the caller's choices.
    pub(crate) fn with(&self, replacement: &dyn Fn(&Ident) -> Option<TokenStream>) -> TokenStream {
        let replacement =
            |ident: &Ident| replacement(ident).filter(|_| self.params.contains(ident));
        replace(self.ty.to_token_stream(), &replacement)
    }

    /// The identifiers that its type is made of.
    pub(crate) fn identifiers(&self) -> Vec<Ident> {
        let mut idents = Vec::new();
        identifiers(self.ty.to_token_stream(), &mut idents);
        idents
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.text).finish()
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        self.ty.to_token_stream().to_string() == other.ty.to_token_stream().to_string()
    }
}

fn identifiers(tokens: TokenStream, found: &mut Vec<Ident>) {
    // Groups are not nested deeper than in the type that syn has parsed.
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => found.push(ident),
            TokenTree::Group(group) => identifiers(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn replace(
    tokens: TokenStream,
    replacement: &dyn Fn(&Ident) -> Option<TokenStream>,
) -> TokenStream {
    let token = |token| match token {
        TokenTree::Ident(ident) => replacement(&ident).unwrap_or_else(|| ident.to_token_stream()),
        TokenTree::Group(group) => {
            Group::new(group.delimiter(), replace(group.stream(), replacement)).to_token_stream()
        }
        other => other.to_token_stream(),
    };
    tokens.into_iter().map(token).collect()
}

impl Context<'_> {
    pub(crate) fn replies(&self, options: &[Opt]) -> Replies {
        let rules = self.command.replies.iter().filter_map(|(condition, ty)| {
            let reply = self.reply(ty);
            Some((self.condition(condition, "replies", options)?, reply))
        });
        let mut replies = Replies {
            rules: rules.collect(),
            otherwise: self.reply(&self.command.reply),
            shown: Vec::new(),
        };
        replies.shown = self.shown(&replies);
        replies
    }

    /// The types that examples choose.
    fn shown(&self, replies: &Replies) -> Vec<(String, Reply)> {
        let mut shown = Vec::new();
        for (param, ty) in &self.command.shown {
            let is_param = replies
                .all()
                .any(|reply| reply.params.iter().any(|known| *known == param.text));
            let parsed = Reply::parse(&ty.text);
            match parsed {
                Ok(parsed) if is_param => shown.push((param.text.clone(), parsed)),
                Ok(_) => self.note(
                    param.line,
                    format!(
                        "`shown` names `{}`, which no reply has; expected a type parameter such as `T`",
                        param.text
                    ),
                ),
                Err(_) => self.note(
                    ty.line,
                    format!("`{}` is no type; expected one such as `String`", ty.text),
                ),
            }
        }
        shown
    }

    fn reply(&self, text: &Text) -> Reply {
        Reply::parse(&text.text).unwrap_or_else(|_| {
            self.note(
                text.line,
                format!(
                    "the reply `{}` is no type; expected one such as `Option<T>`",
                    text.text
                ),
            );
            Reply {
                ty: syn::parse_quote!(()),
                text: text.text.clone(),
                params: Vec::new(),
            }
        })
    }
}
