//! What the expansions of `#[derive(FromRedis)]` and `#[derive(ToRedis)]` call; not for use by hand.

use crate::command::Args;
use crate::command::{ArgWriter, Fits, ToArg, ToArgs};
use crate::error::{ArgError, DecodeError};
use crate::reply::{FromRedis, Reply};

pub use crate::reply::from_redis::{Fields, Names};
use crate::reply::view::Elements;
pub use bytes::Bytes;
#[cfg(feature = "json")]
pub use serde_core::{Serialize, de::DeserializeOwned};

/// The name of a field. A key that is not text matches no field.
#[must_use]
pub fn name<'a>(key: &Reply<'a>) -> &'a [u8] {
    key.text().map(|text| text.as_bytes()).unwrap_or_default()
}

/// Decodes the value of a field into its slot. One function for all fields of a type, because it is called for
/// each.
///
/// # Errors
/// The value does not fit, or the field comes twice: which of the two counts would be a guess.
#[inline(never)]
pub fn fill<T>(
    slot: &mut Option<T>,
    value: Reply<'_>,
    decode: impl FnOnce(Reply<'_>) -> Result<T, DecodeError>,
) -> Result<(), DecodeError> {
    if slot.is_some() {
        return Err(twice());
    }
    *slot = Some(decode(value)?);
    Ok(())
}

/// The elements of an array.
///
/// # Errors
/// The reply is none.
pub fn elements<'a>(reply: &Reply<'a>) -> Result<Elements<'a>, DecodeError> {
    match reply {
        Reply::Array(elements) => Ok(elements.clone()),
        _ => Err(DecodeError::expected("an array", reply)),
    }
}

/// Decodes the next element of an array into the slot of a field, if there is one.
///
/// # Errors
/// The element does not fit.
#[inline(never)]
pub fn element<'a, T>(
    elements: &mut Elements<'a>,
    slot: &mut Option<T>,
    name: &'static str,
    decode: impl FnOnce(Reply<'a>) -> Result<T, DecodeError>,
) -> Result<(), DecodeError> {
    let filled = elements.next().map_or(Ok(()), |value| {
        *slot = Some(decode(value)?);
        Ok(())
    });
    at(name.as_bytes(), filled)
}

/// Decodes a list of structs that are arrays: an array for each; or, if each has exactly `width` elements, all of them one after
/// another, as RESP2 sends them.
///
/// # Errors
/// The reply does not fit.
pub fn rows<T: FromRedis>(
    reply: &Reply<'_>,
    width: usize,
    is_exact: bool,
    put: &mut impl FnMut(T) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut elements = reply
        .elements()
        .ok_or_else(|| DecodeError::expected("an array", reply))?;
    let is_nested = matches!(elements.clone().next(), Some(Reply::Array(_)));
    let is_flat = is_exact && !is_nested && (width == 2 || !matches!(reply, Reply::Map(_)));
    if is_flat && elements.len() % width != 0 {
        let groups = format_args!("elements in groups of {width}");
        return Err(DecodeError::expected(groups, reply));
    }
    for index in 0.. {
        let row = if is_flat && elements.len() > 0 {
            Reply::Array(elements.take_group(width))
        } else if let Some(row) = elements.next() {
            row
        } else {
            break;
        };
        let row = T::from_redis(row).and_then(&mut *put);
        row.map_err(|error| error.at_index(index))?;
    }
    Ok(())
}

#[cold]
fn twice() -> DecodeError {
    DecodeError::new("the field comes twice")
}

/// Adds the name of the field to an error.
///
/// # Errors
/// There is an error.
#[inline]
pub fn at(name: &[u8], filled: Result<(), DecodeError>) -> Result<(), DecodeError> {
    filled.map_err(|error| within(name, error))
}

#[cold]
fn within(name: &[u8], error: DecodeError) -> DecodeError {
    error.at_field(String::from_utf8_lossy(name).into_owned())
}

/// Fills an empty slot with the default of the struct.
#[inline]
pub fn default<T>(slot: &mut Option<T>, default: impl FnOnce() -> T) {
    if slot.is_none() {
        *slot = Some(default());
    }
}

/// Fills an empty slot with the type's value for a missing field.
///
/// # Errors
/// The slot is empty, and the type is not optional.
#[inline]
pub fn settle<T>(
    slot: &mut Option<T>,
    name: &'static str,
    absent: impl FnOnce() -> Option<T>,
) -> Result<(), DecodeError> {
    if slot.is_none() {
        *slot = absent();
    }
    if slot.is_none() {
        return Err(missing(name));
    }
    Ok(())
}

#[cold]
fn missing(name: &'static str) -> DecodeError {
    DecodeError::missing(name)
}

/// The error for an empty slot after all were settled. This cannot happen, but the compiler does not know it.
#[cold]
#[must_use]
pub fn unsettled() -> DecodeError {
    DecodeError::new("a field is missing")
}

/// Decodes a struct; an empty map means that it is absent.
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

/// Decodes the value inside an `Option`.
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
/// The reply is not JSON for this type.
#[cfg(feature = "json")]
pub fn json<T: DeserializeOwned>(reply: Reply<'_>) -> Result<T, DecodeError> {
    crate::Json::from_redis(reply).map(|json| json.0)
}

/// The word that an enum is decoded from.
///
/// # Errors
/// The reply is not a string.
pub fn word<'a>(reply: &Reply<'a>) -> Result<&'a [u8], DecodeError> {
    reply
        .text()
        .map(|text| text.as_bytes())
        .ok_or_else(|| DecodeError::expected("a word", reply))
}

/// The error for a word that is not a variant.
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
    /// Writes the name and the value, if there is a value.
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

/// A value that is written by the user's function.
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
