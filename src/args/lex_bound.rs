//! An end of a range of members: [`LexBound`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// An end of a range of members in byte order, as ZLEXCOUNT and `ZRANGE … BYLEX` take it.
///
/// The constructors take the member itself. Text without a constructor is sent as it is, in the notation of the
/// servers: `"[a"` for a bound that belongs to the range, `"(a"` for one that does not, `"-"`, `"+"`. A server
/// refuses other text.
///
/// | bound | sent as |
/// | --- | --- |
/// | `LexBound::inclusive("a")` | `[a` |
/// | `LexBound::exclusive("a")` | `(a` |
/// | `LexBound::MIN`, `LexBound::MAX` | `-`, `+` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LexBound(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Min,
    Max,
    /// In the notation of the servers.
    Written(Vec<u8>),
}

impl LexBound {
    /// Before every member.
    pub const MIN: Self = Self(Form::Min);
    /// After every member.
    pub const MAX: Self = Self(Form::Max);

    /// A bound that belongs to the range.
    #[must_use]
    pub fn inclusive(member: impl AsRef<[u8]>) -> Self {
        Self::marked(b'[', member.as_ref())
    }

    /// A bound that does not belong to the range.
    #[must_use]
    pub fn exclusive(member: impl AsRef<[u8]>) -> Self {
        Self::marked(b'(', member.as_ref())
    }

    fn marked(mark: u8, member: &[u8]) -> Self {
        let mut written = Vec::with_capacity(member.len() + 1);
        written.push(mark);
        written.extend_from_slice(member);
        Self(Form::Written(written))
    }
}

impl ToArg for LexBound {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match &self.0 {
            Form::Min => out.text("-"),
            Form::Max => out.text("+"),
            Form::Written(written) => out.bytes(written),
        }
        Ok(())
    }
}

impl ToArgs for LexBound {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

impl From<&str> for LexBound {
    fn from(text: &str) -> Self {
        Self(Form::Written(text.as_bytes().to_vec()))
    }
}

impl From<String> for LexBound {
    fn from(text: String) -> Self {
        Self(Form::Written(text.into_bytes()))
    }
}

impl From<&String> for LexBound {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn constructors_mark_the_member() {
        assert_eq!(words(&LexBound::inclusive("a")), ["[a"]);
        assert_eq!(words(&LexBound::exclusive(b"a b")), ["(a b"]);
        assert_eq!(words(&LexBound::inclusive("")), ["["]);
        assert_eq!(words(&LexBound::inclusive("[x")), ["[[x"]);
    }

    #[test]
    fn the_extremes_are_signs() {
        assert_eq!(words(&LexBound::MIN), ["-"]);
        assert_eq!(words(&LexBound::MAX), ["+"]);
    }

    #[test]
    fn text_is_sent_as_it_is() {
        assert_eq!(words(&LexBound::from("(b")), ["(b"]);
        assert_eq!(words(&LexBound::from(String::from("+"))), ["+"]);
    }
}
