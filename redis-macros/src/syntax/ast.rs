//! The tree of a syntax line, with one type for each notation. Its `Display` is the notation again, as documentation
//! shows it: without inline types.

use std::fmt::{self, Display, Formatter};

/// A whole syntax line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// The words of the command's name: one, or two with a subcommand.
    pub(crate) name: Vec<String>,
    /// What follows the name.
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Word(Word),
    Placeholder(Placeholder),
    Choice(Choice),
    Optional(Optional),
    List(List),
}

/// `WORD` or `"text"`: sent as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Whether it was written in quotes.
    pub(crate) quoted: bool,
}

/// `key` or `count:u64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) name: String,
    /// The inline type.
    pub(crate) ty: Option<String>,
}

/// `<A | B>` or `end:<A | B>`: exactly one of the alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) name: Option<String>,
    pub(crate) alternatives: Vec<Vec<Node>>,
}

/// `[A | B]`: at most one of the alternatives, often the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Optional {
    pub(crate) alternatives: Vec<Vec<Node>>,
}

/// `x [x ...]`: one or more items; an item may be several nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) item: Vec<Node>,
}

impl Choice {
    /// The words, if every alternative is a bare word: then the choice is a parameter.
    pub(crate) fn bare_words(&self) -> Option<Vec<&str>> {
        self.alternatives
            .iter()
            .map(|alternative| match alternative.as_slice() {
                [Node::Word(word)] => Some(word.text.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Syntax {
    /// The tree with `[A <B x | C y>]` written out as `[A B x | A C y]`, so that every alternative is complete.
    pub(crate) fn distributed(mut self) -> Self {
        distribute_nodes(&mut self.nodes);
        self
    }
}

fn distribute_nodes(nodes: &mut [Node]) {
    for node in nodes {
        match node {
            Node::Optional(Optional { alternatives })
            | Node::Choice(Choice { alternatives, .. }) => {
                *alternatives = alternatives
                    .drain(..)
                    .flat_map(distribute_alternative)
                    .collect();
                alternatives
                    .iter_mut()
                    .for_each(|nodes| distribute_nodes(nodes));
            }
            Node::Word(_) | Node::Placeholder(_) | Node::List(_) => {}
        }
    }
}

fn distribute_alternative(nodes: Vec<Node>) -> Vec<Vec<Node>> {
    let choice = nodes
        .iter()
        .position(|node| matches!(node, Node::Choice(choice) if choice.bare_words().is_none()));
    let Some(at) = choice else { return vec![nodes] };
    let (before, rest) = nodes.split_at(at);
    let Some((Node::Choice(choice), after)) = rest.split_first() else {
        return vec![nodes];
    };
    choice
        .alternatives
        .iter()
        .map(|inner| [before, inner, after].concat())
        .collect()
}

impl Display for Syntax {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.join(" "))?;
        self.nodes.iter().try_for_each(|node| write!(f, " {node}"))
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Placeholder(placeholder) => placeholder.fmt(f),
            Self::Choice(choice) => write!(f, "<{}>", Alternatives(&choice.alternatives)),
            Self::Optional(optional) => write!(f, "[{}]", Alternatives(&optional.alternatives)),
            Self::List(list) => write!(f, "{0} [{0} ...]", Sequence(&list.item)),
        }
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            f.write_str("\"\"")
        } else {
            f.write_str(&self.text)
        }
    }
}

impl Display for Placeholder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Nodes in a row.
pub(crate) struct Sequence<'a>(pub(crate) &'a [Node]);

impl Display for Sequence<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, node) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            node.fmt(f)?;
        }
        Ok(())
    }
}

struct Alternatives<'a>(&'a [Vec<Node>]);

impl Display for Alternatives<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, nodes) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            Sequence(nodes).fmt(f)?;
        }
        Ok(())
    }
}
