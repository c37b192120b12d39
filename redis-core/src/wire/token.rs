//! One token of RESP: a type byte, its line, and the payload if the line announces one.
//!
//! The scanner and the code that reads replies share this one description of the protocol.

use super::limits::{Limits, ScanError};

/// The longest line of a length: a sign, 19 digits, and a margin.
const LENGTH_LINE: usize = 32;

/// The longest line of a big number.
const BIG_NUMBER_LINE: usize = 64 << 10;

/// Most lines are not longer.
const SHORT_LINE: usize = 24;

/// A number with this many digits always fits into 64 bits.
const SAFE_DIGITS: usize = 18;

/// A token: a whole scalar, or the head of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    /// `_`, `$-1`, `*-1`
    Nil,
    /// `:5`
    Integer(i64),
    /// `#t`
    Boolean(bool),
    /// `,1.5`: the text, known to be a number.
    Double(&'a [u8]),
    /// `(123…`: the text, known to be digits.
    BigNumber(&'a [u8]),
    /// `+OK`; there may be a lone CR or LF in it.
    Simple(&'a [u8]),
    /// `$3\r\nabc`
    Bulk(&'a [u8]),
    /// `=7\r\ntxt:abc`
    Verbatim { format: &'a [u8], text: &'a [u8] },
    /// `-ERR …`, `!7\r\nERR …`; there may be line breaks in it.
    Error(&'a [u8]),
    /// `*2`, `%1`, `~2`, `>3`, `|1`
    Open(Aggregate, u64),
}

/// The kinds of aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Array,
    Map,
    Set,
    Push,
    /// Comes before the value that it describes, and is not counted.
    Attribute,
}

/// What [`next`] found.
#[derive(Debug, PartialEq)]
pub(crate) enum Scanned<'a> {
    /// A token, and where the next one begins.
    Token(Token<'a>, usize),
    /// The token is not complete.
    More {
        /// Its line has no end before this place.
        searched: usize,
        /// At least this many bytes are missing.
        missing: usize,
    },
}

/// The longest string that [`short_bulk`] finds.
pub(crate) const SHORT: usize = 999;

/// The string at `at`, and where the next token begins, if it is short and complete. This is most of what servers
/// send, so it is read without the general code. What it does not find is left to [`next`].
#[inline]
pub(crate) fn short_bulk(buffer: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (data, after) = split_short_bulk(buffer.get(at..)?)?;
    Some((data, buffer.len() - after.len()))
}

/// Skips the strings at `at` that [`short_bulk`] finds, except the last of `remaining`. Returns the place after them,
/// and how many remain.
#[inline]
pub(crate) fn short_bulks(buffer: &[u8], at: usize, mut remaining: u64) -> (usize, u64) {
    let mut rest = buffer.get(at..).unwrap_or_default();
    while remaining > 1
        && let Some((_, after)) = split_short_bulk(rest)
    {
        (rest, remaining) = (after, remaining - 1);
    }
    (buffer.len() - rest.len(), remaining)
}

/// The short string at the start, and the rest.
#[inline]
pub(crate) fn split_short_bulk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, start) = short_length(bytes.first_chunk()?)?;
    let (bulk, after) = bytes.split_at_checked(start + len + 2)?;
    let (data, end) = bulk.get(start..)?.split_last_chunk()?;
    (end == b"\r\n").then_some((data, after))
}

/// The longest line that [`split_status`] finds.
pub(crate) const STATUS: usize = "QUEUED".len();

/// The status at the start, if it is one of the most usual, and the rest.
#[inline]
pub(crate) fn split_status(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const OK: &[u8] = b"+OK\r\n";
    const QUEUED: &[u8] = b"+QUEUED\r\n";
    let whole = [OK, QUEUED]
        .into_iter()
        .find(|whole| bytes.starts_with(whole))?
        .len();
    Some((bytes.get(1..whole - 2)?, bytes.get(whole..)?))
}

/// The most elements of an array that [`split_short_array`] finds.
pub(crate) const FEW: u64 = 9;

/// What follows the array at the start, if it has one to nine elements, and each of them is a short string or nil.
pub(crate) fn split_short_array(bytes: &[u8]) -> Option<&[u8]> {
    let (count, mut rest) = split_short_array_head(bytes)?;
    for _ in 0..count {
        rest = match split_short_bulk(rest) {
            Some((_, after)) => after,
            None => split_nil(rest)?,
        };
    }
    Some(rest)
}

/// The number of elements of the array at the start, if they are one to nine, and what follows its head.
#[inline]
pub(crate) fn split_short_array_head(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [b'*', digit @ b'1'..=b'9', b'\r', b'\n', rest @ ..] => {
            Some((usize::from(digit - b'0'), rest))
        }
        _ => None,
    }
}

