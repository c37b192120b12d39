//! From words to bytes.

use std::ops::Range;

/// A receiver of encoded bytes.
pub(crate) trait Output {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends an argument with its length line and line break.
    #[inline]
    fn put_bulk(&mut self, data: &[u8]) {
        bulk_header(self, data.len());
        self.put(data);
        self.put(b"\r\n");
    }
}

impl Output for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// `*count\r\n`
#[inline]
pub(crate) fn array_header(out: &mut impl Output, count: u32) {
    short_header(out, b'*', count as usize);
}

/// `$len\r\n`
#[inline]
pub(crate) fn bulk_header(out: &mut (impl Output + ?Sized), len: usize) {
    short_header(out, b'$', len);
}

/// A whole argument.
#[inline]
pub(crate) fn bulk(out: &mut impl Output, data: &[u8]) {
    out.put_bulk(data);
}

/// A whole argument that is a number.
pub(crate) fn bulk_integer(out: &mut impl Output, value: impl itoa::Integer) {
    bulk(out, itoa::Buffer::new().format(value).as_bytes());
}

/// A type byte and a number. Most numbers have one or two digits; these are written in one piece.
#[inline(always)]
fn short_header(out: &mut (impl Output + ?Sized), kind: u8, number: usize) {
    match u8::try_from(number) {
        Ok(ones @ 0..=9) => out.put(&[kind, b'0' + ones, b'\r', b'\n']),
        Ok(two @ 10..=99) => out.put(&[kind, b'0' + two / 10, b'0' + two % 10, b'\r', b'\n']),
        _ => long_header(out, kind, number),
    }
}

#[cold]
#[inline(never)]
fn long_header(out: &mut (impl Output + ?Sized), kind: u8, number: usize) {
    out.put(&[kind]);
    out.put(itoa::Buffer::new().format(number).as_bytes());
    out.put(b"\r\n");
}

/// The words that [`bulk`] wrote, one after another.
pub(crate) fn words(mut encoded: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    std::iter::from_fn(move || {
        let (word, rest) = first_word(encoded)?;
        encoded = rest;
        Some(word)
    })
}

/// The same, each with the place of all of it: from its length line to its line break.
pub(crate) fn spans(encoded: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let start = encoded.len() - rest.len();
        let (word, after) = first_word(rest)?;
        rest = after;
        Some((word, start..encoded.len() - after.len()))
    })
}

/// The first argument, and what follows it. A cluster reads each command of a pipeline in this way.
#[inline]
fn first_word(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut len, mut rest) = (0_usize, encoded.strip_prefix(b"$")?);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'0'..=b'9' => {
                let digit = usize::from(byte - b'0');
                len = len.checked_mul(10)?.checked_add(digit)?;
            }
            b'\r' => break,
            _ => return None,
        }
    }
    let (word, rest) = rest.get(1..)?.split_at_checked(len)?;
    Some((word, rest.get(2..)?))
}
