//! A syntax tree as parameters and options: what is always written, run by run, and what the caller may choose.
//!
//! Every run after an option, and every option, is a *part* with a number: the position in which it is sent.
//! Alternatives share a number, because only one of them is sent.
//!
//! # Layout
//!
//! - `options`: what the caller may choose

use super::examples::Example;
use super::types::PlaceholderType;
use super::{Body, Choice, Context, Kind, Opt, OptionId, Param, Run, Write, names};
use crate::syntax::{self, List, Node, Placeholder, Syntax};

mod options;

/// The content of a syntax, as far as it is correct.
pub(super) struct Lowered {
    pub(super) body: Body,
    pub(super) choices: Vec<Choice>,
    pub(super) options: Vec<Opt>,
}

pub(super) fn lower(context: &Context<'_>, syntax: &Syntax) -> Lowered {
    let mut lowerer = Lowerer {
        context,
        order: 0,
        choices: Vec::new(),
        options: Vec::new(),
    };
    let mut body = lowerer.body(&syntax.nodes, None);
    let Lowerer {
        choices,
        mut options,
        order,
        ..
    } = lowerer;
    if order > usize::from(u8::MAX) {
        context.note_syntax(format!(
            "{order} options and pieces; expected no more than {}",
            u8::MAX
        ));
    }
    options::name(context, &mut options);
    options::describe(context, &mut options);
    options::mark_blocking(context, &mut body, &mut options);
    Lowered {
        body,
        choices,
        options,
    }
}

struct Lowerer<'a> {
    context: &'a Context<'a>,
    /// The number of the last part.
    order: usize,
    choices: Vec<Choice>,
    options: Vec<Opt>,
}

