//! One argument: [`ToArg`] is for values that can be sent as one, [`ArgWriter`] is what they are written to.

use std::fmt;

use bytes::Bytes;

use crate::error::ArgError;
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::SHARE;

/// A value that is sent as exactly one argument.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::{ArgError, ArgWriter, ToArg, ToArgs, Args};
///
/// struct UserKey(u64);
///
/// impl ToArg for UserKey {
///     fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
///         out.text("user:");
///         out.integer(self.0);
///         Ok(())
///     }
/// }
/// impl ToArgs for UserKey {
///     fn write_args(&self, out: &mut Args) {
///         out.item(self);
///     }
/// }
/// ```
///
/// `#[derive(ToRedis)]` on a newtype or on an enum of unit variants writes both traits.
///
/// There is no implementation for `bool`: servers have no booleans in arguments, and `1`, `true` and `yes` are all in
/// use. Send the word that the command expects.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as one argument",
    note = "strings, bytes, numbers and `Json<T>` can; for several values at once use a method that takes a list; \
            `bool` has no form of its own on the server: send the number or word that is meant",
    note = "a struct is sent as `Json(&value)`, or field by field with `#[derive(ToRedis)]` where a command takes pairs; an `Option` has to be \
            unwrapped, because nothing has no form on the server"
)]
pub trait ToArg {
    /// Writes the argument; several calls on `out` make one argument together.
    ///
    /// # Errors
    /// The value cannot be sent, such as NaN. The command then fails with this error, and nothing of it is sent.
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError>;

    /// Whether a command that writes and has this value is not sent twice, even if its row says that it may be. So it is with a time of
    /// 0 or less, or a moment that has passed or comes soon: with most of them the key is deleted at once, and a repetition would find
    /// none. And with a path that searches a document, which may find something else when the first run has changed it. What the command
    /// makes of the value does not count.
    #[doc(hidden)]
    #[inline]
    fn once_only(&self) -> bool {
        false
    }

    /// The bytes of a slice that is one argument. `None` for every type except `u8`; other slices are one argument
    /// for each value.
    #[doc(hidden)]
    #[inline]
    fn slice_as_bytes(_slice: &[Self]) -> Option<&[u8]>
    where
        Self: Sized,
    {
        None
    }
}

// Text and references to it, which most keys and many values are, stand here; `values` has the other types.

impl ToArg for str {
    #[inline]
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(self);
        Ok(())
    }
}

impl<T: ToArg + ?Sized> ToArg for &T {
    #[inline]
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        (**self).write_arg(out)
    }

    #[inline]
    fn once_only(&self) -> bool {
        (**self).once_only()
    }
}

/// Receives the bytes of one argument.
pub struct ArgWriter<'a> {
    buffer: &'a mut Vec<u8>,
    /// Where the argument starts, with its length line.
    start: usize,
    /// How many bytes the argument has; `None` until something has been written. From then on it is complete in the
    /// buffer, with its line break.
    len: Option<usize>,
    /// Data that is shared, not copied; it belongs before the line break.
    shared: Option<Bytes>,
    /// Whether data may be shared.
    may_share: bool,
}

/// The argument may be a secret.
impl fmt::Debug for ArgWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgWriter")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<'a> ArgWriter<'a> {
    #[inline]
    pub(crate) fn new(buffer: &'a mut Vec<u8>, may_share: bool) -> Self {
        let start = buffer.len();
        Self {
            buffer,
            start,
            len: None,
            shared: None,
            may_share,
        }
    }

    /// Appends bytes.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.len {
            None => {
                self.buffer.put_bulk(bytes);
                self.len = Some(bytes.len());
            }
            Some(len) => self.more_bytes(len, bytes),
        }
    }

    /// Appends bytes without a copy, if they are many and may be shared.
    pub fn shared(&mut self, bytes: &Bytes) {
        if self.may_share && bytes.len() >= SHARE && self.len.is_none() {
            encode::bulk_header(self.buffer, bytes.len());
            self.buffer.put(b"\r\n");
            self.len = Some(bytes.len());
            self.shared = Some(bytes.clone());
        } else {
            self.bytes(bytes);
        }
    }

    /// Appends text.
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Appends an integer in decimal digits.
    pub fn integer(&mut self, value: impl itoa::Integer) {
        self.text(itoa::Buffer::new().format(value));
    }

    /// Appends a float in the shortest form that reads back as the same number.
    ///
    /// # Errors
    /// NaN, which no command accepts as a number.
    pub fn float(&mut self, value: f64) -> Result<(), ArgError> {
        if value.is_nan() {
            return Err(ArgError::new("NaN is not a number that a server accepts"));
        }
        match value {
            f64::INFINITY => self.text("inf"),
            f64::NEG_INFINITY => self.text("-inf"),
            _ => self.text(zmij::Buffer::new().format_finite(value)),
        }
        Ok(())
    }

    /// The number of bytes written so far.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.unwrap_or(0)
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the argument with its line break; an argument that was never written to is the empty string. Returns its
    /// length, and the shared data that belongs before the line break.
    #[inline]
    pub(crate) fn finish(mut self) -> (usize, Option<Bytes>) {
        if self.len.is_none() {
            self.bytes(b"");
        }
        (self.len(), self.shared)
    }

    /// Appends to the `len` bytes that are there already; their length line has to be written again.
    #[cold]
    fn more_bytes(&mut self, len: usize, bytes: &[u8]) {
        self.buffer.truncate(self.buffer.len() - 2);
        if let Some(shared) = self.shared.take() {
            self.buffer.put(&shared);
        }
        self.buffer.put(bytes);
        self.buffer.put(b"\r\n");
        let (mut old, mut new) = (Vec::new(), Vec::new());
        encode::bulk_header(&mut old, len);
        encode::bulk_header(&mut new, len + bytes.len());
        // The length may have more digits now.
        let grown = new.len() - old.len();
        for _ in 0..grown {
            self.buffer.put(b"0");
        }
        if let Some(argument) = self.buffer.get_mut(self.start..) {
            argument.rotate_right(grown);
            if let Some(header) = argument.get_mut(..new.len()) {
                header.copy_from_slice(&new);
            }
        }
        self.len = Some(len + bytes.len());
    }
}