/// What follows the nil at the start.
fn split_nil(bytes: &[u8]) -> Option<&[u8]> {
    let resp3 = bytes.strip_prefix(b"_\r\n");
    resp3.or_else(|| bytes.strip_prefix(b"$-1\r\n"))
}

/// What follows the integer at the start, if it is complete and has few enough digits.
pub(crate) fn split_integer(bytes: &[u8]) -> Option<&[u8]> {
    let (_, after) = short_integer(bytes.strip_prefix(b":")?)?;
    Some(after)
}

/// A line break as a number, for a single comparison.
const LINE_BREAK: u32 = u32::from_le_bytes(*b"\r\n\0\0");

/// The length in the first line of a string, if it has one to three digits, and how long that line is. A string with
/// its line has at least these six bytes.
#[inline]
fn short_length(bytes: &[u8; 6]) -> Option<(usize, usize)> {
    let [b'$', digits @ .., last] = bytes else {
        return None;
    };
    // Read from memory once, and compared two bytes at a time.
    let word = u32::from_le_bytes(*digits);
    let digit = |shift: u32| (word >> shift & 0xff).wrapping_sub(b'0'.into()) as usize;
    let (first, second, third) = (digit(0), digit(8), digit(16));
    // No length of several digits begins with 0. One comparison, which the compiler does not find by itself.
    let begins = first.wrapping_sub(1) < 9;
    if word >> 16 == LINE_BREAK {
        return (begins && second <= 9).then_some((first * 10 + second, 5));
    }
    if word >> 8 & 0xffff == LINE_BREAK {
        return (first <= 9).then_some((first, 4));
    }
    let is_length = begins && second <= 9 && third <= 9;
    let ends = word >> 24 | u32::from(*last) << 8 == LINE_BREAK;
    (is_length && ends).then_some((first * 100 + second * 10 + third, 6))
}

/// Reads the token at `at`. Its line does not end before `searched`.
pub(crate) fn next<'a>(
    buffer: &'a [u8],
    at: usize,
    searched: usize,
    limits: &Limits,
) -> Result<Scanned<'a>, ScanError> {
    if let Some((token, end)) = short_number(buffer, at) {
        return Ok(Scanned::Token(token, end));
    }
    let Some(&kind) = buffer.get(at) else {
        return Ok(Scanned::More {
            searched: at,
            missing: 1,
        });
    };
    let max_line = match kind {
        b'+' | b'-' => limits.max_line,
        b'(' => limits.max_line.min(BIG_NUMBER_LINE),
        b'$' | b'*' | b':' | b'_' | b'#' | b'%' | b'~' | b'>' | b'|' | b'=' | b'!' => LENGTH_LINE,
        b',' => LENGTH_LINE * 16,
        _ => return Err(ScanError::UnknownType(kind)),
    };
    let start = at + 1;
    let searched = searched.max(start);
    let end = match kind {
        b'+' | b'-' => text_end(buffer, start, searched, max_line)?,
        _ => line_end(buffer, start, searched, max_line)?,
    };
    let Some(end) = end else {
        // A CR at the end of the buffer must be looked at again.
        return Ok(Scanned::More {
            searched: buffer.len().saturating_sub(1).max(start),
            missing: 1,
        });
    };
    let line = buffer.get(start..end).unwrap_or_default();
    let after = end + 2;
    let token = match kind {
        b'+' => Token::Simple(line),
        b'-' => Token::Error(line),
        b':' => Token::Integer(integer(line).ok_or(ScanError::Number)?),
        b'_' if line.is_empty() => Token::Nil,
        b'#' if line == b"t" => Token::Boolean(true),
        b'#' if line == b"f" => Token::Boolean(false),
        b',' if is_double(line) => Token::Double(line),
        b'(' if is_big_number(line) => Token::BigNumber(line),
        b'$' | b'*' if line == b"-1" => Token::Nil,
        b'$' | b'=' | b'!' => return payload(buffer, kind, start, after, length(line)?, limits),
        b'*' => Token::Open(Aggregate::Array, length(line)?),
        b'~' => Token::Open(Aggregate::Set, length(line)?),
        b'>' => Token::Open(Aggregate::Push, length(line)?),
        b'%' => Token::Open(Aggregate::Map, doubled(length(line)?)?),
        b'|' => Token::Open(Aggregate::Attribute, doubled(length(line)?)?),
        _ => return Err(ScanError::Number),
    };
    Ok(Scanned::Token(token, after))
}

