//! A view of a reply, straight from the received bytes: [`Reply`], and its parts.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::error::{DecodeError, ServerError};
use crate::wire::token::{self, Aggregate, Scanned, Token};
use crate::wire::{Limits, Span};

/// A reply, or an element of one, as it came.
///
/// Nothing is allocated: strings are slices of the received bytes, aggregates are iterators.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::{DecodeError, FromRedis, Reply};
///
/// /// A cursor, which servers send as text.
/// struct Cursor(u64);
///
/// impl FromRedis for Cursor {
///     fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
///         match reply {
///             Reply::Bulk(text) => text.to_str()?.parse().map(Self).map_err(|_| DecodeError::expected("a cursor", &reply)),
///             other => Err(DecodeError::expected("a cursor", &other)),
///         }
///     }
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// Nothing: `$-1`, `*-1`, `_`.
    Nil,
    /// `:5`
    Integer(i64),
    /// `,1.5`: the number, and its text, as RESP2 sends it.
    Double(f64, Str<'a>),
    /// `#t`
    Boolean(bool),
    /// The digits of an integer of any size.
    BigNumber(Str<'a>),
    /// A status such as `OK`.
    Simple(Str<'a>),
    /// A string.
    Bulk(Str<'a>),
    /// Text for people, as INFO gives it.
    Verbatim {
        /// `txt` or `mkd`.
        format: Str<'a>,
        /// The text.
        text: Str<'a>,
    },
    /// An error, which may be an element of an array.
    Error(Str<'a>),
    /// `*`
    Array(Elements<'a>),
    /// `%`
    Map(Pairs<'a>),
    /// `~`
    Set(Elements<'a>),
    /// `>`: a message that is not a reply to a command.
    Push(Elements<'a>),
}

impl<'a> Reply<'a> {
    /// A string that is all of `source`.
    pub(crate) fn bulk(source: &'a Bytes) -> Self {
        Self::Bulk(Str::new(source, Some(source)))
    }

    /// The text of a reply that is a string in RESP2: strings, but also doubles and big numbers.
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<&Str<'a>> {
        match self {
            Self::Simple(text) | Self::Bulk(text) | Self::Verbatim { text, .. } => Some(text),
            Self::Double(_, text) | Self::BigNumber(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a reply that is an array in RESP2: arrays, sets and pushes, and maps with keys and values in
    /// turn.
    #[must_use]
    pub fn elements(&self) -> Option<Elements<'a>> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => {
                Some(elements.clone())
            }
            Self::Map(pairs) => Some(pairs.0.clone()),
            _ => None,
        }
    }

    /// The error that the server sent in place of a value.
    #[inline]
    #[must_use]
    pub fn error(&self) -> Option<ServerError> {
        match self {
            Self::Error(text) => Some(text.to_server_error()),
            _ => None,
        }
    }

    /// Whether this is nil.
    #[inline]
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }
}

/// The name of the reply in error messages; it shows no data.
impl fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Integer(_) => f.write_str("an integer"),
            Self::Double(..) => f.write_str("a double"),
            Self::Boolean(_) => f.write_str("a boolean"),
            Self::BigNumber(_) => f.write_str("a big number"),
            Self::Simple(_) => f.write_str("a simple string"),
            Self::Bulk(_) => f.write_str("a string"),
            Self::Verbatim { .. } => f.write_str("a verbatim string"),
            Self::Error(_) => match self.error().as_ref().map(ServerError::code) {
                Some("") | None => f.write_str("an error"),
                Some(code) => write!(f, "an error ({code})"),
            },
            Self::Array(elements) => write!(f, "an array of {}", elements.len()),
            Self::Map(pairs) => write!(f, "a map of {}", pairs.len()),
            Self::Set(elements) => write!(f, "a set of {}", elements.len()),
            Self::Push(elements) => write!(f, "a push of {}", elements.len()),
        }
    }
}

/// A string within a reply: bytes, which need not be UTF-8.
#[derive(Clone, Copy)]
pub struct Str<'a>(Span<'a>);

impl<'a> Str<'a> {
    /// `bytes` lie within `shared`, if that is set.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], shared: Option<&'a Bytes>) -> Self {
        Self(Span { bytes, shared })
    }

    /// All of some bytes, which may be shared.
    #[inline]
    pub(super) fn of_bytes(bytes: &'a Bytes) -> Self {
        Self::new(bytes, Some(bytes))
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }

    /// The text.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    #[inline]
    pub fn to_str(&self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.0.bytes).map_err(|_| DecodeError::not_text())
    }

    #[cold]
    pub(super) fn to_server_error(self) -> ServerError {
        ServerError::new(&String::from_utf8_lossy(self.as_bytes()))
    }

    /// The bytes, to be kept. They are not copied but shared with the receive buffer, if the whole reply makes up a
    /// quarter of that buffer or more. Values decoded from such a reply keep all of the buffer alive; a copy
    /// ([`Bytes::copy_from_slice`], `Vec<u8>`) does not.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.detach()
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// How many bytes of room may be made for each received byte; strings in a list need at most four.
const ROOM_PER_BYTE: usize = 8;

/// Room for this many elements is always made.
const ALWAYS_AFFORDABLE: usize = 4096;

/// The elements of an aggregate, in order.
#[derive(Clone)]
pub struct Elements<'a> {
    source: Span<'a>,
    at: usize,
    remaining: u64,
}

