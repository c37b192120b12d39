//! The imports of one file, read from its syntax. Code that is only compiled for tests does not count.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Attribute, Item, UseTree, Visibility};

/// A path that is named in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    /// As it is written: `crate`, `super` and `self` are still in it.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// A name that a `use` brings into a module.
#[derive(Debug)]
pub(super) struct Import {
    /// `*` for all of them.
    pub(super) name: String,
    pub(super) from: Mention,
    pub(super) public: bool,
}

/// A module as it is written: in a file of its own, or inline.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Modules in files of their own.
    pub(super) children: Vec<String>,
    /// Modules within this file.
    pub(super) inline: Vec<(String, Source)>,
    pub(super) imports: Vec<Import>,
    /// Paths outside of `use`.
    pub(super) mentions: Vec<Mention>,
    /// All names outside of `use`.
    pub(super) words: BTreeSet<String>,
}

impl Source {
    /// Reads a file.
    pub(super) fn read(text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        Ok(Self::of_items(&file.items))
    }

    fn of_items(items: &[Item]) -> Self {
        let mut source = Self::default();
        for item in items {
            source.add(item);
        }
        source
    }

    fn add(&mut self, item: &Item) {
        match item {
            Item::Mod(module) if is_for_tests(&module.attrs) => {}
            Item::Mod(module) => match &module.content {
                Some((_, items)) => {
                    let inline = Self::of_items(items);
                    self.inline.push((module.ident.to_string(), inline));
                }
                None => self.children.push(module.ident.to_string()),
            },
            Item::Use(item) if is_for_tests(&item.attrs) => {}
            Item::Use(item) => {
                let public = !matches!(item.vis, Visibility::Inherited);
                self.add_use(&item.tree, &mut Vec::new(), public);
            }
            Item::Fn(item) if is_for_tests(&item.attrs) => {}
            Item::Impl(item) if is_for_tests(&item.attrs) => {}
            other => self.scan(other.to_token_stream()),
        }
    }

    /// The names that a `use` brings; to the depth of the written braces.
    fn add_use(&mut self, tree: &UseTree, path: &mut Vec<String>, public: bool) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.add_use(&step.tree, path, public);
                path.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, path, public);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let own = path.last().cloned().unwrap_or_default();
                self.import(own, path.clone(), &name.ident, public);
            }
            UseTree::Name(name) => {
                let mut path = path.clone();
                path.push(name.ident.to_string());
                self.import(name.ident.to_string(), path, &name.ident, public);
            }
            UseTree::Rename(name) => {
                let mut path = path.clone();
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                self.import(name.rename.to_string(), path, &name.ident, public);
            }
            UseTree::Glob(star) => {
                let line = star.star_token.spans[0].start().line;
                let path = path.clone();
                self.imports.push(Import {
                    name: "*".to_owned(),
                    from: Mention { path, line },
                    public,
                });
            }
        }
    }

    fn import(&mut self, name: String, path: Vec<String>, at: &proc_macro2::Ident, public: bool) {
        let line = at.span().start().line;
        let from = Mention { path, line };
        self.imports.push(Import { name, from, public });
    }

    /// Collects the paths among tokens, also those in macros.
    fn scan(&mut self, tokens: TokenStream) {
        let mut left = vec![tokens.into_iter().peekable()];
        let mut path = Path::default();
        while let Some(tokens) = left.last_mut() {
            match tokens.next() {
                None => {
                    path.end(self);
                    left.pop();
                }
                Some(TokenTree::Ident(ident)) => {
                    self.words.insert(ident.to_string());
                    path.add(self, ident.to_string(), ident.span().start().line);
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == ':' => path.colon(),
                // The doc comment of an item, or another attribute, contains no imports.
                Some(TokenTree::Punct(punct)) if punct.as_char() == '#' => {
                    path.end(self);
                    let attribute = |next: &TokenTree| matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket);
                    tokens.next_if(attribute);
                }
                Some(TokenTree::Group(group)) => {
                    path.end(self);
                    left.push(group.stream().into_iter().peekable());
                }
                Some(_) => path.end(self),
            }
        }
    }
}

/// A path that is being read.
#[derive(Default)]
struct Path {
    steps: Vec<String>,
    line: usize,
    colons: usize,
}

impl Path {
    fn add(&mut self, source: &mut Source, step: String, line: usize) {
        if self.colons != 2 {
            self.end(source);
            self.line = line;
        }
        self.colons = 0;
        self.steps.push(step);
    }

    fn colon(&mut self) {
        self.colons += 1;
    }

    fn end(&mut self, source: &mut Source) {
        self.colons = 0;
        let path = std::mem::take(&mut self.steps);
        if path.len() > 1 {
            let line = self.line;
            source.mentions.push(Mention { path, line });
        }
    }
}

/// Whether a `cfg` limits the item to tests.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = attribute.meta.to_token_stream().to_string();
        let words: Vec<&str> = words
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .collect();
        words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<String> {
        let source = Source::read(text).unwrap();
        let show = |import: &Import| format!("{} = {}", import.name, import.from.path.join("::"));
        source.imports.iter().map(show).collect()
    }

    #[test]
    fn braces_self_renames_and_globs_are_told_apart() {
        let text = "use crate::a::{self, B, c::D as E, f::*};\nuse super::g as h;";
        let expected = [
            "a = crate::a",
            "B = crate::a::B",
            "E = crate::a::c::D",
            "* = crate::a::f",
            "h = super::g",
        ];
        assert_eq!(imports(text), expected);
    }

    #[test]
    fn what_is_for_tests_does_not_count() {
        let text = "#[cfg(test)] use crate::a::B;\n#[cfg(all(test, feature = \"x\"))] mod tests { use crate::c::D; }";
        assert!(imports(text).is_empty());
        let source = Source::read(text).unwrap();
        assert!(source.children.is_empty() && source.inline.is_empty());
    }

    #[test]
    fn paths_in_code_and_in_macros_are_seen_with_their_lines() {
        let text = "fn f() {\n    crate::a::b(1);\n}\nmacro_rules! m { () => { $crate::c::D::new() }; }\n/// [`crate::e::F`]\nstruct G;";
        let source = Source::read(text).unwrap();
        let seen: Vec<(String, usize)> = source
            .mentions
            .iter()
            .map(|mention| (mention.path.join("::"), mention.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("crate::a::b".to_owned(), 2),
                ("crate::c::D::new".to_owned(), 4)
            ]
        );
    }
}
