//! A reply as an owned tree, for code that does not know what will come.

use std::fmt;

use bytes::Bytes;

use crate::error::ServerError;
use crate::reply::view::Reply;

/// Any reply.
///
/// RESP2 and RESP3 connections give different values for the same reply (a flat array or a map); the methods here
/// accept both. Types with [`FromRedis`](crate::FromRedis) never see the difference.
///
/// Values are not nested deeper than the connection's limit, so that recursion over a value is bounded.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Nil,
    /// An integer.
    Integer(i64),
    /// A double.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// The digits of an integer of any size.
    BigNumber(String),
    /// A status such as `OK`.
    Simple(Bytes),
    /// A string.
    Bulk(Bytes),
    /// Text for people, as INFO gives it in RESP3.
    Verbatim(Bytes),
    /// An error.
    Error(ServerError),
    /// An array.
    Array(Vec<Value>),
    /// A map, in the order in which it came.
    Map(Vec<(Value, Value)>),
    /// A set, in the order in which it came.
    Set(Vec<Value>),
    /// A message that is not a reply to a command.
    Push(Vec<Value>),
}

impl Value {
    /// Whether this is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The integer, if this is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The double, if this is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// The bytes of a string of any kind.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Verbatim(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string of any kind, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The elements of an array, a set or a push.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value of a key in a map, or in the flat array that RESP2 sends for one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let is_key = |value: &Value| value.as_bytes() == Some(key.as_bytes());
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .find(|(name, _)| is_key(name))
                .map(|(_, value)| value),
            Self::Array(elements) => elements.chunks_exact(2).find_map(|pair| match pair {
                [name, value] if is_key(name) => Some(value),
                _ => None,
            }),
            _ => None,
        }
    }

    /// The error, if this is one.
    #[must_use]
    pub fn as_error(&self) -> Option<&ServerError> {
        match self {
            Self::Error(error) => Some(error),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bulk(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Bulk(text.into())
    }
}

impl From<Vec<Self>> for Value {
    fn from(values: Vec<Self>) -> Self {
        Self::Array(values)
    }
}

impl From<Reply<'_>> for Value {
    fn from(reply: Reply<'_>) -> Self {
        match &reply {
            Reply::Nil => Self::Nil,
            Reply::Integer(value) => Self::Integer(*value),
            Reply::Double(value, _) => Self::Double(*value),
            Reply::Boolean(value) => Self::Boolean(*value),
            Reply::BigNumber(digits) => {
                Self::BigNumber(String::from_utf8_lossy(digits.as_bytes()).into_owned())
            }
            Reply::Simple(text) => Self::Simple(text.to_bytes()),
            Reply::Bulk(text) => Self::Bulk(text.to_bytes()),
            Reply::Verbatim { text, .. } => Self::Verbatim(text.to_bytes()),
            Reply::Error(text) => {
                Self::Error(ServerError::new(&String::from_utf8_lossy(text.as_bytes())))
            }
            Reply::Array(elements) => Self::Array(elements.clone().map(Self::from).collect()),
            Reply::Set(elements) => Self::Set(elements.clone().map(Self::from).collect()),
            Reply::Push(elements) => Self::Push(elements.clone().map(Self::from).collect()),
            Reply::Map(pairs) => Self::Map(
                pairs
                    .clone()
                    .map(|(key, value)| (Self::from(key), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// Text is shown as text, and a tree in the notation of lists and maps.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Integer(value) => fmt::Debug::fmt(value, f),
            Self::Double(value) => fmt::Debug::fmt(value, f),
            Self::Boolean(value) => fmt::Debug::fmt(value, f),
            Self::BigNumber(digits) => f.write_str(digits),
            Self::Simple(text) => write!(f, "{}", text.escape_ascii()),
            Self::Bulk(text) | Self::Verbatim(text) => match std::str::from_utf8(text) {
                Ok(text) => fmt::Debug::fmt(text, f),
                Err(_) => write!(f, "b\"{}\"", text.escape_ascii()),
            },
            Self::Error(error) => write!(f, "error({error})"),
            Self::Array(elements) => f.debug_list().entries(elements).finish(),
            Self::Set(elements) => f.debug_set().entries(elements).finish(),
            Self::Push(elements) => {
                f.write_str("push")?;
                f.debug_list().entries(elements).finish()
            }
            Self::Map(pairs) => f
                .debug_map()
                .entries(pairs.iter().map(|(key, value)| (key, value)))
                .finish(),
        }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Value::from(self.clone()), f)
    }
}
