//! Reading maps whose fields have names, such as maps to which newer servers add fields.

use typedis_core::from_redis::Fields;
use typedis_core::{DecodeError, FromRedis, Reply};

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

/// Decodes the value of a field into `place`.
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
