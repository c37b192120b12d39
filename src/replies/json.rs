//! Replies of the commands on JSON documents.
//!
//! A path that begins with `$` may have any number of matches, and the reply is an array. Any other path has one
//! match, and the reply is the value for it. [`Matches`] reads both.

use std::fmt;
use std::ops::Deref;

use typedis_core::{DecodeError, FromRedis, Reply};

/// The results for the matches of a path, in the order of the document; one result if the path does not begin with
/// `$`.
///
/// It is used like a slice, and iterated over like a `Vec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches<T>(Vec<T>);

impl<T> Matches<T> {
    /// All results.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }

    /// The first result, which is the only one if the path does not begin with `$`.
    #[must_use]
    pub fn into_first(self) -> Option<T> {
        self.0.into_iter().next()
    }
}

impl<T> Deref for Matches<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> IntoIterator for Matches<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Matches<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: PathMatch> FromRedis for Matches<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        T::decode_matches(reply).map(Self)
    }
}

/// A type that can be the result for a match.
pub trait PathMatch: Sized {
    /// Decodes the results for all matches, or for the only one.
    ///
    /// # Errors
    /// The reply does not fit the type.
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError>;
}

impl<T: FromRedis> PathMatch for Option<T> {
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError> {
        each_or_one(reply, Self::from_redis)
    }
}

/// An array holds a result for every match; anything else is the only result.
fn each_or_one<'a, T>(
    reply: Reply<'a>,
    mut decode: impl FnMut(Reply<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    match reply {
        Reply::Array(elements) => elements
            .enumerate()
            .map(|(index, element)| decode(element).map_err(|error| error.at_index(index)))
            .collect(),
        one => decode(one).map(|one| vec![one]),
    }
}

/// A number of a document after it was changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JsonNumber {
    /// An integer.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// The value is not a number, and was not changed.
    NotANumber,
}

impl JsonNumber {
    /// The number as a float, which holds integers up to 2^53 exactly.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::NotANumber => None,
        }
    }

    /// The number, if it is an integer.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Float(_) | Self::NotANumber => None,
        }
    }

    /// Reads a number in the notation of JSON.
    fn parse(text: &str) -> Result<Self, DecodeError> {
        let text = text.trim();
        if text == "null" {
            return Ok(Self::NotANumber);
        }
        let number = text.parse().map(Self::Integer);
        number
            .or_else(|_| text.parse().map(Self::Float))
            .map_err(|_| DecodeError::new("the JSON is not made of numbers"))
    }
}

/// RESP3 sends numbers; RESP2 sends the text of one, or of a JSON array of them.
impl PathMatch for JsonNumber {
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError> {
        let Some(text) = reply.text().filter(|_| !matches!(reply, Reply::Double(..))) else {
            return each_or_one(reply, |number| match number {
                Reply::Nil => Ok(Self::NotANumber),
                Reply::Integer(value) => Ok(Self::Integer(value)),
                other => f64::from_redis(other).map(Self::Float),
            });
        };
        let text = text.to_str()?.trim();
        match text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            Some(list) if list.trim().is_empty() => Ok(Vec::new()),
            Some(list) => list.split(',').map(Self::parse).collect(),
            None => Self::parse(text).map(|one| vec![one]),
        }
    }
}

/// The result of JSON.TOGGLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Toggled {
    /// It is `true` now.
    True,
    /// It is `false` now.
    False,
    /// It is not a boolean, and was not changed.
    NotABoolean,
}

impl Toggled {
    /// The new value, if it is a boolean.
    #[must_use]
    pub fn value(self) -> Option<bool> {
        match self {
            Self::True => Some(true),
            Self::False => Some(false),
            Self::NotABoolean => None,
        }
    }
}

impl PathMatch for Toggled {
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError> {
        each_or_one(reply, |value| {
            match value.text().map(|text| text.as_bytes()) {
                Some(b"true") => return Ok(Self::True),
                Some(b"false") => return Ok(Self::False),
                _ => {}
            }
            Ok(match Option::<bool>::from_redis(value)? {
                Some(true) => Self::True,
                Some(false) => Self::False,
                None => Self::NotABoolean,
            })
        })
    }
}

/// The names of the members of an object; `None` if the value is not an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKeys(pub Option<Vec<String>>);

/// If there is one match, it is an array of names; the matches of a `$` path come as arrays inside one. An empty
/// array means that there is no match.
impl PathMatch for ObjectKeys {
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError> {
        let first = reply.elements().and_then(|mut elements| elements.next());
        if first.is_some_and(|first| first.text().is_some()) {
            return Vec::from_redis(reply).map(|names| vec![Self(Some(names))]);
        }
        each_or_one(reply, |names| Option::from_redis(names).map(Self))
    }
}