/// An integer or the head of an aggregate, and where the next token begins, if it is complete and its number has so
/// few digits that no check is needed. The general code reads what this does not find.
#[inline]
fn short_number(buffer: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let (kind, line) = buffer.get(at..)?.split_first()?;
    let (token, after) = match kind {
        b':' => {
            let (number, after) = short_integer(line)?;
            (Token::Integer(number), after)
        }
        b'*' => short_head(Aggregate::Array, line)?,
        b'%' => short_head(Aggregate::Map, line)?,
        b'~' => short_head(Aggregate::Set, line)?,
        b'>' => short_head(Aggregate::Push, line)?,
        _ => return None,
    };
    Some((token, buffer.len() - after.len()))
}

#[inline]
fn short_head(kind: Aggregate, line: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (count, digits) = leading_digits(line)?;
    let after = line.get(digits..)?.strip_prefix(b"\r\n")?;
    let members = if kind == Aggregate::Map { 2 } else { 1 };
    Some((Token::Open(kind, count.unsigned_abs() * members), after))
}

#[inline]
fn short_integer(line: &[u8]) -> Option<(i64, &[u8])> {
    let (number, digits) = leading_integer(line)?;
    let after = line.get(digits..)?.strip_prefix(b"\r\n")?;
    Some((number, after))
}

/// The integer at the start of a text, if servers write it so, and how long it is; after 18 digits it is cut.
#[inline]
fn leading_integer(text: &[u8]) -> Option<(i64, usize)> {
    match text.strip_prefix(b"-") {
        Some(digits) => leading_digits(digits)
            .filter(|(number, _)| *number > 0)
            .map(|(number, count)| (-number, count + 1)),
        None => leading_digits(text),
    }
}

/// The number at the start of a text, without leading zeros, and how many digits it has; at most 18 are looked at.
#[inline]
fn leading_digits(text: &[u8]) -> Option<(i64, usize)> {
    let (mut number, mut count) = (0, 0);
    for byte in text.iter().take(SAFE_DIGITS) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        (number, count) = (number * 10 + i64::from(digit), count + 1);
    }
    let is_number = count == 1 || (count > 1 && !text.starts_with(b"0"));
    is_number.then_some((number, count))
}

/// The payload of `len` bytes that begins at `from`.
fn payload<'a>(
    buffer: &'a [u8],
    kind: u8,
    start: usize,
    from: usize,
    len: u64,
    limits: &Limits,
) -> Result<Scanned<'a>, ScanError> {
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len <= limits.max_bulk)
        .ok_or(ScanError::BulkTooLong(len))?;
    let end = from + len;
    let Some(data) = buffer.get(from..end) else {
        return Ok(Scanned::More {
            searched: start,
            missing: end + 2 - buffer.len(),
        });
    };
    match buffer.get(end..) {
        Some([b'\r', b'\n', ..]) => {}
        Some([]) => {
            return Ok(Scanned::More {
                searched: start,
                missing: 2,
            });
        }
        Some([b'\r']) => {
            return Ok(Scanned::More {
                searched: start,
                missing: 1,
            });
        }
        _ => return Err(ScanError::PayloadEnd),
    }
    let token = match kind {
        b'$' => Token::Bulk(data),
        b'!' => Token::Error(data),
        _ => match (data.get(..3), data.get(3), data.get(4..)) {
            (Some(format), Some(b':'), Some(text)) => Token::Verbatim { format, text },
            _ => return Err(ScanError::Verbatim),
        },
    };
    Ok(Scanned::Token(token, end + 2))
}

