//! Tokens to the tree: recursive descent, with a limit to the depth.

use super::ast::Sequence;
use super::lexer::{Lexed, Token, lex};
use super::{Choice, List, Node, Optional, Syntax, SyntaxError, Word};

/// The deepest nesting of brackets; the deepest syntax of the servers (FT.CREATE) has four levels.
const MAX_DEPTH: usize = 16;

/// How many leading words are the name: the command, and its subcommand.
const NAME_WORDS: usize = 2;

/// Reads a syntax line.
pub(crate) fn parse(text: &str) -> Result<Syntax, SyntaxError> {
    let mut parser = Parser {
        tokens: lex(text)?,
        next: 0,
        end: text.chars().count() + 1,
    };
    let name = parser.name()?;
    let nodes = parser.sequence(0)?;
    match parser.peek() {
        None => Ok(Syntax { name, nodes }),
        Some(token) => Err(parser.error(format!(
            "found `{token}`; no bracket that it would belong to is open"
        ))),
    }
}

struct Parser {
    tokens: Vec<Lexed>,
    next: usize,
    /// The column after the last character.
    end: usize,
}

/// What a pair of square brackets holds.
enum Bracket {
    Optional(Optional),
    /// `[x ...]`: the repetition of the item before it.
    Repeat(Vec<Node>),
}

impl Parser {
    fn name(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut name = Vec::new();
        while name.len() < NAME_WORDS
            && let Some(Token::Word(Word {
                text,
                quoted: false,
            })) = self.peek()
        {
            name.push(text.clone());
            self.next += 1;
        }
        if name.is_empty() {
            return Err(self.error(format!(
                "found {}; expected the command's name",
                self.found()
            )));
        }
        Ok(name)
    }

    /// Nodes up to a bracket, bar or dots that ends them.
    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut nodes = Vec::new();
        while let Some(token) = self.peek().cloned() {
            match token {
                Token::Word(word) => nodes.push(self.single(Node::Word(word))),
                Token::Placeholder(placeholder) => {
                    nodes.push(self.single(Node::Placeholder(placeholder)))
                }
                Token::Label(name) => {
                    self.next += 1;
                    nodes.push(Node::Choice(self.choice(Some(name), depth)?));
                }
                Token::Less => nodes.push(Node::Choice(self.choice(None, depth)?)),
                Token::Open => {
                    let column = self.column();
                    match self.bracket(depth)? {
                        Bracket::Optional(optional) => nodes.push(Node::Optional(optional)),
                        Bracket::Repeat(item) => fold(&mut nodes, item, column)?,
                    }
                }
                Token::Close | Token::Greater | Token::Bar | Token::Dots => break,
            }
        }
        Ok(nodes)
    }

    fn single(&mut self, node: Node) -> Node {
        self.next += 1;
        node
    }

    fn choice(&mut self, name: Option<String>, depth: usize) -> Result<Choice, SyntaxError> {
        let depth = self.deeper(depth)?;
        self.expect(&Token::Less)?;
        let alternatives = self.alternatives(depth)?;
        self.expect(&Token::Greater)?;
        Ok(Choice { name, alternatives })
    }

    fn bracket(&mut self, depth: usize) -> Result<Bracket, SyntaxError> {
        let depth = self.deeper(depth)?;
        self.expect(&Token::Open)?;
        let mut alternatives = self.alternatives(depth)?;
        if self.peek() != Some(&Token::Dots) {
            self.expect(&Token::Close)?;
            return Ok(Bracket::Optional(Optional { alternatives }));
        }
        let Some(item) = alternatives.pop().filter(|_| alternatives.is_empty()) else {
            return Err(self.error(
                "found `...` after several alternatives; put them in `<...>` to repeat them",
            ));
        };
        self.next += 1;
        self.expect(&Token::Close)?;
        Ok(Bracket::Repeat(item))
    }

    fn alternatives(&mut self, depth: usize) -> Result<Vec<Vec<Node>>, SyntaxError> {
        let mut alternatives = Vec::new();
        loop {
            let nodes = self.sequence(depth)?;
            if nodes.is_empty() {
                return Err(self.error(format!(
                    "found {}; expected a word or a placeholder",
                    self.found()
                )));
            }
            alternatives.push(nodes);
            if self.peek() != Some(&Token::Bar) {
                return Ok(alternatives);
            }
            self.next += 1;
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, SyntaxError> {
        if depth == MAX_DEPTH {
            return Err(self.error(format!(
                "more than {MAX_DEPTH} brackets within each other; nothing is that deep"
            )));
        }
        Ok(depth + 1)
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), SyntaxError> {
        if self.peek() != Some(wanted) {
            return Err(self.error(format!("found {}; expected `{wanted}`", self.found())));
        }
        self.next += 1;
        Ok(())
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|lexed| &lexed.token)
    }

    fn found(&self) -> String {
        self.peek()
            .map_or_else(|| "the end".to_owned(), |token| format!("`{token}`"))
    }

    fn column(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |lexed| lexed.column)
    }

    fn error(&self, text: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.column(), text)
    }
}

/// Joins the repetition `[x ...]` with the `x` before it.
fn fold(nodes: &mut Vec<Node>, item: Vec<Node>, column: usize) -> Result<(), SyntaxError> {
    let start = nodes.len().saturating_sub(item.len());
    let before = nodes.split_off(start);
    if before.len() == item.len()
        && before
            .iter()
            .zip(&item)
            .all(|(before, again)| repeats(before, again))
    {
        nodes.push(Node::List(List { item: before }));
        return Ok(());
    }
    let item = Sequence(&item);
    Err(SyntaxError::new(
        column,
        format!(
            "found `[{item} ...]`, which repeats what stands before it; expected `{item}` before it"
        ),
    ))
}

/// Whether `again` repeats `before`; an inline type need not be repeated.
fn repeats(before: &Node, again: &Node) -> bool {
    match (before, again) {
        (Node::Placeholder(before), Node::Placeholder(again)) => {
            before.name == again.name && (again.ty.is_none() || before.ty == again.ty)
        }
        (Node::Choice(before), Node::Choice(again)) => before.alternatives == again.alternatives,
        _ => before == again,
    }
}
