//! The words and key positions of a call, read from the syntax tree: what is always written, and what the chosen
//! options add, in the order of the syntax.

use crate::model::types::PlaceholderType;
use crate::model::{Context, Example, OptionId, alternatives, names, only_list};
use crate::syntax::{List, Node, Syntax};

/// What is sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) words: Vec<String>,
    /// The positions of the keys among the words.
    pub(super) keys: Vec<usize>,
    /// The positions of the words that are the same in every such call.
    pub(super) literals: Vec<usize>,
    /// How many of the words may be left out: all items of a list but one, and words that may be missing
    /// altogether.
    pub(super) spare: usize,
}

/// What a call with these options sends. Options are numbered in the order of the syntax.
pub(super) fn wire(context: &Context<'_>, syntax: &Syntax, chosen: &[OptionId]) -> Wire {
    let mut walk = Walk {
        context,
        chosen,
        next: 0,
        wire: Wire {
            words: syntax.name.clone(),
            keys: Vec::new(),
            literals: (0..syntax.name.len()).collect(),
            spare: 0,
        },
    };
    walk.nodes(&syntax.nodes, true);
    walk.wire
}

struct Walk<'a> {
    context: &'a Context<'a>,
    chosen: &'a [OptionId],
    /// The number of the next option.
    next: OptionId,
    wire: Wire,
}

impl Walk<'_> {
    /// Walks over nodes, and writes them if they are part of the call.
    fn nodes(&mut self, nodes: &[Node], part: bool) {
        let mut rest = nodes;
        while let Some((node, after)) = rest.split_first() {
            let used = if part {
                self.counted(node, after)
                    .or_else(|| self.columns(node, after))
            } else {
                self.skipped(node, after)
            };
            if used.is_none() {
                self.node(node, part);
            }
            rest = rest.get(used.unwrap_or(1)..).unwrap_or_default();
        }
    }

    fn node(&mut self, node: &Node, part: bool) {
        if let Some((alternatives, _)) = alternatives(node) {
            return alternatives
                .iter()
                .for_each(|nodes| self.option(nodes, part));
        }
        if !part {
            return;
        }
        match node {
            Node::Word(word) => {
                self.wire.literals.push(self.wire.words.len());
                self.wire.words.push(word.text.clone());
            }
            Node::List(list) => self.list(list),
            Node::Placeholder(placeholder) => {
                let Some(ty) = self.context.type_of(placeholder) else {
                    return;
                };
                let example = self.context.example(placeholder, &ty);
                if ty == PlaceholderType::Args {
                    self.wire.spare += example.wire.len();
                }
                self.argument(example.wire, ty == PlaceholderType::Key);
            }
            Node::Choice(choice) => {
                let words = choice.bare_words().unwrap_or_default();
                let Some(ty) = self.context.enum_of(choice, &words) else {
                    return;
                };
                let name = choice
                    .name
                    .clone()
                    .unwrap_or_else(|| names::snake_of_type(&ty.name));
                let example = self.context.enum_example(&name, ty);
                self.argument(example.wire, false);
            }
            Node::Optional(_) => {}
        }
    }

    fn option(&mut self, nodes: &[Node], part: bool) {
        let part = part && self.chosen.contains(&self.next);
        self.next += 1;
        match nodes {
            // A repeatable option is called once.
            [Node::List(List { item })] if matches!(item.first(), Some(Node::Word(_))) => {
                self.nodes(item, part)
            }
            _ => self.nodes(nodes, part),
        }
    }

    /// A count and what it counts.
    fn counted(&mut self, node: &Node, after: &[Node]) -> Option<usize> {
        let ty = self.count_type(node)?;
        let counted = after.first()?;
        let before = std::mem::take(&mut self.wire);
        let item = match counted {
            Node::Optional(optional) => {
                let list = only_list(&optional.alternatives)?;
                self.list(list);
                self.wire.spare = self.wire.words.len();
                list.item.len()
            }
            Node::List(list) => {
                self.list(list);
                list.item.len()
            }
            node => {
                self.node(node, true);
                1
            }
        };
        let counted = std::mem::replace(&mut self.wire, before);
        let per_item = if ty == PlaceholderType::Words {
            1
        } else {
            item
        };
        self.wire
            .words
            .push((counted.words.len() / per_item).to_string());
        self.append(counted);
        Some(2)
    }

    /// A count that is not part of the call: what it counts is not an option, so it must not get a number.
    fn skipped(&self, node: &Node, after: &[Node]) -> Option<usize> {
        self.count_type(node)?;
        after.first().map(|_| 2)
    }

    fn count_type(&self, node: &Node) -> Option<PlaceholderType> {
        let Node::Placeholder(placeholder) = node else {
            return None;
        };
        let ty = self.context.type_of(placeholder)?;
        matches!(ty, PlaceholderType::Count | PlaceholderType::Words).then_some(ty)
    }

    /// Two lists side by side, of the same length.
    fn columns(&mut self, node: &Node, after: &[Node]) -> Option<usize> {
        let (Node::List(first), Some(Node::List(second))) = (node, after.first()) else {
            return None;
        };
        let ([left], [right]) = (first.item.as_slice(), second.item.as_slice()) else {
            return None;
        };
        let rows = self.context.items(&[left.clone(), right.clone()]);
        self.wire.spare += words(rows.iter().skip(1));
        for (column, node) in [left, right].into_iter().enumerate() {
            for example in rows.iter().filter_map(|row| row.get(column)) {
                self.argument(example.wire.clone(), self.is_key(node));
            }
        }
        Some(2)
    }

    fn list(&mut self, list: &List) {
        let rows = self.context.items(&list.item);
        self.wire.spare += words(rows.iter().skip(1));
        for row in rows {
            for (node, example) in list.item.iter().zip(row) {
                self.argument(example.wire, self.is_key(node));
            }
        }
    }

    fn is_key(&self, node: &Node) -> bool {
        let Node::Placeholder(placeholder) = node else {
            return false;
        };
        self.context.type_of(placeholder) == Some(PlaceholderType::Key)
    }

    fn argument(&mut self, words: Vec<String>, key: bool) {
        for word in words {
            if key {
                self.wire.keys.push(self.wire.words.len());
            }
            self.wire.words.push(word);
        }
    }

    fn append(&mut self, other: Wire) {
        let start = self.wire.words.len();
        self.wire
            .keys
            .extend(other.keys.iter().map(|key| key + start));
        self.wire
            .literals
            .extend(other.literals.iter().map(|literal| literal + start));
        self.wire.words.extend(other.words);
        self.wire.spare += other.spare;
    }
}

/// How many words some rows of examples have.
fn words<'a>(rows: impl Iterator<Item = &'a Vec<Example>>) -> usize {
    rows.flatten().map(|example| example.wire.len()).sum()
}
