//! The example arguments in documentation and generated tests, and the words that they are sent as.

use syn::{Expr, ExprLit, ExprUnary, Lit, UnOp};

use super::types::{Enum, PlaceholderType};
use super::{Context, names};
use crate::spec::ExampleSpec;
use crate::syntax::{Node, Placeholder};

/// A Rust expression, and the words that it is sent as.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) rust: String,
    pub(crate) wire: Vec<String>,
}

/// How many items an example of a list has, unless the command sets its own.
const ITEMS: usize = 2;

impl Context<'_> {
    /// The example of a placeholder outside of a list.
    pub(crate) fn example(&self, placeholder: &Placeholder, ty: &PlaceholderType) -> Example {
        match self.example_spec(&placeholder.name, ty.name()) {
            Some(spec) => {
                let example = self.read_example(&placeholder.name, spec);
                self.check_within(&placeholder.name, ty, &example, spec.rust.line);
                example
            }
            None => self.default_example(placeholder, ty),
        }
    }

    /// The example of a parameter of an enum.
    pub(crate) fn enum_example(&self, param: &str, ty: &Enum) -> Example {
        if let Some(spec) = self.example_spec(param, &ty.name) {
            return self.read_example(param, spec);
        }
        let first = ty.variants.first();
        let (name, word) = first
            .map(|first| (first.name.as_str(), first.word.clone()))
            .unwrap_or_default();
        Example {
            rust: format!("{}::{name}", ty.name),
            wire: vec![word],
        }
    }

    /// The examples of the items of a list, each with one example for each placeholder of the item.
    pub(crate) fn items(&self, item: &[Node]) -> Vec<Vec<Example>> {
        let columns: Vec<Vec<Example>> = item.iter().map(|node| self.column(node)).collect();
        let len = columns.iter().map(Vec::len).min().unwrap_or_default();
        let row = |index| {
            columns
                .iter()
                .filter_map(|column: &Vec<Example>| column.get(index).cloned())
                .collect()
        };
        (0..len).map(row).collect()
    }

    /// The examples of one placeholder of a list.
    fn column(&self, node: &Node) -> Vec<Example> {
        match node {
            Node::Placeholder(placeholder) => {
                let Some(ty) = self.type_of(placeholder) else {
                    return Vec::new();
                };
                let example = self.example(placeholder, &ty);
                if let Some(items) = array_items(&example.rust) {
                    return items;
                }
                let own = self
                    .command
                    .args
                    .iter()
                    .any(|(name, _)| name.text == placeholder.name);
                if own {
                    vec![example]
                } else {
                    (0..ITEMS)
                        .map(|index| varied(&example, index, ty.highest()))
                        .collect()
                }
            }
            Node::Choice(choice) => {
                let words = choice.bare_words().unwrap_or_default();
                let ty = self
                    .enums
                    .iter()
                    .find(|ty| ty.has_words(words.iter().copied()));
                ty.map(|ty| vec![self.enum_example(&names::snake_of_type(&ty.name), ty)])
                    .unwrap_or_default()
            }
            Node::Word(_) | Node::Optional(_) | Node::List(_) => Vec::new(),
        }
    }

    /// The example in the file: for the placeholder in this command, for the placeholder, or for its type.
    fn example_spec(&self, placeholder: &str, ty: &str) -> Option<&ExampleSpec> {
        let own = self
            .command
            .args
            .iter()
            .find(|(name, _)| name.text == placeholder)
            .map(|(_, example)| example);
        // The example of a name has the type that `[types]` gives to the name, not one that is given inline.
        let usual = self
            .spec
            .types
            .get(placeholder)
            .is_none_or(|usual| usual.text == ty);
        own.or_else(|| self.spec.examples.get(placeholder).filter(|_| usual))
            .or_else(|| self.spec.examples.get(ty))
    }

    fn read_example(&self, placeholder: &str, spec: &ExampleSpec) -> Example {
        let rust = spec.rust.text.clone();
        let note = |what: &str, expected: &str| {
            let text = format!(
                "the example `{rust}` of `{placeholder}` is no {what}; expected {expected}"
            );
            self.note(spec.rust.line, text);
        };
        let Ok(parsed) = syn::parse_str::<Expr>(&rust) else {
            note("Rust", "an expression");
            return Example {
                wire: vec![rust.clone()],
                rust,
            };
        };
        let wire = spec.wire.clone().or_else(|| literal_words(&parsed));
        if wire.is_none() {
            note("literal", "`{ rust = ..., wire = [...] }`");
        }
        Example {
            rust,
            wire: wire.unwrap_or_default(),
        }
    }

    /// Notes an example of a number that is outside of its range: the command would not be sent.
    fn check_within(&self, name: &str, ty: &PlaceholderType, example: &Example, line: usize) {
        let PlaceholderType::Range(range, [low, high]) = ty else {
            return;
        };
        let is_within = |word: &String| {
            let number = word.parse::<i64>();
            number.is_ok_and(|number| (*low..=*high).contains(&number))
        };
        if !example.wire.iter().all(is_within) {
            let rust = &example.rust;
            let text = format!(
                "the example `{rust}` of `{name}` is outside of `{range}`; expected a number within it"
            );
            self.note(line, text);
        }
    }

    fn default_example(&self, placeholder: &Placeholder, ty: &PlaceholderType) -> Example {
        let name = &placeholder.name;
        let (rust, word) = match ty {
            PlaceholderType::Number(number) if number.starts_with('f') => {
                ("1.5".to_owned(), "1.5".to_owned())
            }
            PlaceholderType::Number(_) => ("1".to_owned(), "1".to_owned()),
            PlaceholderType::Range(_, [low, high]) => {
                let number = 1.clamp(*low, *high).to_string();
                (number.clone(), number)
            }
            PlaceholderType::Args => (format!("[\"{name}\"]"), name.clone()),
            PlaceholderType::Named(ty) => {
                self.note_syntax(format!(
                    "`{name}` has no example; expected one of `{name}` or `{ty}` in [examples]"
                ));
                (name.clone(), name.clone())
            }
            _ => (format!("\"{name}\""), name.clone()),
        };
        Example {
            rust,
            wire: vec![word],
        }
    }
}