impl Lowerer<'_> {
    /// The runs of a command, or of an option: the first run of a command is not a part.
    fn body(&mut self, nodes: &[Node], owner: Option<OptionId>) -> Body {
        let mut runs = Vec::new();
        let mut open = owner.is_none();
        if open {
            runs.push(Run {
                order: 0,
                writes: Vec::new(),
            });
        }
        let mut rest = nodes;
        while let Some((node, after)) = rest.split_first() {
            if let Some((alternatives, required)) = alternatives(node) {
                self.choice(alternatives, required, owner);
                open = false;
                rest = after;
                continue;
            }
            let (write, used) = self.write(node, after);
            rest = rest.get(used..).unwrap_or_default();
            if !open {
                self.order += 1;
                runs.push(Run {
                    order: u8::try_from(self.order).unwrap_or(u8::MAX),
                    writes: Vec::new(),
                });
                open = true;
            }
            if let Some(run) = runs.last_mut() {
                run.writes.extend(write);
            }
        }
        let body = Body { runs };
        self.check_distinct(&body);
        body
    }

    fn choice(&mut self, alternatives: &[Vec<Node>], required: bool, parent: Option<OptionId>) {
        let choice = self.choices.len();
        self.choices.push(Choice {
            required,
            options: Vec::new(),
        });
        let (first, mut last) = (self.order, self.order);
        for nodes in alternatives {
            self.order = first;
            self.option(nodes, choice, parent);
            last = last.max(self.order);
        }
        self.order = last;
        if required && parent.is_some() {
            self.context.note_syntax(
                "a required choice within an option; expected the alternatives written out",
            );
        }
    }

    fn option(&mut self, nodes: &[Node], choice: usize, parent: Option<OptionId>) {
        let (nodes, repeatable) = match nodes {
            [Node::List(List { item })] if matches!(item.first(), Some(Node::Word(_))) => {
                (item.as_slice(), true)
            }
            _ => (nodes, false),
        };
        let id = self.options.len();
        self.options.push(Opt {
            label: label(nodes),
            syntax: own_syntax(nodes),
            method: String::new(),
            choice,
            parent,
            requires: None,
            repeatable,
            body: Body::default(),
            doc: None,
            since: None,
            deprecated: None,
            takes_none: false,
            once_only: false,
        });
        if let Some(choice) = self.choices.get_mut(choice) {
            choice.options.push(id);
        }
        let body = self.body(nodes, Some(id));
        if let Some(option) = self.options.get_mut(id) {
            option.body = body;
        }
    }

    /// What a node writes, and how many nodes that uses up.
    fn write(&self, node: &Node, after: &[Node]) -> (Option<Write>, usize) {
        match node {
            Node::Word(word) => (Some(Write::Word(word.text.clone())), 1),
            Node::Placeholder(placeholder) => match self.context.type_of(placeholder) {
                Some(PlaceholderType::Count) => {
                    (self.counted(placeholder, false, after.first()), 2)
                }
                Some(PlaceholderType::Words) => (self.counted(placeholder, true, after.first()), 2),
                Some(ty) => (self.single(placeholder, &ty).map(Write::Param), 1),
                None => (None, 1),
            },
            Node::List(first) => match after.first() {
                Some(Node::List(second)) => (self.columns(first, second).map(Write::Param), 2),
                _ => (self.list(first, true).map(Write::Param), 1),
            },
            Node::Choice(choice) => (self.enumeration(choice).map(Write::Param), 1),
            // The caller handles it.
            Node::Optional(_) => (None, 1),
        }
    }

    fn single(&self, placeholder: &Placeholder, ty: &PlaceholderType) -> Option<Param> {
        self.check_range(placeholder, ty)?;
        let example = self.context.example(placeholder, ty);
        Some(param(
            names::param(&placeholder.name),
            [placeholder],
            ty.kind()?,
            example,
        ))
    }

    fn enumeration(&self, choice: &syntax::Choice) -> Option<Param> {
        let words = choice.bare_words().unwrap_or_default();
        let ty = self.context.enum_of(choice, &words)?;
        let placeholder = choice
            .name
            .clone()
            .unwrap_or_else(|| names::snake_of_type(&ty.name));
        let example = self.context.enum_example(&placeholder, ty);
        let kind = Kind::Enum(ty.name.clone());
        Some(Param {
            name: names::param(&placeholder),
            placeholders: vec![placeholder],
            kind,
            blocks: false,
            example,
        })
    }

    /// What a count counts.
    fn counted(&self, count: &Placeholder, words: bool, next: Option<&Node>) -> Option<Write> {
        let optional = next.and_then(|node| match node {
            Node::Optional(optional) => only_list(&optional.alternatives),
            _ => None,
        });
        let (what, len) = match (next, optional) {
            (Some(Node::List(list)), _) => (self.list(list, true)?, list.item.len()),
            (_, Some(list)) => (self.list(list, false)?, list.item.len()),
            (Some(Node::Placeholder(placeholder)), _) if words => (
                self.single(placeholder, &self.context.type_of(placeholder)?)?,
                1,
            ),
            (other, _) => {
                let name = &count.name;
                let found = other.map_or_else(|| "nothing".to_owned(), |node| format!("`{node}`"));
                self.context.note_syntax(format!(
                    "`{name}` counts what follows it, and {found} follows; expected a list such as `key [key ...]`"
                ));
                return None;
            }
        };
        let words_per_item = if words {
            1
        } else {
            u32::try_from(len).unwrap_or(u32::MAX)
        };
        Some(Write::Counted {
            words_per_item,
            what: Box::new(Write::Param(what)),
        })
    }

    fn list(&self, list: &List, required: bool) -> Option<Param> {
        let items = self.context.items(&list.item);
        match list.item.as_slice() {
            [Node::Placeholder(placeholder)] => {
                let ty = self.item_type(placeholder)?;
                self.check_range(placeholder, &ty)?;
                let keys = ty == PlaceholderType::Key;
                let kind = Kind::List { keys, required };
                Some(param(
                    names::plural(&placeholder.name),
                    [placeholder],
                    kind,
                    list_example(&items),
                ))
            }
            [Node::Choice(choice)] if choice.bare_words().is_some() => {
                let single = self.enumeration(choice)?;
                let kind = Kind::List {
                    keys: false,
                    required,
                };
                Some(Param {
                    kind,
                    name: names::plural(&single.name),
                    example: list_example(&items),
                    ..single
                })
            }
            nodes => {
                let placeholders = self.placeholders(list, nodes)?;
                let columns = placeholders
                    .iter()
                    .map(|placeholder| Some(self.item_type(placeholder)?.column()));
                let kind = Kind::Records {
                    columns: columns.collect::<Option<_>>()?,
                    required,
                };
                let name = if placeholders.len() == 2 {
                    "pairs"
                } else {
                    "records"
                };
                Some(param(name, placeholders, kind, list_example(&items)))
            }
        }
    }

    fn columns(&self, first: &List, second: &List) -> Option<Param> {
        let ([Node::Placeholder(left)], [Node::Placeholder(right)]) =
            (first.item.as_slice(), second.item.as_slice())
        else {
            let (first, second) = (Node::List(first.clone()), Node::List(second.clone()));
            self.context.note_syntax(format!(
                "`{first} {second}`: two lists side by side; expected one placeholder in each"
            ));
            return None;
        };
        let kind = Kind::Columns([
            self.item_type(left)?.column(),
            self.item_type(right)?.column(),
        ]);
        let items = self.context.items(&[
            Node::Placeholder(left.clone()),
            Node::Placeholder(right.clone()),
        ]);
        Some(param("pairs", [left, right], kind, list_example(&items)))
    }

    /// The placeholders of a record.
    fn placeholders<'n>(&self, list: &List, nodes: &'n [Node]) -> Option<Vec<&'n Placeholder>> {
        let placeholder = |node: &'n Node| match node {
            Node::Placeholder(placeholder) => Some(placeholder),
            _ => None,
        };
        let placeholders: Option<Vec<_>> = nodes.iter().map(placeholder).collect();
        if placeholders
            .as_ref()
            .is_some_and(|placeholders| placeholders.len() <= 3)
        {
            return placeholders;
        }
        let text = Node::List(list.clone());
        self.context.note_syntax(format!(
            "`{text}` is more than a list of up to three placeholders; expected a placeholder with a type written by hand, \
             such as `steps:Steps`"
        ));
        None
    }

    fn item_type(&self, placeholder: &Placeholder) -> Option<PlaceholderType> {
        let ty = self.context.type_of(placeholder)?;
        if matches!(
            ty,
            PlaceholderType::Count | PlaceholderType::Words | PlaceholderType::Args
        ) {
            let (name, ty) = (&placeholder.name, ty.name());
            self.context.note_syntax(format!(
                "`{name}` in a list has the type `{ty}`; expected the type of a single argument"
            ));
            return None;
        }
        Some(ty)
    }

    /// Only a column of records has a range: a parameter by itself would rather have a type.
    fn check_range(&self, placeholder: &Placeholder, ty: &PlaceholderType) -> Option<()> {
        let PlaceholderType::Range(range, _) = ty else {
            return Some(());
        };
        let name = &placeholder.name;
        self.context.note_syntax(format!(
            "`{name}` has the range `{range}`, which is for pairs and longer records; expected a number type such as `u64`"
        ));
        None
    }

    fn check_distinct(&self, body: &Body) {
        let names: Vec<&Param> = body.params().collect();
        for (index, param) in names.iter().enumerate() {
            if names
                .iter()
                .take(index)
                .any(|other| other.name == param.name)
            {
                self.context.note_syntax(format!(
                    "two parameters of the name `{}`; expected different placeholders, or a name as in `end:<A | B>`",
                    param.name
                ));
            }
        }
    }
}

