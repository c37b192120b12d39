//! What can be received: [`FromRedis`] for types, [`Reply`] for the replies.
//!
//! # Layout
//!
//! - `text`, `number`, `scalar`, `list`, `map`, `tuple`: the types
//! - `shared`: types whose fields are in one map with those of others

use bytes::Bytes;

use super::frame_ref::{FrameRef, to_chunk};
use super::kept::{KeptReply, NIL};
use super::view::{Reply, Str};
use crate::error::{DecodeError, Error};
use crate::wire::Span;

mod list;
mod map;
mod number;
mod scalar;
mod shared;
mod text;
mod tuple;

pub use map::Fields;
pub use shared::Names;

/// A type that replies decode into.
///
/// `#[derive(FromRedis)]` writes it for structs and for enums of words.
///
/// # What decodes into what
///
/// One rule decides: **a type accepts every form in which RESP2 or RESP3 sends the same value, and nothing else.**
/// RESP2 has no doubles, maps, sets or booleans and sends strings, flat arrays, arrays and integers for them, so:
///
/// | type | accepts |
/// | --- | --- |
/// | `String`, `Bytes`, `Vec<u8>`, … | strings of all kinds; also doubles and big numbers, which RESP2 sends as strings. No integers |
/// | `i64`, `u8`, … | integers; and strings that are an integer and nothing else, as hashes hold them. No booleans |
/// | `f64`, `f32` | doubles and strings that are a number; integers that the type holds exactly. `f32` rounds |
/// | `bool` | booleans, the integers 0 and 1; as the whole reply of a command also `OK` and nil (SET with NX) |
/// | `()` | the status `OK`, also with a remark behind it |
/// | `Option<T>` | nil, or what `T` accepts. A struct or tuple is also absent if the array or map is empty, which is how servers answer HGETALL for a key that does not exist |
/// | `Vec<T>`, `HashSet<T>`, `[T; N]`, … | arrays and sets; a map counts as the flat array that RESP2 sends for it. An array may not be shorter or longer than `[T; N]` |
/// | tuples | arrays with exactly as many elements |
/// | `Vec<(A, B)>`, `HashMap<K, V>`, … | maps, flat arrays (`a 1 b 2`) and arrays of arrays (`[a 1] [b 2]`) |
/// | `Result<T, ServerError>` | an error among the elements, or what `T` accepts |
/// | [`Value`](crate::Value) | anything |
/// | `Json<T>` | a string that is JSON for `T` |
///
/// Nil is an error for every other type, and so are numbers that do not fit, and errors among the elements. Nothing is
/// ever rounded, truncated, or replaced by a default.
///
#[diagnostic::on_unimplemented(
    message = "a reply cannot be decoded into `{Self}`",
    note = "strings, bytes, numbers, `bool`, `Option`, lists, sets, maps, tuples, `Value`, `Json<T>` and types with \
            `#[derive(FromRedis)]` can be decoded into",
    note = "what borrows (`&str`) cannot: the bytes of a reply are gone once it has been decoded",
    note = "a field of any other type can with `#[redis(with = \"module\")]`, or with `#[redis(json)]` if serde knows it"
)]
pub trait FromRedis: Sized {
    /// Decodes a reply.
    ///
    /// # Errors
    /// The reply does not fit the type.
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError>;

    /// The name of a list of `Self` in errors.
    #[doc(hidden)]
    const LIST: &'static str = "an array";

    /// Decodes for `Option<Self>`; for types that are also absent if the reply is empty.
    #[doc(hidden)]
    #[inline]
    fn from_option(reply: Reply<'_>) -> Result<Option<Self>, DecodeError> {
        if reply.is_nil() {
            Ok(None)
        } else {
            Self::from_redis(reply).map(Some)
        }
    }

    /// Decodes a string for a list of `Self`; only for bytes, because a string is a list of bytes.
    #[doc(hidden)]
    fn vec_from_text(_text: &Str<'_>) -> Option<Vec<Self>> {
        None
    }