impl<'a> Elements<'a> {
    pub(super) fn new(source: Span<'a>, at: usize, remaining: u64) -> Self {
        Self {
            source,
            at,
            remaining,
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// How many elements to make room for before the first is decoded: all of them, unless they would take far more
    /// room than the received bytes.
    pub(super) fn capacity<T>(&self) -> usize {
        let sent = self.source.bytes.len().saturating_sub(self.at);
        let affordable = sent.saturating_mul(ROOM_PER_BYTE) / size_of::<T>().max(1);
        self.len().min(affordable.max(ALWAYS_AFFORDABLE))
    }

    /// Takes this many elements off, or all that there are.
    pub(crate) fn take_group(&mut self, count: usize) -> Self {
        let group = Self {
            remaining: self.remaining.min(count as u64),
            ..self.clone()
        };
        self.by_ref().take(count).for_each(drop);
        group
    }

    /// The next element, if it is a short string. The compiler then knows that it is nothing else, which it does not
    /// know of an element from [`Iterator::next`].
    #[inline]
    pub(super) fn next_short(&mut self) -> Option<Str<'a>> {
        let remaining = self.remaining.checked_sub(1)?;
        let (text, end) = short_string(self.source, self.at)?;
        (self.at, self.remaining) = (end, remaining);
        Some(text)
    }

    /// The next element, which is not a short string.
    pub(super) fn next_other(&mut self) -> Option<Reply<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        let (reply, end) = element(self.source, self.at, self.remaining > 0);
        self.at = end;
        Some(reply)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Reply<'a>;

    #[inline]
    fn next(&mut self) -> Option<Reply<'a>> {
        match self.next_short() {
            Some(text) => Some(Reply::Bulk(text)),
            None => self.next_other(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        (len, Some(len))
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The keys and values of a map, in the order in which they came.
#[derive(Clone)]
pub struct Pairs<'a>(Elements<'a>);

impl<'a> Pairs<'a> {
    pub(super) fn new(elements: Elements<'a>) -> Self {
        Self(elements)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Reply<'a>, Reply<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.len() / 2;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl DecodeError {
    /// `expected an integer, got nil`
    #[must_use]
    pub fn expected(what: impl fmt::Display, got: &Reply<'_>) -> Self {
        Self::mismatch(what, got)
    }
}

/// The error for bytes that the scanner cannot have accepted.
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

/// The value at `at`, if it is a short string, and where the next value begins.
#[inline]
pub(crate) fn short_string(source: Span<'_>, at: usize) -> Option<(Str<'_>, usize)> {
    let (text, end) = token::short_bulk(source.bytes, at)?;
    Some((Str::new(text, source.shared), end))
}

/// The element at `at`, and where the next one begins, which is only computed if it is `wanted`.
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
        Ok(Scanned::Token(token, end)) => Some((token, end)),
        Ok(Scanned::More { .. }) | Err(_) => None,
    }
}

/// The first token of a frame's value, after its attributes, and where the next token begins.
fn after_attributes(source: &[u8]) -> Option<(Token<'_>, usize)> {
    let mut at = 0;
    loop {
        match step(source, at)? {
            (Token::Open(Aggregate::Attribute, count), body) => at = skip(source, body, count)?,
            found => return Some(found),
        }
    }
}

/// The first token of the value after the attributes and inner pushes at `at`: where it begins, the token, and
/// where the next token begins.
pub(super) fn after_extras(source: &[u8], mut at: usize) -> Option<(usize, Token<'_>, usize)> {
    loop {
        match step(source, at)? {
            (Token::Open(Aggregate::Attribute | Aggregate::Push, count), body) => {
                at = skip(source, body, count)?;
            }
            (token, body) => return Some((at, token, body)),
        }
    }
}

/// The end of `count` values that begin at `at`.
pub(super) fn skip(source: &[u8], mut at: usize, count: u64) -> Option<usize> {
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

/// The value of a text that the scanner has accepted as a number.
fn double(digits: &[u8]) -> f64 {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(f64::NAN)
}

fn broken() -> Reply<'static> {
    Reply::Error(Str::new(BROKEN, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_a_whole_list_unless_it_takes_far_more_than_was_sent() {
        let sent = b"*0\r\n".repeat(100_000);
        let sent = Bytes::from(sent);
        let elements = Elements::new(Span::from(&sent), 0, 100_000);
        assert_eq!(elements.capacity::<()>(), 100_000);
        assert_eq!(elements.capacity::<String>(), 100_000);
        assert_eq!(elements.capacity::<[u64; 100]>(), ALWAYS_AFFORDABLE);
    }
}
