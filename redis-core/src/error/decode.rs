//! Why a reply does not fit a type.

use std::borrow::Cow;
use std::fmt;

/// Why a reply could not be decoded: what was expected, what came, and where within the reply.
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::DecodeError;
///
/// let error = DecodeError::new("no such colour").at_field("colour").at_index(3);
/// assert_eq!(error.to_string(), "[3].colour: no such colour");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// The path, from the inside out.
    path: Vec<PathStep>,
    reason: Cow<'static, str>,
}

#[derive(Clone, PartialEq, Eq)]
enum PathStep {
    Index(usize),
    Field(Cow<'static, str>),
}

impl DecodeError {
    /// An error with a text of your own.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            path: Vec::new(),
            reason: reason.into(),
        }))
    }

    /// An error for a field that the reply does not have.
    #[must_use]
    pub fn missing(field: impl fmt::Display) -> Self {
        Self::new(format!("the field `{field}` is missing"))
    }

    #[cold]
    pub(crate) fn not_text() -> Self {
        Self::mismatch("text", "bytes that are not UTF-8")
    }

    pub(crate) fn mismatch(what: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}, got {got}"))
    }

    /// Adds to the path that the error is in the element with this index.
    #[must_use]
    pub fn at_index(mut self, index: usize) -> Self {
        self.0.path.push(PathStep::Index(index));
        self
    }

    /// Adds to the path that the error is in this field.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.0.path.push(PathStep::Field(field.into()));
        self
    }

    /// The place in the reply: `[3].email`; empty if the reply itself does not fit.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.path.iter().rev() {
            match step {
                PathStep::Index(index) => path.push_str(&format!("[{index}]")),
                PathStep::Field(field) if path.is_empty() => path.push_str(field),
                PathStep::Field(field) => path.push_str(&format!(".{field}")),
            }
        }
        path
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        f.write_str(&self.0.reason)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DecodeError")
            .field(&format_args!("{self}"))
            .finish()
    }
}

impl std::error::Error for DecodeError {}