/// The type of a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonValueType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any other number.
    Float,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A type that this version does not know.
    Other(String),
}

impl JsonValueType {
    /// The server's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for JsonValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromRedis for JsonValueType {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let name = String::from_redis(reply)?;
        Ok(match name.as_str() {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Float,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => Self::Other(name),
        })
    }
}

/// RESP3 sends the same as RESP2 inside one more array; a key that does not exist has no types.
impl PathMatch for JsonValueType {
    fn decode_matches(reply: Reply<'_>) -> Result<Vec<Self>, DecodeError> {
        let mut types = Vec::new();
        for outer in each_or_one(reply, Ok)? {
            for inner in each_or_one(outer, Ok)? {
                types.extend(Option::from_redis(inner)?);
            }
        }
        Ok(types)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    fn matches<T: PathMatch>(reply: &str) -> Vec<T> {
        decode::<Matches<T>>(reply).unwrap().into_vec()
    }

    #[test]
    fn a_path_has_one_match_or_any_number() {
        assert_eq!(matches::<Option<u64>>(":6\r\n"), [Some(6)]);
        assert_eq!(
            matches::<Option<u64>>("*2\r\n:5\r\n$-1\r\n"),
            [Some(5), None]
        );
        assert_eq!(matches::<Option<u64>>("*1\r\n_\r\n"), [None]);
        assert_eq!(matches::<Option<u64>>("*0\r\n"), []);
        assert_eq!(
            matches::<Option<String>>("$1\r\n5\r\n"),
            [Some("5".to_owned())]
        );
        assert_eq!(
            matches::<Option<String>>("*1\r\n$1\r\n6\r\n"),
            [Some("6".to_owned())]
        );
    }

    #[test]
    fn numbers_come_as_numbers_or_as_json() {
        use JsonNumber::{Float, Integer, NotANumber};
        for three in ["$3\r\n[3]\r\n", "$1\r\n3\r\n", "*1\r\n:3\r\n"] {
            assert_eq!(matches::<JsonNumber>(three), [Integer(3)], "{three}");
        }
        for float in ["$6\r\n[1.75]\r\n", "*1\r\n,1.75\r\n"] {
            assert_eq!(matches::<JsonNumber>(float), [Float(1.75)], "{float}");
        }
        for none in ["$6\r\n[null]\r\n", "*1\r\n_\r\n"] {
            assert_eq!(matches::<JsonNumber>(none), [NotANumber], "{none}");
        }
        assert_eq!(
            matches::<JsonNumber>("$8\r\n[5,null]\r\n"),
            [Integer(5), NotANumber]
        );
        assert_eq!(matches::<JsonNumber>("$2\r\n[]\r\n"), []);
        assert!(decode::<Matches<JsonNumber>>("$3\r\n\"a\"\r\n").is_err());
    }

    #[test]
    fn toggled_values_are_words_or_numbers() {
        use Toggled::{False, NotABoolean, True};
        assert_eq!(matches::<Toggled>("$4\r\ntrue\r\n"), [True]);
        assert_eq!(
            matches::<Toggled>("*3\r\n:0\r\n:1\r\n$-1\r\n"),
            [False, True, NotABoolean]
        );
        assert!(decode::<Matches<Toggled>>("$3\r\nyes\r\n").is_err());
    }

    #[test]
    fn names_of_one_object_or_of_several() {
        let names = ObjectKeys(Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(
            matches::<ObjectKeys>("*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
            std::slice::from_ref(&names)
        );
        assert_eq!(
            matches::<ObjectKeys>("*2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n_\r\n"),
            [names, ObjectKeys(None)]
        );
        assert_eq!(
            matches::<ObjectKeys>("*1\r\n*0\r\n"),
            [ObjectKeys(Some(vec![]))]
        );
        assert_eq!(matches::<ObjectKeys>("$-1\r\n"), [ObjectKeys(None)]);
    }

    #[test]
    fn types_are_wrapped_once_more_in_resp3() {
        for integer in [
            "$7\r\ninteger\r\n",
            "*1\r\n$7\r\ninteger\r\n",
            "*1\r\n*1\r\n$7\r\ninteger\r\n",
        ] {
            assert_eq!(
                matches::<JsonValueType>(integer),
                [JsonValueType::Integer],
                "{integer}"
            );
        }
        for none in ["$-1\r\n", "*0\r\n", "*1\r\n_\r\n", "*1\r\n*0\r\n"] {
            assert_eq!(matches::<JsonValueType>(none), [], "{none}");
        }
        assert_eq!(
            matches::<JsonValueType>("$4\r\ndate\r\n"),
            [JsonValueType::Other("date".to_owned())]
        );
    }
}
