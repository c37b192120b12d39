//! What the parameters of a generic item must implement.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Generics, Type, TypeParam, parse_quote};

/// Adds `bound` to each type parameter that one of the types mentions.
pub(super) fn require<'a>(
    generics: &mut Generics,
    types: impl IntoIterator<Item = &'a Type>,
    bound: &TokenStream,
) {
    let types: Vec<TokenStream> = types.into_iter().map(ToTokens::to_token_stream).collect();
    let used: Vec<TypeParam> = generics
        .type_params()
        .filter(|param| types.iter().any(|ty| mentions(ty.clone(), param)))
        .cloned()
        .collect();
    let clause = generics.make_where_clause();
    for param in used {
        let ident = param.ident;
        clause.predicates.push(parse_quote!(#ident: #bound));
    }
}

/// Whether a type parameter is mentioned in the type.
pub(super) fn is_generic(generics: &Generics, ty: &Type) -> bool {
    let mut params = generics.type_params();
    params.any(|param| mentions(ty.to_token_stream(), param))
}

fn mentions(tokens: TokenStream, param: &TypeParam) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == param.ident,
        TokenTree::Group(group) => mentions(group.stream(), param),
        _ => false,
    })
}
