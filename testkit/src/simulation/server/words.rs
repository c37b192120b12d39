//! What the words of a command mean: its keys, and the tokens that it carries.

use super::request::{Words, token};
use crate::simulation::ledger::Token;

/// The name of a command, in upper case.
pub(super) fn name_of(words: &Words) -> String {
    let name = words.first().map(Vec::as_slice).unwrap_or_default();
    String::from_utf8_lossy(name).to_ascii_uppercase()
}

/// The tokens of a command.
pub(super) fn tokens_of(name: &str, words: &Words) -> Vec<Token> {
    let place = match name {
        "ECHO" => 1,
        "SET" | "INCRBY" | "RPUSH" | "PUBLISH" | "SPUBLISH" => 2,
        "EVAL" | "EVALSHA" => 4,
        "MSET" => {
            let values = words.iter().skip(2).step_by(2);
            return values.filter_map(|word| token(word)).collect();
        }
        _ => return Vec::new(),
    };
    words
        .get(place)
        .and_then(|word| token(word))
        .into_iter()
        .collect()
}

/// The keys of a command.
pub(super) fn keys_of<'w>(name: &str, words: &'w Words) -> Vec<&'w [u8]> {
    let (skip, step, take) = match name {
        "GET" | "SET" | "INCRBY" | "RPUSH" | "BLPOP" | "PTTL" => (1, 1, 1),
        "MGET" | "WATCH" => (1, 1, usize::MAX),
        "MSET" => (1, 2, usize::MAX),
        "EVAL" | "EVALSHA" => (3, 1, 1),
        _ => return Vec::new(),
    };
    let keys = words.iter().skip(skip).step_by(step).take(take);
    keys.map(Vec::as_slice).collect()
}

/// The shard channels of a command.
pub(super) fn shards_of<'w>(name: &str, words: &'w Words) -> Vec<&'w [u8]> {
    let take = match name {
        "SPUBLISH" => 1,
        "SSUBSCRIBE" => usize::MAX,
        _ => return Vec::new(),
    };
    words.iter().skip(1).take(take).map(Vec::as_slice).collect()
}

/// Whether a command may change keys.
pub(super) fn writes(name: &str) -> bool {
    matches!(
        name,
        "SET" | "MSET" | "INCRBY" | "RPUSH" | "BLPOP" | "EVAL" | "EVALSHA"
    )
}

pub(super) fn is_allowed_while_loading(name: &str) -> bool {
    matches!(
        name,
        "HELLO"
            | "AUTH"
            | "CLIENT"
            | "SUBSCRIBE"
            | "PSUBSCRIBE"
            | "SSUBSCRIBE"
            | "UNSUBSCRIBE"
            | "PUNSUBSCRIBE"
            | "SUNSUBSCRIBE"
            | "MULTI"
            | "EXEC"
            | "DISCARD"
            | "WATCH"
            | "UNWATCH"
            | "ASKING"
            | "READONLY"
            | "ROLE"
            | "SENTINEL"
    )
}

pub(super) fn number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

pub(super) fn index(word: &[u8]) -> usize {
    number(word)
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(0)
}