fn param<'a>(
    name: impl Into<String>,
    placeholders: impl IntoIterator<Item = &'a Placeholder>,
    kind: Kind,
    example: Example,
) -> Param {
    let placeholders = placeholders
        .into_iter()
        .map(|placeholder| placeholder.name.clone())
        .collect();
    Param {
        name: name.into(),
        placeholders,
        kind,
        blocks: false,
        example,
    }
}

/// `["a", "b"]` or `[("a", 1), ("b", 2)]`.
fn list_example(items: &[Vec<Example>]) -> Example {
    let item = |examples: &Vec<Example>| {
        let parts: Vec<&str> = examples
            .iter()
            .map(|example| example.rust.as_str())
            .collect();
        if let [single] = parts.as_slice() {
            (*single).to_owned()
        } else {
            format!("({})", parts.join(", "))
        }
    };
    let rust = items.iter().map(item).collect::<Vec<_>>().join(", ");
    let wire = items
        .iter()
        .flatten()
        .flat_map(|example| example.wire.iter().cloned())
        .collect();
    Example {
        rust: format!("[{rust}]"),
        wire,
    }
}

/// The alternatives of a node that the caller chooses from with methods, and whether one must be chosen.
pub(crate) fn alternatives(node: &Node) -> Option<(&[Vec<Node>], bool)> {
    match node {
        Node::Optional(optional) => Some((&optional.alternatives, false)),
        Node::Choice(choice) if choice.bare_words().is_none() => Some((&choice.alternatives, true)),
        _ => None,
    }
}

/// The list that is the only content of an optional bracket.
pub(crate) fn only_list(alternatives: &[Vec<Node>]) -> Option<&List> {
    match alternatives {
        [nodes] => match nodes.as_slice() {
            [Node::List(list)] => Some(list),
            _ => None,
        },
        _ => None,
    }
}

/// The words that an option starts with, or the placeholders of a bare one.
fn label(nodes: &[Node]) -> String {
    let own = || {
        nodes
            .iter()
            .filter(|node| !matches!(node, Node::Optional(_)))
    };
    let words: Vec<&str> = own()
        .map_while(|node| match node {
            Node::Word(word) => Some(word.text.as_str()),
            _ => None,
        })
        .collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    let names = own().flat_map(|node| match node {
        Node::List(list) => list.item.iter().filter_map(node_name).collect(),
        node => node_name(node).into_iter().collect::<Vec<_>>(),
    });
    names.collect::<Vec<_>>().join(" ")
}

fn node_name(node: &Node) -> Option<&str> {
    match node {
        Node::Placeholder(placeholder) => Some(&placeholder.name),
        Node::Choice(choice) => choice.name.as_deref(),
        Node::Word(_) | Node::Optional(_) | Node::List(_) => None,
    }
}

/// The syntax of an option without the options within it.
fn own_syntax(nodes: &[Node]) -> String {
    let own = nodes
        .iter()
        .filter(|node| !matches!(node, Node::Optional(_)));
    own.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