/// The words of a literal, or of an array or tuple of literals, which are sent as their text.
fn literal_words(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => literal_text(lit).map(|text| vec![text]),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => {
            let words = literal_words(expr)?;
            Some(words.into_iter().map(|word| format!("-{word}")).collect())
        }
        Expr::Array(array) => Some(
            array
                .elems
                .iter()
                .map(literal_words)
                .collect::<Option<Vec<_>>>()?
                .concat(),
        ),
        Expr::Tuple(tuple) => Some(
            tuple
                .elems
                .iter()
                .map(literal_words)
                .collect::<Option<Vec<_>>>()?
                .concat(),
        ),
        _ => None,
    }
}

fn literal_text(lit: &Lit) -> Option<String> {
    match lit {
        Lit::Str(text) => Some(text.value()),
        Lit::ByteStr(bytes) => String::from_utf8(bytes.value()).ok(),
        Lit::Int(int) => Some(int.base10_digits().to_owned()),
        Lit::Float(float) => Some(float.base10_digits().to_owned()),
        _ => None,
    }
}

/// The items of an example that is an array: then it is the example of the whole list.
fn array_items(rust: &str) -> Option<Vec<Example>> {
    let Ok(Expr::Array(array)) = syn::parse_str::<Expr>(rust) else {
        return None;
    };
    let item = |expr: &Expr| {
        Some(Example {
            rust: quote::ToTokens::to_token_stream(expr).to_string(),
            wire: literal_words(expr)?,
        })
    };
    array.elems.iter().map(item).collect()
}

/// The example with another value, if another one is easy to make: `"key2"`, `3`. A number is at most `highest`.
fn varied(example: &Example, index: usize, highest: u64) -> Example {
    let same = || example.clone();
    if index == 0 {
        return same();
    }
    match syn::parse_str::<Lit>(&example.rust) {
        Ok(Lit::Str(text))
            if text
                .value()
                .ends_with(|last: char| last.is_ascii_alphabetic()) =>
        {
            let text = format!("{}{}", text.value(), index + 1);
            Example {
                rust: format!("{text:?}"),
                wire: vec![text],
            }
        }
        Ok(Lit::Int(int)) => {
            let Ok(value) = int.base10_parse::<u32>() else {
                return same();
            };
            let text = (u64::from(value) + index as u64).min(highest).to_string();
            Example {
                rust: format!("{text}{}", int.suffix()),
                wire: vec![text],
            }
        }
        _ => same(),
    }
}
