//! Why a value cannot be sent: [`ArgError`].

use std::borrow::Cow;
use std::fmt;

/// Why a value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgError(Cow<'static, str>);

impl ArgError {
    /// An error that says what is wrong with the value, such as `"NaN is no score"`.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    pub(crate) const fn fixed(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArgError {}
