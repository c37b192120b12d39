//! Which replies have their caller send something more: [`Leads`].

use crate::wire::token::{self, Scanned, Token};
use crate::wire::{Chunk, Limits};

/// Which of the replies to a payload, if it is an error, may have its caller send something more. It has one byte, because there is
/// one in each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leads(u8);

impl Leads {
    pub(crate) const NOWHERE: Self = Self(0);
    /// Any of them, also an error in an array.
    pub(crate) const BY_ANY: Self = Self(u8::MAX);

    /// The one behind this many others, each of which is a status or an error.
    pub(crate) fn by_one_behind(others: usize) -> Self {
        u8::try_from(others + 1).map_or(Self::BY_ANY, Self)
    }

    /// Whether the caller may send something more because of these replies. The queue is locked meanwhile, so no string is looked into.
    pub(super) fn may_follow(self, replies: &[Chunk]) -> bool {
        let mut tokens = replies.iter().flat_map(|reply| tokens(reply));
        let is_error = |token| matches!(token, Token::Error(_));
        match self {
            Self::NOWHERE => false,
            Self::BY_ANY => tokens.any(is_error),
            Self(number) => tokens.nth(usize::from(number) - 1).is_some_and(is_error),
        }
    }
}

/// All tokens of some replies. What is in a string is passed over.
fn tokens(replies: &[u8]) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if let Some((text, end)) = token::short_bulk(replies, at) {
            at = end;
            return Some(Token::Bulk(text));
        }
        let Ok(Scanned::Token(token, end)) = token::next(replies, at, at, &Limits::NONE) else {
            return None;
        };
        at = end;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(leads: Leads, replies: &[&'static str]) -> bool {
        let chunk = |text: &&'static str| Chunk::from(bytes::Bytes::from_static(text.as_bytes()));
        leads.may_follow(&replies.iter().map(chunk).collect::<Vec<_>>())
    }

    #[test]
    fn an_error_is_told_from_a_line_of_a_string() {
        let all = [Leads::by_one_behind(1), Leads::BY_ANY];
        let string = "+OK\r\n$5\r\na\n-bc\r\n";
        for leads in all {
            assert!(!follows(leads, &[string]));
            assert!(!follows(leads, &["+OK\r\n", "$5\r\na\n-bc\r\n:-2\r\n"]));
            assert!(!follows(leads, &["+OK\r\n$-1\r\n:-1\r\n"]));
            assert!(!follows(leads, &["+OK\r\n*2\r\n$3\r\n\n-x\r\n_\r\n"]));
            assert!(!follows(leads, &[]));
            assert!(follows(leads, &["+OK\r\n-LOADING now\r\n"]));
            assert!(follows(leads, &["+OK\r\n", "!5\r\nERR x\r\n"]));
            assert!(follows(leads, &["+OK\r\n-ERR a\n-b\r\n:0\r\n"]));
        }
        assert!(!follows(Leads::NOWHERE, &["+OK\r\n-LOADING now\r\n"]));
    }

    #[test]
    fn an_error_counts_at_any_place_or_at_one() {
        for (replies, at_one) in [
            (["-ERR no\r\n", "+OK\r\n"], false),
            (["+OK\r\n", "-ERR no\r\n"], true),
            (["+OK\r\n", "*2\r\n:1\r\n-ERR no\r\n"], false),
            (["+OK\r\n:1\r\n", "-ERR no\r\n"], false),
        ] {
            assert!(follows(Leads::BY_ANY, &replies), "{replies:?}");
            assert_eq!(
                follows(Leads::by_one_behind(1), &replies),
                at_one,
                "{replies:?}"
            );
        }
        assert!(follows(Leads::by_one_behind(0), &["-ERR no\r\n"]));
        assert_eq!(Leads::by_one_behind(300), Leads::BY_ANY);
    }
}
