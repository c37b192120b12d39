//! Reading maps whose fields have names, such as maps to which newer servers add fields.

use typedis_core::from_redis::Fields;
use typedis_core::{DecodeError, FromRedis, Name, Reply};

/// Hands every field of a map to `take`, in RESP2 or RESP3; names that are not text are skipped.
pub(super) fn each_field<'a>(
    reply: &Reply<'a>,
    mut take: impl FnMut(&'a str, Reply<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for field in Fields::new(reply)? {
        let (name, value) = field?;
        if let Some(Ok(name)) = name.text().map(|name| name.to_str()) {
            take(name, value).map_err(|error| error.at_field(name.to_owned()))?;
        }
    }
    Ok(())
}

/// The same for names that other people choose, with any bytes. Errors do not show them.
pub(super) fn each_named<'a>(
    reply: &Reply<'a>,
    mut take: impl FnMut(Name, Reply<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for (index, field) in Fields::new(reply)?.enumerate() {
        let (name, value) = field?;
        let taken = Name::from_redis(name).and_then(|name| take(name, value));
        taken.map_err(|error| error.at_index(index))?;
    }
    Ok(())
}

/// Decodes the value of a field into the place that waits for it.
pub(super) fn fill<T: FromRedis>(
    place: &mut Option<T>,
    value: Reply<'_>,
) -> Result<(), DecodeError> {
    *place = Some(T::from_redis(value)?);
    Ok(())
}

/// The value of a field that every server sends.
pub(super) fn required<T>(place: Option<T>, name: &str) -> Result<T, DecodeError> {
    place.ok_or_else(|| DecodeError::missing(name))
}

/// The next element of an array, decoded.
pub(super) fn next<'a, T: FromRedis>(
    elements: &mut impl Iterator<Item = Reply<'a>>,
    name: &'static str,
) -> Result<T, DecodeError> {
    let element = elements.next().ok_or_else(|| DecodeError::missing(name))?;
    T::from_redis(element).map_err(|error| error.at_field(name))
}

/// Whether this is nil, in place of something that is gone, and `T` cannot be nil.
pub(super) fn is_gone<T: FromRedis>(reply: &Reply<'_>) -> bool {
    reply.is_nil() && T::from_redis(Reply::Nil).is_err()
}

/// Decodes a list, without elements that are gone.
pub(super) fn present<'a, T: FromRedis>(
    replies: impl IntoIterator<Item = Reply<'a>>,
) -> Result<Vec<T>, DecodeError> {
    let replies = replies.into_iter().enumerate();
    replies
        .filter(|(_, reply)| !is_gone::<T>(reply))
        .map(|(index, reply)| T::from_redis(reply).map_err(|error| error.at_index(index)))
        .collect()
}
