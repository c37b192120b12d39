//! What kind of argument a placeholder is, and how it is written.

use syn::Type;

use super::{Context, names};
use crate::problems::Problems;
use crate::spec::{Spec, Text};
use crate::syntax::{Choice, Placeholder};

/// What `[types]` or an inline type says about a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceholderType {
    /// One argument that is a key.
    Key,
    /// One argument.
    Value,
    /// Any number of arguments.
    Args,
    /// A number, by value: the name of its Rust type.
    Number(String),
    /// A whole number of this range, in a record: as it is written, and its ends.
    Range(String, [i64; 2]),
    /// The number of items that follow.
    Count,
    /// The number of words that follow.
    Words,
    /// A type in the scope of the macro's caller.
    Named(String),
}

/// How a parameter is declared and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Value,
    Args,
    Number(String),
    Named(String),
    /// An enum of `[enums]`.
    Enum(String),
    List {
        keys: bool,
        required: bool,
    },
    Records {
        columns: Vec<Column>,
        required: bool,
    },
    /// Pairs that are written as two lists.
    Columns([Column; 2]),
}

/// What a column of records takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Text,
    Number,
    /// Whole numbers from the first to the second.
    Within([i64; 2]),
    Key,
}

/// An enum of `[enums]`.
#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) variants: Vec<Variant>,
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    /// The word that is sent.
    pub(crate) word: String,
}

const NUMBERS: [&str; 14] = [
    "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f32",
    "f64",
];

impl PlaceholderType {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "key" => Self::Key,
            "value" => Self::Value,
            "args" => Self::Args,
            "count" => Self::Count,
            "words" => Self::Words,
            number if NUMBERS.contains(&number) => Self::Number(number.to_owned()),
            range if range.contains("..=") => Self::Range(range.to_owned(), ends(range)?),
            named if is_type_name(named) => Self::Named(named.to_owned()),
            _ => return None,
        })
    }

    /// The column that it is in a record.
    pub(crate) fn column(&self) -> Column {
        match self {
            Self::Key => Column::Key,
            Self::Number(_) => Column::Number,
            Self::Range(_, ends) => Column::Within(*ends),
            _ => Column::Text,
        }
    }

    /// The parameter for a single one; `None` for a computed number, and for what is for records only.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Key => Kind::Key,
            Self::Value => Kind::Value,
            Self::Args => Kind::Args,
            Self::Number(name) => Kind::Number(name.clone()),
            Self::Named(name) => Kind::Named(name.clone()),
            Self::Count | Self::Words | Self::Range(..) => return None,
        })
    }

    /// The highest number that fits, as far as it matters for examples.
    pub(crate) fn highest(&self) -> u64 {
        match self {
            Self::Range(_, [_, high]) => u64::try_from(*high).unwrap_or_default(),
            Self::Number(name) => match name.as_str() {
                "i8" => 0x7f,
                "u8" => 0xff,
                "i16" => 0x7fff,
                "u16" => 0xffff,
                "i32" => 0x7fff_ffff,
                "u32" => 0xffff_ffff,
                _ => u64::MAX,
            },
            _ => u64::MAX,
        }
    }

    /// Its name in `[examples]`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
            Self::Args => "args",
            Self::Count => "count",
            Self::Words => "words",
            Self::Number(name) | Self::Range(name, _) | Self::Named(name) => name,
        }
    }
}

fn is_type_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && syn::parse_str::<Type>(name).is_ok()
}

/// The ends of `0..=100`, in this order.
fn ends(range: &str) -> Option<[i64; 2]> {
    let (low, high) = range.split_once("..=")?;
    let ends = [low.parse().ok()?, high.parse().ok()?];
    (ends[0] <= ends[1]).then_some(ends)
}

const EXPECTED: &str = "expected `key`, `value`, `args`, `count`, `words`, a number type such as `i64`, a range such as `0..=100`, or the name of a type in upper case";

/// Notes the entries of `[types]` and `[tokens]` that have no effect.
pub(crate) fn check_types(spec: &Spec, problems: &Problems) {
    for ty in spec.types.values() {
        if PlaceholderType::from_name(&ty.text).is_none() {
            problems.note(
                ty.line,
                "types",
                format!("unknown type `{}`; {EXPECTED}", ty.text),
            );
        }
    }
    for method in spec.tokens.values() {
        if let Err(why) = names::check_method(&method.text) {
            problems.note(
                method.line,
                "tokens",
                format!("`{}` {why}; expected another name", method.text),
            );
        }
    }
}

