//! Text to tokens.

use std::fmt::{self, Display, Formatter};
use std::iter::Peekable;
use std::str::Chars;

use super::{Placeholder, SyntaxError, Word};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Word),
    Placeholder(Placeholder),
    /// `end:` before a choice.
    Label(String),
    /// `[`
    Open,
    /// `]`
    Close,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `|`
    Bar,
    /// `...`
    Dots,
}

/// A token and the column of its first character, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexed {
    pub(crate) token: Token,
    pub(crate) column: usize,
}

/// Characters that need no quotes although they are not identifiers, as in the Redis documentation.
const SYMBOLS: [char; 6] = ['*', '$', '=', '~', '#', '+'];

pub(crate) fn lex(text: &str) -> Result<Vec<Lexed>, SyntaxError> {
    let mut lexer = Lexer {
        rest: text.chars().peekable(),
        column: 1,
    };
    let mut tokens = Vec::new();
    while let Some(lexed) = lexer.next()? {
        tokens.push(lexed);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    column: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Lexed>, SyntaxError> {
        self.take_while(char::is_whitespace);
        let column = self.column;
        let Some(first) = self.rest.peek().copied() else {
            return Ok(None);
        };
        let token = match first {
            '[' => self.single(Token::Open),
            ']' => self.single(Token::Close),
            '<' => self.single(Token::Less),
            '>' => self.single(Token::Greater),
            '|' => self.single(Token::Bar),
            '"' => self.quoted()?,
            '.' => self.dots()?,
            'a'..='z' => self.placeholder()?,
            'A'..='Z' | '0'..='9' | '_' => self.word()?,
            symbol if SYMBOLS.contains(&symbol) => {
                self.bump();
                Token::Word(Word {
                    text: symbol.to_string(),
                    quoted: false,
                })
            }
            other => {
                let text = format!(
                    "found `{other}`; expected a word, a placeholder or a bracket (other words go in quotes)"
                );
                return Err(SyntaxError::new(column, text));
            }
        };
        Ok(Some(Lexed { token, column }))
    }

    fn single(&mut self, token: Token) -> Token {
        self.bump();
        token
    }

    fn quoted(&mut self) -> Result<Token, SyntaxError> {
        let column = self.column;
        self.bump();
        let text = self.take_while(|char| char != '"');
        if self.bump().is_none() {
            return Err(SyntaxError::new(
                column,
                "found `\"` without an end; expected a closing `\"`",
            ));
        }
        Ok(Token::Word(Word { text, quoted: true }))
    }

    fn dots(&mut self) -> Result<Token, SyntaxError> {
        let column = self.column;
        match self.take_while(|char| char == '.').as_str() {
            "..." => Ok(Token::Dots),
            other => Err(SyntaxError::new(
                column,
                format!("found `{other}`; expected `...`"),
            )),
        }
    }

    fn word(&mut self) -> Result<Token, SyntaxError> {
        let column = self.column;
        let text = self.take_while(is_name);
        if text.contains(|char: char| char.is_ascii_lowercase()) {
            return Err(SyntaxError::new(
                column,
                format!("found `{text}`; words are upper case, placeholders lower case"),
            ));
        }
        Ok(Token::Word(Word {
            text,
            quoted: false,
        }))
    }

    fn placeholder(&mut self) -> Result<Token, SyntaxError> {
        let column = self.column;
        let name = self.take_while(|char| is_name(char) && char != '.');
        if name.contains(|char: char| char.is_ascii_uppercase()) {
            return Err(SyntaxError::new(
                column,
                format!("found `{name}`; words are upper case, placeholders lower case"),
            ));
        }
        if self.rest.next_if_eq(&':').is_none() {
            return Ok(Token::Placeholder(Placeholder { name, ty: None }));
        }
        self.column += 1;
        if self.rest.peek() == Some(&'<') {
            return Ok(Token::Label(name));
        }
        // A range of numbers is `0..=100`.
        let is_type =
            |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '=' | '-');
        let ty = self.take_while(is_type);
        if ty.is_empty() {
            return Err(SyntaxError::new(
                self.column,
                format!("found nothing after `{name}:`; expected a type or `<`"),
            ));
        }
        Ok(Token::Placeholder(Placeholder { name, ty: Some(ty) }))
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(char) = self.rest.next_if(|char| wanted(*char)) {
            taken.push(char);
            self.column += 1;
        }
        taken
    }

    fn bump(&mut self) -> Option<char> {
        self.column += 1;
        self.rest.next()
    }
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

impl Display for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => word.fmt(f),
            Self::Placeholder(placeholder) => placeholder.fmt(f),
            Self::Label(name) => write!(f, "{name}:"),
            Self::Open => f.write_str("["),
            Self::Close => f.write_str("]"),
            Self::Less => f.write_str("<"),
            Self::Greater => f.write_str(">"),
            Self::Bar => f.write_str("|"),
            Self::Dots => f.write_str("..."),
        }
    }
}
