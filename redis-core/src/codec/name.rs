//! Names that other people choose: [`Name`].

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::command::{ArgWriter, Args, ToArg, ToArgs};
use crate::error::{ArgError, DecodeError};
use crate::reply::{FromRedis, Reply};

/// A name that another person may have chosen: a key, a channel, a user, an address. It may contain bytes that are
/// not UTF-8.
///
/// It reads like a `String`: it derefs to its text, in which bytes that are not UTF-8 are shown as `�`. Nothing is
/// lost: it is sent with the bytes that were received ([`Name::as_bytes`]), and two names are equal if their bytes
/// are.
///
/// ```
/// use typedis_core::Name;
///
/// let name = Name::from("jobs");
/// assert_eq!(name, "jobs");
/// assert!(name.starts_with("jo"));
///
/// let odd = Name::from(b"l\xff".to_vec());
/// assert_eq!((odd.as_str(), odd.as_bytes()), ("l\u{fffd}", &b"l\xff"[..]));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Name {
    text: Box<str>,
    /// The bytes, if they differ from those of the text.
    bytes: Option<Box<[u8]>>,
}

impl Name {
    /// The text, with `�` for bytes that are not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes as they were received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// Whether the text is the whole name, without any `�` in place of bytes.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.bytes.is_none()
    }

    /// The bytes as they came.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        match self.bytes {
            Some(bytes) => bytes.into_vec(),
            None => self.text.into_string().into_bytes(),
        }
    }

    /// The text, with `�` for what is no UTF-8.
    #[must_use]
    pub fn into_string(self) -> String {
        self.text.into_string()
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => Self::from(text),
            Cow::Owned(text) => Self {
                text: text.into(),
                bytes: Some(bytes.into()),
            },
        }
    }
}

impl From<Vec<u8>> for Name {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::from(text),
            Err(error) => Self::from(error.as_bytes()),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self {
            text: text.into(),
            bytes: None,
        }
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self {
            text: text.into(),
            bytes: None,
        }
    }
}

/// The text, with `�` for what is no UTF-8.
impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.into_string()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Maps with names as keys can be searched by text. Names that differ only in bytes that are not UTF-8 may have the
/// same text: a map keeps each of them, and each is found by the name itself.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.text
    }
}

/// The hash of the text, as [`Borrow`] requires.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// By text, then by bytes.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_text = self.text.cmp(&other.text);
        by_text.then_with(|| self.bytes.cmp(&other.bytes))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! equal_by_bytes {
    ($($other:ty)*) => {$(
        impl PartialEq<$other> for Name {
            fn eq(&self, other: &$other) -> bool {
                let bytes: &[u8] = other.as_ref();
                self.as_bytes() == bytes
            }
        }

        impl PartialEq<Name> for $other {
            fn eq(&self, other: &Name) -> bool {
                other == self
            }
        }
    )*};
}

equal_by_bytes!(str &str String [u8] &[u8] Vec<u8>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Shown as a text in quotes; bytes that are not UTF-8 as `\xff`.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bytes {
            None => fmt::Debug::fmt(&self.text, f),
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

impl FromRedis for Name {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply.text() {
            Some(text) => Ok(Self::from(text.as_bytes())),
            None => Err(DecodeError::expected("a string", &reply)),
        }
    }
}

/// Sent with the bytes that were received.
impl ToArg for Name {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.bytes(self.as_bytes());
        Ok(())
    }
}

impl ToArgs for Name {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn it_reads_like_a_string_and_keeps_its_bytes() {
        let name = Name::from("jobs");
        assert_eq!(name, "jobs");
        assert_eq!(name, "jobs".to_owned());
        assert_eq!((name.len(), name.to_string()), (4, "jobs".to_owned()));
        assert_eq!(format!("{name:?} {name:>6}"), "\"jobs\"   jobs");
        assert!(name.is_utf8());

        let odd = Name::from(&b"l\xff\"\n"[..]);
        assert_eq!(odd.as_str(), "l\u{fffd}\"\n");
        assert_eq!(odd, b"l\xff\"\n"[..]);
        assert_ne!(odd, *"l\u{fffd}\"\n");
        assert_ne!(odd, Name::from(&b"l\xfe\"\n"[..]));
        assert_eq!(format!("{odd:?}"), r#""l\xff\"\n""#);
        assert_eq!(odd.clone().into_bytes(), b"l\xff\"\n");
        assert!(!odd.is_utf8());
    }

    #[test]
    fn a_map_is_asked_by_text() {
        let names = ["a", "b"].map(Name::from);
        let hashed: HashMap<Name, usize> = names.iter().cloned().zip(0..).collect();
        let ordered: BTreeMap<Name, usize> = names.iter().cloned().zip(0..).collect();
        assert_eq!((hashed.get("b"), ordered.get("b")), (Some(&1), Some(&1)));
        let alike = [&b"\xfe"[..], b"\xff"].map(Name::from);
        let both: HashMap<Name, usize> = alike.iter().cloned().zip(0..).collect();
        assert_eq!((both.len(), both.get(&alike[1])), (2, Some(&1)));
        assert!(alike[0] < alike[1]);
    }
}
