//! Where the facade is, whose items an expansion names: `::typedis`, or what the macro's input says.

use proc_macro2::{Ident, Span};
use syn::Path;

/// The path of the facade where the macro is called.
#[derive(Clone)]
pub(crate) struct Facade(Path);

impl Default for Facade {
    fn default() -> Self {
        Self(syn::parse_quote!(::typedis))
    }
}

impl Facade {
    pub(crate) fn new(path: Path) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The same in a module that the expansion makes there: what begins with `self` or `super` means another place in it.
    pub(super) fn within_module(&self) -> Path {
        let mut path = self.0.clone();
        let outer = || Ident::new("super", Span::call_site());
        match path.segments.first_mut() {
            Some(first) if first.ident == "self" => first.ident = outer(),
            Some(first) if first.ident == "super" => path.segments.insert(0, outer().into()),
            _ => {}
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens as _;

    use super::*;

    #[test]
    fn a_path_leads_to_the_same_place_from_within_a_module() {
        let within = |path: &str| {
            let path = syn::parse_str(path).map(Facade::new);
            let path = path.map(|facade| facade.within_module().to_token_stream());
            path.map(|path| path.to_string().replace(' ', ""))
        };
        let cases = [
            ("::typedis", "::typedis"),
            ("kv", "kv"),
            ("crate::kv::typedis", "crate::kv::typedis"),
            ("self::kv", "super::kv"),
            ("super::kv", "super::super::kv"),
        ];
        for (path, expected) in cases {
            assert_eq!(within(path).ok().as_deref(), Some(expected));
        }
    }
}
