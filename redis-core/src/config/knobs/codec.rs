//! How one type of setting is read from a text and written as one: [`Codec`].

use std::time::Duration;

use crate::config::human::{
    at_least, duration, duration_text, number, optional_duration, optional_duration_text, size,
    size_text,
};
use crate::config::secret::Secret;

/// How a value is read from a text, and written as one.
pub(super) struct Codec<T> {
    pub(super) read: fn(&str) -> Result<T, String>,
    /// The text that `read` reads as this value; `None` where nothing is set.
    pub(super) write: fn(&T) -> Option<String>,
}

/// A time.
pub(super) const DURATION: Codec<Duration> = Codec {
    read: duration,
    write: |time| Some(duration_text(*time)),
};

/// A time, or `off`.
pub(super) const OPTIONAL_DURATION: Codec<Option<Duration>> = Codec {
    read: optional_duration,
    write: |time| Some(optional_duration_text(*time)),
};

/// A number of bytes.
pub(super) const SIZE: Codec<usize> = Codec {
    read: size,
    write: |bytes| Some(size_text(*bytes)),
};

/// A number of at least 1.
pub(super) const COUNT: Codec<usize> = Codec {
    read: |text| at_least(1, text),
    write: |count| Some(count.to_string()),
};

/// A number that may be 0.
pub(super) const NUMBER: Codec<u32> = Codec {
    read: number,
    write: |number| Some(number.to_string()),
};

/// The name of a user.
pub(super) const USERNAME: Codec<Option<String>> = Codec {
    read: |text| {
        if text.is_empty() {
            return Err("the name is empty".to_owned());
        }
        Ok(Some(text.to_owned()))
    },
    write: Clone::clone,
};

/// A password, which may be empty.
pub(super) const PASSWORD: Codec<Option<Secret>> = Codec {
    read: |text| Ok(Some(Secret::new(text))),
    write: |secret| secret.as_ref().map(|secret| secret.expose().to_owned()),
};

/// The codec of an enum: each value with its name, and after it other names that are read too.
macro_rules! names {
    ($what:literal, $type:ident { $($value:ident: $name:literal $(| $other:literal)*,)+ }) => {
        Codec {
            read: |text| match text {
                $($name $(| $other)* => Ok($type::$value),)+
                _ => Err(codec::unknown(text, $what, &[$($name),+])),
            },
            write: |value| {
                let name = match value {
                    $($type::$value => $name,)+
                };
                Some(name.to_owned())
            },
        }
    };
}

pub(super) use names;

/// Has a type read from a text, and written as one, as its setting is.
macro_rules! as_text {
    ($type:ident, $codec:ident) => {
        /// As it is written in a URL.
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&($codec.write)(self).unwrap_or_default())
            }
        }

        /// As it is written in a URL.
        impl std::str::FromStr for $type {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                ($codec.read)(text).map_err(crate::Error::config)
            }
        }
    };
}

pub(super) use as_text;

/// What is said of a text that is none of the names; `what` says what they are names of.
pub(super) fn unknown(text: &str, what: &str, names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let known = match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    };
    format!("`{text}` is no {what}; known are {known}")
}
