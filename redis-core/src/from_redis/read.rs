//! Reading replies from bytes that were scanned.

use std::ops::Range;

use super::reply::{Elements, Pairs, Reply, Str};
use crate::chunk::Span;
use crate::resp::scan::Limits;
use crate::resp::token::{self, Aggregate, Step, Token};

/// What stands for a reply that the scanner cannot have let through.
const BROKEN: &[u8] = b"the bytes are not the reply that was scanned";

/// The reply that a frame holds.
#[inline]
pub(crate) fn frame(source: Span<'_>) -> Reply<'_> {
    if let Some((text, _)) = token::short_bulk(source.bytes, 0) {
        return Reply::Bulk(Str::new(text, source.shared));
    }
    if let Some((status, _)) = token::split_status(source.bytes) {
        return Reply::Simple(Str::new(status, source.shared));
    }
    match after_attributes(source.bytes) {
        Some((token, body)) => reply(source, token, body),
        None => broken(),
    }
}

/// The value at `at`, if it is a short string, and where what follows it begins.
#[inline]
pub(crate) fn short_string(source: Span<'_>, at: usize) -> Option<(Str<'_>, usize)> {
    let (text, end) = token::short_bulk(source.bytes, at)?;
    Some((Str::new(text, source.shared), end))
}

/// The element at `at`, and where the next one begins, which is only looked for if it is `wanted`.
pub(super) fn element(source: Span<'_>, at: usize, wanted: bool) -> (Reply<'_>, usize) {
    let Some((_, token, body)) = after_extras(source.bytes, at) else {
        return (broken(), source.bytes.len());
    };
    let end = match token {
        Token::Open(_, count) if wanted => {
            skip(source.bytes, body, count).unwrap_or(source.bytes.len())
        }
        _ => body,
    };
    (reply(source, token, body), end)
}

/// The next of several values, and where it lies.
pub(crate) fn next(source: Span<'_>, at: usize) -> Option<(Range<usize>, Reply<'_>)> {
    if let Some((text, end)) = token::short_bulk(source.bytes, at) {
        return Some((at..end, Reply::Bulk(Str::new(text, source.shared))));
    }
    let (start, token, body) = after_extras(source.bytes, at)?;
    let end = match token {
        Token::Open(_, count) => skip(source.bytes, body, count)?,
        _ => body,
    };
    Some((start..end, reply(source, token, body)))
}

/// The ranges of the pushes between the elements of a frame.
pub(crate) fn inner_pushes(source: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut next = after_attributes(source).map(|(_, body)| body);
    while let Some(start) = next {
        next = match step(source, start) {
            Some((Token::Open(Aggregate::Push, count), body)) => {
                let end = skip(source, body, count);
                found.extend(end.map(|end| start..end));
                end
            }
            Some((_, body)) => Some(body),
            None => None,
        };
    }
    found
}

fn step(source: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    match token::next(source, at, at, &Limits::NONE) {
        Ok(Step::Token(token, end)) => Some((token, end)),
        Ok(Step::More { .. }) | Err(_) => None,
    }
}

/// The first token of a frame's value, after its attributes, and where what follows it begins.
fn after_attributes(source: &[u8]) -> Option<(Token<'_>, usize)> {
    let mut at = 0;
    loop {
        match step(source, at)? {
            (Token::Open(Aggregate::Attribute, count), body) => at = skip(source, body, count)?,
            found => return Some(found),
        }
    }
}

/// The first token of the value that attributes and inner pushes at `at` precede: where it begins, the token, and
/// where what follows it begins.
fn after_extras(source: &[u8], mut at: usize) -> Option<(usize, Token<'_>, usize)> {
    loop {
        match step(source, at)? {
            (Token::Open(Aggregate::Attribute | Aggregate::Push, count), body) => {
                at = skip(source, body, count)?;
            }
            (token, body) => return Some((at, token, body)),
        }
    }
}

/// Where `count` values end that begin at `at`.
fn skip(source: &[u8], mut at: usize, count: u64) -> Option<usize> {
    let mut pending = count;
    while pending > 0 {
        if let Some((_, end)) = token::short_bulk(source, at) {
            (at, pending) = (end, pending - 1);
            continue;
        }
        let (token, end) = step(source, at)?;
        at = end;
        pending = match token {
            Token::Open(Aggregate::Attribute | Aggregate::Push, count) => {
                pending.saturating_add(count)
            }
            Token::Open(_, count) => (pending - 1).saturating_add(count),
            _ => pending - 1,
        };
    }
    Some(at)
}

fn reply<'a>(source: Span<'a>, token: Token<'a>, body: usize) -> Reply<'a> {
    let text = |bytes| Str::new(bytes, source.shared);
    match token {
        Token::Nil => Reply::Nil,
        Token::Integer(value) => Reply::Integer(value),
        Token::Boolean(value) => Reply::Boolean(value),
        Token::Double(digits) => Reply::Double(double(digits), text(digits)),
        Token::BigNumber(digits) => Reply::BigNumber(text(digits)),
        Token::Simple(line) => Reply::Simple(text(line)),
        Token::Bulk(data) => Reply::Bulk(text(data)),
        Token::Verbatim { format, text: data } => Reply::Verbatim {
            format: text(format),
            text: text(data),
        },
        Token::Error(line) => Reply::Error(text(line)),
        Token::Open(kind, count) => {
            let elements = Elements::new(source, body, count);
            match kind {
                Aggregate::Array => Reply::Array(elements),
                Aggregate::Set => Reply::Set(elements),
                Aggregate::Push => Reply::Push(elements),
                Aggregate::Map | Aggregate::Attribute => Reply::Map(Pairs::new(elements)),
            }
        }
    }
}

/// The value of a text that the scanner found to be a number.
fn double(digits: &[u8]) -> f64 {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(f64::NAN)
}

fn broken() -> Reply<'static> {
    Reply::Error(Str::new(BROKEN, None))
}
