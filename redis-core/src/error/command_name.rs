//! The name of the command that failed.

use std::borrow::Cow;
use std::fmt;

/// A command's name, such as `CONFIG GET`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CommandName(Cow<'static, str>);

impl CommandName {
    /// A name from the first word of a raw command; shown in upper case.
    pub(crate) fn from_bytes(word: &[u8]) -> Self {
        Self(Cow::Owned(
            String::from_utf8_lossy(word).to_ascii_uppercase(),
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for CommandName {
    fn from(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
