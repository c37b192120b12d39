//! Tuples: from arrays with exactly as many elements; and lists of tuples, whose layout depends on command and
//! protocol.

use super::FromRedis;
use crate::error::DecodeError;
use crate::reply::view::Reply;

/// How a list of tuples of `width` members is laid out.
enum Layout {
    /// `[a 1] [b 2]`
    Nested,
    /// `a 1 b 2`
    Flat,
    /// A map of `a` to `[1 x]`, which RESP3 sends for `a 1 x`.
    Keyed,
}

fn layout(reply: &Reply<'_>, width: usize) -> Result<Layout, DecodeError> {
    let elements = reply
        .elements()
        .ok_or_else(|| DecodeError::expected("an array", reply))?;
    if matches!(reply, Reply::Map(_)) && width > 2 {
        return Ok(Layout::Keyed);
    }
    if !matches!(reply, Reply::Map(_)) && matches!(elements.clone().next(), Some(Reply::Array(_))) {
        return Ok(Layout::Nested);
    }
    if elements.len() % width != 0 {
        return Err(DecodeError::expected(
            format_args!("elements in groups of {width}"),
            reply,
        ));
    }
    Ok(Layout::Flat)
}

fn member<'a, T: FromRedis>(
    members: &mut impl Iterator<Item = Reply<'a>>,
    index: usize,
) -> Result<T, DecodeError> {
    let member = members
        .next()
        .ok_or_else(|| DecodeError::new("the array ended early"))?;
    T::from_redis(member).map_err(|error| error.at_index(index))
}

macro_rules! tuples {
    ($($width:literal: $($T:ident $index:literal),+;)+) => {$(
        impl<$($T: FromRedis),+> FromRedis for ($($T,)+) {
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                let expected = || DecodeError::expected(concat!("an array of ", $width), &reply);
                let mut members = reply.elements().filter(|members| members.len() == $width).ok_or_else(expected)?;
                Ok(($(member::<$T>(&mut members, $index)?,)+))
            }

            fn from_option(reply: Reply<'_>) -> Result<Option<Self>, DecodeError> {
                match reply.elements() {
                    Some(members) if members.len() == 0 => Ok(None),
                    None if reply.is_nil() => Ok(None),
                    _ => Self::from_redis(reply).map(Some),
                }
            }

            fn decode_all(
                reply: &Reply<'_>,
                put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
            ) -> Result<(), DecodeError> {
                let layout = layout(reply, $width)?;
                let Some(mut elements) = reply.elements() else { return Ok(()) };
                let mut index = 0;
                while let Some(first) = elements.next() {
                    let tuple = match layout {
                        Layout::Nested => Self::from_redis(first),
                        Layout::Flat => {
                            let mut members = std::iter::once(first).chain(elements.by_ref());
                            (|| Ok(($(member::<$T>(&mut members, $index)?,)+)))()
                        }
                        Layout::Keyed => elements.next().map_or_else(
                            || Err(DecodeError::new("the map ended early")),
                            |rest| {
                                let expected = || DecodeError::expected(format_args!("an array of {}", $width - 1), &rest);
                                let rest = rest.elements().filter(|rest| rest.len() == $width - 1).ok_or_else(expected)?;
                                let mut members = std::iter::once(first).chain(rest);
                                Ok(($(member::<$T>(&mut members, $index)?,)+))
                            },
                        ),
                    };
                    tuple.and_then(&mut *put).map_err(|error| error.at_index(index))?;
                    index += 1;
                }
                Ok(())
            }
        }
    )+};
}

tuples! {
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}
