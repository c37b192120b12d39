//! RESP as servers send it, made of its parts: [`push!`](crate::push), [`array!`](crate::array), [`Resp`].
//!
//! Lengths are counted here, so a test says what a server sends, and not how many bytes that is.

use std::fmt;

/// What a server sends: one value, encoded.
///
/// A text becomes a bulk string, a number an integer.
///
/// ```
/// use typedis_testkit::resp::Resp;
/// use typedis_testkit::{array, push};
///
/// assert_eq!(push!["subscribe", "a", 1].as_ref(), b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
/// assert_eq!(array![1, array!["b"]].as_ref(), b"*2\r\n:1\r\n*1\r\n$1\r\nb\r\n");
/// assert_eq!(push!["invalidate", Resp::null()].as_ref(), b">2\r\n$10\r\ninvalidate\r\n_\r\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resp(String);

impl Resp {
    /// The null of RESP3.
    #[must_use]
    pub fn null() -> Self {
        Self("_\r\n".to_owned())
    }

    /// A simple string.
    #[must_use]
    pub fn status(text: &str) -> Self {
        Self(format!("+{text}\r\n"))
    }

    /// A map of RESP3.
    #[must_use]
    pub fn map(pairs: &[(Self, Self)]) -> Self {
        let items: String = pairs
            .iter()
            .flat_map(|(key, value)| [key.0.as_str(), value.0.as_str()])
            .collect();
        Self(format!("%{}\r\n{items}", pairs.len()))
    }

    /// An array (`*`), a push (`>`) or a set (`~`) of these items.
    #[must_use]
    pub fn aggregate(kind: char, items: &[Self]) -> Self {
        let content: String = items.iter().map(|item| item.0.as_str()).collect();
        Self(format!("{kind}{}\r\n{content}", items.len()))
    }
}

impl From<&str> for Resp {
    fn from(text: &str) -> Self {
        Self(format!("${}\r\n{text}\r\n", text.len()))
    }
}

impl From<i64> for Resp {
    fn from(number: i64) -> Self {
        Self(format!(":{number}\r\n"))
    }
}

impl AsRef<[u8]> for Resp {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Resp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A push of RESP3: `push!["message", "a", "hi"]`.
#[macro_export]
macro_rules! push {
    ($($item:expr),* $(,)?) => {
        $crate::resp::Resp::aggregate('>', &[$($crate::resp::Resp::from($item)),*])
    };
}

/// An array: `array![1, "two", array![]]`.
#[macro_export]
macro_rules! array {
    ($($item:expr),* $(,)?) => {
        $crate::resp::Resp::aggregate('*', &[$($crate::resp::Resp::from($item)),*])
    };
}