/// The end of the line of a status or an error that begins at `start`, without its line break. Only CR and LF
/// together end it: Redis 7 to 8 sends line breaks inside an error of Lua without a change.
fn text_end(
    buffer: &[u8],
    start: usize,
    searched: usize,
    max: usize,
) -> Result<Option<usize>, ScanError> {
    let tail = buffer.get(searched..).unwrap_or_default();
    let short = tail.get(..SHORT_LINE).unwrap_or(tail);
    let offset = match short.windows(2).position(|pair| pair == b"\r\n") {
        Some(offset) => Some(offset),
        None => memchr::memmem::find(tail, b"\r\n"),
    };
    let found = offset.map(|offset| searched + offset);
    // A CR that came last may belong to the line break.
    let open = buffer.strip_suffix(b"\r").unwrap_or(buffer);
    if found.unwrap_or(open.len()).saturating_sub(start) > max {
        return Err(ScanError::LineTooLong);
    }
    Ok(found)
}

/// The end of the line of a number or a length that begins at `start`, without its line break.
fn line_end(
    buffer: &[u8],
    start: usize,
    searched: usize,
    max: usize,
) -> Result<Option<usize>, ScanError> {
    let tail = buffer.get(searched..).unwrap_or_default();
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    // Few bytes: a simple search ends before a vectorised one has begun.
    let offset = match tail.iter().take(SHORT_LINE).position(is_break) {
        Some(offset) => Some(offset),
        None => memchr::memchr2(b'\r', b'\n', tail),
    };
    let found = offset.map(|offset| searched + offset);
    if found.unwrap_or(buffer.len()).saturating_sub(start) > max {
        return Err(ScanError::LineTooLong);
    }
    let Some(end) = found else { return Ok(None) };
    match (buffer.get(end), buffer.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(end)),
        (Some(b'\r'), None) => Ok(None),
        _ => Err(ScanError::LineBreak),
    }
}

/// A length: only digits.
fn length(line: &[u8]) -> Result<u64, ScanError> {
    if line == b"?" {
        return Err(ScanError::Streamed);
    }
    match integer(line) {
        Some(length) => u64::try_from(length).map_err(|_| ScanError::Number),
        None => Err(ScanError::Number),
    }
}

fn doubled(pairs: u64) -> Result<u64, ScanError> {
    pairs.checked_mul(2).ok_or(ScanError::Number)
}

/// An integer as servers write it, within 64 bits.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (number, len) = leading_integer(text)?;
    if len == text.len() {
        Some(number)
    } else {
        long_integer(text)
    }
}

fn long_integer(text: &[u8]) -> Option<i64> {
    if !is_integer(text) {
        return None;
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let negative = digits.len() < text.len();
    digits.iter().try_fold(0_i64, |value, byte| {
        let digit = i64::from(byte - b'0');
        let shifted = value.checked_mul(10)?;
        if negative {
            shifted.checked_sub(digit)
        } else {
            shifted.checked_add(digit)
        }
    })
}

/// Whether a text is an integer as servers write it: no `+`, no `-0`, no leading zeros.
pub(crate) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    all_digits(digits) && (digits.first() != Some(&b'0') || text == b"0")
}

/// Whether a text is a float as servers write it: `1.5`, `1e+20`, `inf`, `-inf`, `nan`, and `NaN`, as time series do.
pub(crate) fn is_double(text: &[u8]) -> bool {
    is_decimal(text) || is_any_double(text)
}

/// Whether a text is digits, with or without a point among them, as most floats are.
fn is_decimal(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (mut digits, mut points) = (0, 0);
    for byte in unsigned {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => points += 1,
            _ => return false,
        }
    }
    digits > 0 && points <= 1
}

fn is_any_double(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    if unsigned == b"inf" || unsigned.eq_ignore_ascii_case(b"nan") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (
            unsigned.get(..at).unwrap_or_default(),
            unsigned.get(at + 1..),
        ),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (
            mantissa.get(..at).unwrap_or_default(),
            mantissa.get(at + 1..),
        ),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|digits| {
        digits
            .strip_prefix(b"-")
            .or(digits.strip_prefix(b"+"))
            .unwrap_or(digits)
    });
    let no_digits = whole.is_empty() && fraction.is_none_or(<[u8]>::is_empty);
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    !no_digits && digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(all_digits)
}

fn is_big_number(text: &[u8]) -> bool {
    all_digits(text.strip_prefix(b"-").unwrap_or(text))
}

fn all_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}
