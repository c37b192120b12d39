//! What the expansions of `#[derive(FromRedis)]` and `#[derive(ToRedis)]` call; no interface of its own.

use crate::arg::{ArgError, ArgWriter, ToArg, ToArgs};
use crate::args::Args;
use crate::from_redis::{DecodeError, FromRedis, Reply};
use crate::records::Fits;

pub use crate::from_redis::Fields;
#[cfg(feature = "json")]
pub use serde::{Serialize, de::DeserializeOwned};

/// The place of a field while the pairs of a reply are gone through.
#[derive(Debug)]
pub struct Slot<T>(Option<T>);

impl<T> Slot<T> {
    /// An empty place.
    #[expect(clippy::new_without_default, reason = "only expansions make one")]
    #[must_use]
    pub fn new() -> Self {
        Self(None)
    }

    /// Decodes the field's value.
    ///
    /// # Errors
    /// It does not fit, or is the second one: which of them counts would be a guess.
    pub fn fill(
        &mut self,
        name: &'static str,
        value: Reply<'_>,
        decode: impl FnOnce(Reply<'_>) -> Result<T, DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.0.is_some() {
            return Err(DecodeError::new("the field comes twice").at_field(name));
        }
        self.0 = Some(decode(value).map_err(|error| error.at_field(name))?);
        Ok(())
    }

    /// The value, or the default of the struct.
    pub fn or_else(self, default: impl FnOnce() -> T) -> T {
        self.0.unwrap_or_else(default)
    }

    /// The value, or what the type is where there is none.
    ///
    /// # Errors
    /// There is none, and the type is not optional.
    pub fn or_absent(
        self,
        name: &'static str,
        absent: impl FnOnce() -> Option<T>,
    ) -> Result<T, DecodeError> {
        self.0
            .or_else(absent)
            .ok_or_else(|| DecodeError::missing(name))
    }

    /// The value.
    ///
    /// # Errors
    /// There is none.
    pub fn or_missing(self, name: &'static str) -> Result<T, DecodeError> {
        self.or_absent(name, || None)
    }
}

/// The name of a field; one that is no text is no field's.
#[must_use]
pub fn name<'a>(key: &Reply<'a>) -> &'a [u8] {
    key.text().map(|text| text.as_bytes()).unwrap_or_default()
}

/// Decodes a struct, which an empty map leaves absent.
///
/// # Errors
/// The reply does not fit.
pub fn unless_empty<T: FromRedis>(reply: Reply<'_>) -> Result<Option<T>, DecodeError> {
    let empty = reply.elements().is_some_and(|elements| elements.len() == 0);
    if empty || reply.is_nil() {
        Ok(None)
    } else {
        T::from_redis(reply).map(Some)
    }
}

/// Decodes what is inside an `Option`.
///
/// # Errors
/// The reply does not fit.
pub fn present<T>(
    reply: Reply<'_>,
    decode: impl FnOnce(Reply<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if reply.is_nil() {
        Ok(None)
    } else {
        decode(reply).map(Some)
    }
}

/// Decodes JSON.
///
/// # Errors
/// The reply is no JSON of this type.
#[cfg(feature = "json")]
pub fn json<T: DeserializeOwned>(reply: Reply<'_>) -> Result<T, DecodeError> {
    crate::Json::from_redis(reply).map(|json| json.0)
}

/// The word that an enum is decoded from.
///
/// # Errors
/// The reply is no string.
pub fn word<'a>(reply: &Reply<'a>) -> Result<&'a [u8], DecodeError> {
    reply
        .text()
        .map(|text| text.as_bytes())
        .ok_or_else(|| DecodeError::expected("a word", reply))
}

/// The error for a word that is no variant.
#[must_use]
pub fn unknown_word(known: &[&str]) -> DecodeError {
    DecodeError::mismatch(
        format_args!("one of `{}`", known.join("`, `")),
        "another word",
    )
}

/// A type that can be the value of a field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a field",
    note = "strings, bytes, numbers, types with `#[derive(ToRedis)]` that are one argument, and `Option`s of them can",
    note = "anything else, `bool` included, can with `#[redis(json)]` or `#[redis(with = \"module\")]`"
)]
pub trait Field {
    /// Writes the name and the value, unless there is none.
    fn write_field<Column>(&self, name: &'static str, out: &mut Args)
    where
        &'static str: Fits<Column>;
}

impl<T: ToArg> Field for T {
    fn write_field<Column>(&self, name: &'static str, out: &mut Args)
    where
        &'static str: Fits<Column>,
    {
        name.write(out);
        out.item(self);
    }
}

impl<T: ToArg> Field for Option<T> {
    fn write_field<Column>(&self, name: &'static str, out: &mut Args)
    where
        &'static str: Fits<Column>,
    {
        if let Some(value) = self {
            value.write_field::<Column>(name, out);
        }
    }
}

/// A value that a function of the user's writes.
#[derive(Debug)]
pub struct With<'a, T, F>(pub &'a T, pub F);

impl<T, F: Fn(&T, &mut ArgWriter<'_>) -> Result<(), ArgError>> ToArg for With<'_, T, F> {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        (self.1)(self.0, out)
    }
}

impl<T, F: Fn(&T, &mut ArgWriter<'_>) -> Result<(), ArgError>> ToArgs for With<'_, T, F> {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}
