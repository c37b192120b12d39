//! Numbers: from number replies, and from the text of a number, which is how hashes hold them and RESP2 sends floats.

use std::num::NonZero;
use std::str::FromStr;

use super::FromRedis;
use crate::error::DecodeError;
use crate::reply::view::Reply;
use crate::wire::token;

/// Up to this number, every integer is exact as a float of this type.
const EXACT_F64: u64 = 1 << f64::MANTISSA_DIGITS;
const EXACT_F32: u64 = 1 << f32::MANTISSA_DIGITS;

/// Reads a float as servers write it; `None` if it is too large for the type.
pub(super) fn float<T: FromStr + Into<f64> + Copy>(text: &[u8]) -> Option<T> {
    if !token::is_double(text) {
        return None;
    }
    let value: T = std::str::from_utf8(text).ok()?.parse().ok()?;
    let infinite: f64 = value.into();
    (!infinite.is_infinite() || text.ends_with(b"inf")).then_some(value)
}

/// Reads an integer as servers write it, of any size that the type holds.
fn integer<T: FromStr + TryFrom<i64>>(reply: &Reply<'_>, name: &str) -> Result<T, DecodeError> {
    let value = match reply {
        Reply::Integer(value) => T::try_from(*value).ok(),
        _ => match reply
            .text()
            .map(|text| (text, token::integer(text.as_bytes())))
        {
            Some((_, Some(value))) => T::try_from(value).ok(),
            // An integer beyond 64 bits, or one that only `u64` can hold.
            Some((text, None)) if token::is_integer(text.as_bytes()) => text.to_str()?.parse().ok(),
            _ => return Err(no_integer(reply)),
        },
    };
    value.ok_or_else(|| too_great(name))
}

#[cold]
fn no_integer(reply: &Reply<'_>) -> DecodeError {
    match reply.text() {
        Some(_) => DecodeError::mismatch("an integer", format_args!("{reply} that is none")),
        None => DecodeError::expected("an integer", reply),
    }
}

#[cold]
fn too_great(name: &str) -> DecodeError {
    DecodeError::mismatch("an integer", format_args!("one that does not fit `{name}`"))
}

macro_rules! integers {
    ($($int:ty)*) => {$(
        impl FromRedis for $int {
            #[inline]
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                integer(&reply, stringify!($int))
            }
        }

        impl FromRedis for NonZero<$int> {
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                Self::new(<$int>::from_redis(reply)?).ok_or_else(|| DecodeError::mismatch("an integer other than 0", "0"))
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 i128 isize u16 u32 u64 u128 usize);

impl FromRedis for u8 {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        integer(&reply, "u8")
    }

    const LIST: &'static str = "a string";

    fn vec_from_text(text: &crate::reply::view::Str<'_>) -> Option<Vec<Self>> {
        Some(text.as_bytes().to_vec())
    }
}

impl FromRedis for NonZero<u8> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::new(u8::from_redis(reply)?)
            .ok_or_else(|| DecodeError::mismatch("an integer other than 0", "0"))
    }
}

macro_rules! floats {
    ($($float:ident, $exact:ident, is f64: $is_f64:literal;)*) => {$(
        impl FromRedis for $float {
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                match &reply {
                    Reply::Integer(value) if value.unsigned_abs() <= $exact => Ok(*value as $float),
                    Reply::Integer(_) => Err(DecodeError::mismatch(
                        "a number",
                        concat!("an integer that `", stringify!($float), "` cannot hold exactly"),
                    )),
                    // `f32` is rounded once, from the text.
                    Reply::Double(value, _) if $is_f64 && value.is_finite() => Ok(*value as $float),
                    _ => match reply.text() {
                        Some(text) => float(text.as_bytes()).ok_or_else(|| {
                            DecodeError::mismatch("a number", format_args!("{reply} that is none, or too great"))
                        }),
                        None => Err(DecodeError::expected("a number", &reply)),
                    },
                }
            }
        }
    )*};
}

floats! {
    f32, EXACT_F32, is f64: false;
    f64, EXACT_F64, is f64: true;
}