    /// Decodes the elements of a list of `Self`; tuples accept several layouts.
    #[doc(hidden)]
    fn decode_all(
        reply: &Reply<'_>,
        put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut elements = reply
            .elements()
            .ok_or_else(|| DecodeError::expected(Self::LIST, reply))?;
        for index in 0.. {
            let item = if let Some(text) = elements.next_short() {
                Self::from_redis(Reply::Bulk(text))
            } else if let Some(element) = elements.next_other() {
                Self::from_redis(element)
            } else {
                break;
            };
            item.and_then(&mut *put)
                .map_err(|error| error.at_index(index))?;
        }
        Ok(())
    }

    /// The value of a struct's field that the reply does not have.
    #[doc(hidden)]
    fn absent() -> Option<Self> {
        None
    }

    /// Decodes a map in which others have fields too, for `#[redis(flatten)]`.
    #[doc(hidden)]
    #[inline]
    fn from_shared(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::from_redis(reply)
    }

    /// The names of its fields, if it has some.
    #[doc(hidden)]
    const NAMES: Names = Names::Unknown;

    /// Adds details, such as the command's name, to a failure that is kept as a value.
    #[doc(hidden)]
    #[inline]
    fn describe_failure(&mut self, _describe: impl FnOnce(Error) -> Error) {}

    /// Decodes a reply that a cache has kept, and may take it away.
    #[doc(hidden)]
    #[inline]
    fn from_kept(reply: KeptReply) -> Result<Self, Error> {
        match reply {
            KeptReply::Bulk(text) => Self::from_kept_text(text),
            KeptReply::Frame(frame) => decode_kept_frame(frame.as_deref()),
        }
    }

    /// The same of a string.
    #[doc(hidden)]
    #[inline]
    fn from_kept_text(text: Bytes) -> Result<Self, Error> {
        let decoded = Self::from_redis(Reply::Bulk(Str::of_bytes(&text)));
        decoded.map_err(|error| kept_does_not_fit(error, text))
    }

    /// Decodes the outcome of a command; for types that keep failures as values.
    #[doc(hidden)]
    #[inline]
    fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
        let frame = outcome?;
        match frame.reply() {
            Reply::Error(text) => Err(refused(*text)),
            _ => frame.decode(),
        }
    }

    /// The same for `Option<Self>`.
    #[doc(hidden)]
    #[inline]
    fn option_from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Option<Self>, Error> {
        let frame = outcome?;
        match frame.reply() {
            Reply::Error(text) => Err(refused(*text)),
            _ => frame.decode(),
        }
    }
}

/// Decodes a kept reply that is no string; see [`KeptReply::Frame`].
fn decode_kept_frame<R: FromRedis>(frame: Option<&Bytes>) -> Result<R, Error> {
    match frame {
        Some(frame) => R::from_outcome(Ok(FrameRef::of_bytes(frame))),
        None => R::from_outcome(Ok(FrameRef::of_bytes(&Bytes::from_static(NIL)))),
    }
}

#[cold]
fn kept_does_not_fit(error: DecodeError, text: Bytes) -> Error {
    let frame = KeptReply::Bulk(text).into_frame();
    does_not_fit(error, Span::from(&frame))
}

#[cold]
fn refused(text: Str<'_>) -> Error {
    Error::refused(text.to_server_error())
}

impl FrameRef<'_> {
    /// Decodes the reply, which is not an error.
    #[inline]
    pub(crate) fn decode<T: FromRedis>(self) -> Result<T, Error> {
        let span = self.span;
        T::from_redis(self.into_reply()).map_err(|error| does_not_fit(error, span))
    }
}

#[cold]
fn does_not_fit(error: DecodeError, span: Span<'_>) -> Error {
    Error::decode(error, Some(to_chunk(span)))
}

/// A decoded outcome whose failure has the details that `describe` adds, also if it is kept as a value.
#[inline]
pub(crate) fn described<R: FromRedis>(
    mut outcome: Result<R, Error>,
    describe: impl FnOnce(Error) -> Error,
) -> Result<R, Error> {
    match &mut outcome {
        Ok(value) => {
            value.describe_failure(describe);
            outcome
        }
        Err(_) => outcome.map_err(describe),
    }
}