/// The enums, with problems noted for names that Rust does not take and for enums with the same words.
pub(crate) fn enums(spec: &Spec, problems: &Problems) -> Vec<Enum> {
    let mut enums: Vec<Enum> = Vec::new();
    for (name, words) in &spec.enums {
        if !is_type_name(&name.text) {
            problems.note(
                name.line,
                "enums",
                format!(
                    "`{}` is no name of a type; expected one such as `ListEnd`",
                    name.text
                ),
            );
        }
        let variants: Vec<Variant> = words
            .iter()
            .filter_map(|word| variant(word, problems))
            .collect();
        check_variants(name, &variants, problems);
        let same = enums
            .iter()
            .find(|other| other.has_words(words.iter().map(|word| word.text.as_str())));
        if let Some(other) = same {
            let text = format!(
                "`{}` has the words of `{}`; expected one enum for them",
                name.text, other.name
            );
            problems.note(name.line, "enums", text);
        }
        if variants.is_empty() {
            problems.note(
                name.line,
                "enums",
                format!("`{}` has no words; expected some", name.text),
            );
        }
        enums.push(Enum {
            name: name.text.clone(),
            variants,
        });
    }
    enums
}

/// Notes words that would be the same variant: `A-B` and `A_B`.
fn check_variants(name: &Text, variants: &[Variant], problems: &Problems) {
    for (index, variant) in variants.iter().enumerate() {
        let before = variants.iter().take(index);
        if let Some(other) = before.into_iter().find(|other| other.name == variant.name) {
            let text = format!(
                "`{}` and `{}` would both be the variant `{}::{}`; expected words that differ in letters or digits",
                other.word, variant.word, name.text, variant.name
            );
            problems.note(name.line, "enums", text);
        }
    }
}

fn variant(word: &Text, problems: &Problems) -> Option<Variant> {
    let name = names::camel(&word.text);
    if syn::parse_str::<syn::Ident>(&name).is_err() {
        problems.note(
            word.line,
            "enums",
            format!(
                "`{}` gives no name of a variant; expected a word of letters",
                word.text
            ),
        );
        return None;
    }
    Some(Variant {
        name,
        word: word.text.clone(),
    })
}

impl Enum {
    pub(crate) fn has_word(&self, word: &str) -> bool {
        self.variants
            .iter()
            .any(|variant| variant.word.eq_ignore_ascii_case(word))
    }

    /// Whether it has exactly these words, in any order and case: `[enums]` decides in which case a word is sent.
    pub(crate) fn has_words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> bool {
        let sorted = |words: &mut dyn Iterator<Item = &str>| {
            let mut words: Vec<String> = words.map(str::to_ascii_uppercase).collect();
            words.sort();
            words
        };
        sorted(&mut self.variants.iter().map(|variant| variant.word.as_str()))
            == sorted(&mut words.into_iter())
    }
}

impl Context<'_> {
    /// The type of a placeholder.
    pub(crate) fn type_of(&self, placeholder: &Placeholder) -> Option<PlaceholderType> {
        let name = &placeholder.name;
        if let Some(inline) = &placeholder.ty {
            let ty = PlaceholderType::from_name(inline);
            if ty.is_none() {
                self.note_syntax(format!("unknown type `{inline}` of `{name}`; {EXPECTED}"));
            }
            return ty;
        }
        let Some(ty) = self.spec.types.get(name) else {
            let near = crate::nearest::nearest(name, self.spec.types.keys().map(String::as_str));
            let hint = near
                .map(|near| format!(" (did you mean `{near}`?)"))
                .unwrap_or_default();
            self.note_syntax(format!(
                "unknown placeholder `{name}`{hint}; expected an entry in [types] or an inline type such as `{name}:u64`"
            ));
            return None;
        };
        // A fault in [types] is noted at its own line.
        PlaceholderType::from_name(&ty.text)
    }

    /// The enum of a choice between bare words.
    pub(crate) fn enum_of(&self, choice: &Choice, words: &[&str]) -> Option<&Enum> {
        let found = self
            .enums
            .iter()
            .find(|candidate| candidate.has_words(words.iter().copied()));
        if found.is_none() {
            let text = crate::syntax::Node::Choice(choice.clone());
            self.note_syntax(format!(
                "`{text}` has no type; expected an entry in [enums] with exactly these words"
            ));
        }
        found
    }
}

impl Kind {
    /// Whether keys are among what it writes.
    pub(crate) fn has_keys(&self) -> bool {
        match self {
            Self::Key => true,
            Self::List { keys, .. } => *keys,
            Self::Records { columns, .. } => columns.contains(&Column::Key),
            Self::Columns(columns) => columns.contains(&Column::Key),
            Self::Value | Self::Args | Self::Number(_) | Self::Named(_) | Self::Enum(_) => false,
        }
    }
}
