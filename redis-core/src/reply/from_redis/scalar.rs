//! Booleans, `()`, values that may be absent or an error, and boxed values.

use bytes::Bytes;
use std::rc::Rc;
use std::sync::Arc;

use super::{Fields, FromRedis, Names};
use crate::error::DecodeError;
use crate::error::{Error, ServerError};
use crate::reply::FrameRef;
use crate::reply::Value;
use crate::reply::view::Reply;

const OK: &[u8] = b"OK";

/// What an `OK` begins with that has a remark.
const OK_AND_MORE: &[u8] = b"OK ";

impl FromRedis for bool {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Boolean(value) => Ok(value),
            Reply::Integer(0) => Ok(false),
            Reply::Integer(1) => Ok(true),
            Reply::Integer(_) => Err(DecodeError::mismatch(
                "a boolean",
                "an integer other than 0 and 1",
            )),
            reply if reply.text().is_some() => Err(DecodeError::mismatch(
                "a boolean",
                "text; a field of a struct that is `true` or `false` on the server is JSON: `#[redis(json)]`",
            )),
            _ => Err(DecodeError::expected("a boolean", &reply)),
        }
    }

    /// SET with NX replies with `OK` or nil: the key was set, or not.
    fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
        let frame = outcome?;
        match frame.reply() {
            Reply::Nil => Ok(false),
            Reply::Simple(text) if text.as_bytes() == OK => Ok(true),
            reply => match reply.error() {
                Some(refusal) => Err(Error::refused(refusal)),
                None => frame.decode(),
            },
        }
    }
}

/// Only the status `OK`, so that another reply does not pass for success. Something may be said about it: REPLICAOF replies with
/// `OK Already connected to specified master` the second time.
impl FromRedis for () {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Simple(text) if text.as_bytes() == OK => Ok(()),
            Reply::Simple(text) if text.as_bytes().starts_with(OK_AND_MORE) => Ok(()),
            Reply::Simple(_) => Err(DecodeError::mismatch("OK", "another status")),
            _ => Err(DecodeError::expected("OK", &reply)),
        }
    }
}

impl FromRedis for Value {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from(reply))
    }
}

impl<T: FromRedis> FromRedis for Option<T> {
    #[inline]
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        T::from_option(reply)
    }

    #[inline(always)]
    fn from_kept_text(text: Bytes) -> Result<Self, Error> {
        T::from_kept_text(text).map(Some)
    }

    #[inline]
    fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
        T::option_from_outcome(outcome)
    }

    fn option_from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Option<Self>, Error> {
        match outcome {
            Ok(frame) if frame.reply().is_nil() => Ok(None),
            outcome => Self::from_outcome(outcome).map(Some),
        }
    }

    #[inline]
    fn describe_failure(&mut self, describe: impl FnOnce(Error) -> Error) {
        if let Some(value) = self {
            value.describe_failure(describe);
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    /// What is `None` is sent as no field at all.
    fn from_shared(reply: Reply<'_>) -> Result<Self, DecodeError> {
        if has_any(&reply, &T::NAMES)? {
            T::from_option(reply)
        } else {
            Ok(None)
        }
    }

    const NAMES: Names = T::NAMES;
}

/// Whether a map has any of the names, or may have.
fn has_any(map: &Reply<'_>, names: &Names) -> Result<bool, DecodeError> {
    if names.are_open() {
        return Ok(true);
    }
    for pair in Fields::new(map)? {
        let (key, _) = pair?;
        if key.text().is_some_and(|key| names.have(key.as_bytes())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An error that the server sent in place of a value, or the value.
impl<T: FromRedis> FromRedis for Result<T, ServerError> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply.error() {
            Some(error) => Ok(Err(error)),
            None => T::from_redis(reply).map(Ok),
        }
    }

    fn from_option(reply: Reply<'_>) -> Result<Option<Self>, DecodeError> {
        match reply.error() {
            Some(error) => Ok(Some(Err(error))),
            None => Ok(T::from_option(reply)?.map(Ok)),
        }
    }

    fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
        let frame = outcome?;
        match frame.reply().error() {
            Some(error) => Ok(Err(error)),
            None => T::from_outcome(Ok(frame)).map(Ok),
        }
    }

    fn option_from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Option<Self>, Error> {
        let frame = outcome?;
        match frame.reply().error() {
            Some(error) => Ok(Some(Err(error))),
            None => Ok(T::option_from_outcome(Ok(frame))?.map(Ok)),
        }
    }

    fn from_kept_text(text: Bytes) -> Result<Self, Error> {
        T::from_kept_text(text).map(Ok)
    }

    fn describe_failure(&mut self, describe: impl FnOnce(Error) -> Error) {
        if let Ok(value) = self {
            value.describe_failure(describe);
        }
    }
}

/// The outcome of the command, kept as a value: the reply of `.attempt()`.
impl<T: FromRedis> FromRedis for Result<T, Error> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply.error() {
            Some(error) => Ok(Err(Error::refused(error))),
            None => T::from_redis(reply).map(Ok),
        }
    }

    fn from_option(reply: Reply<'_>) -> Result<Option<Self>, DecodeError> {
        match reply.error() {
            Some(error) => Ok(Some(Err(Error::refused(error)))),
            None => Ok(T::from_option(reply)?.map(Ok)),
        }
    }

    fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
        Ok(T::from_outcome(outcome))
    }

    fn option_from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Option<Self>, Error> {
        Ok(T::option_from_outcome(outcome).transpose())
    }

    fn from_kept_text(text: Bytes) -> Result<Self, Error> {
        Ok(T::from_kept_text(text))
    }

    fn describe_failure(&mut self, describe: impl FnOnce(Error) -> Error) {
        match self {
            Ok(value) => value.describe_failure(describe),
            Err(error) => *error = describe(std::mem::replace(error, Error::ended())),
        }
    }
}

/// What a box holds; as `get_mut` of the other containers.
fn held<T>(value: &mut Box<T>) -> Option<&mut T> {
    Some(value)
}

/// Containers of one value, and how it is reached. Nobody else has what was just decoded.
macro_rules! boxed {
    ($($container:ident $held:path;)*) => {$(
        impl<T: FromRedis> FromRedis for $container<T> {
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                T::from_redis(reply).map(Self::new)
            }

            fn from_option(reply: Reply<'_>) -> Result<Option<Self>, DecodeError> {
                Ok(T::from_option(reply)?.map(Self::new))
            }

            fn decode_all(
                reply: &Reply<'_>,
                put: &mut impl FnMut(Self) -> Result<(), DecodeError>,
            ) -> Result<(), DecodeError> {
                T::decode_all(reply, &mut |item| put(Self::new(item)))
            }

            fn absent() -> Option<Self> {
                T::absent().map(Self::new)
            }

            fn from_shared(reply: Reply<'_>) -> Result<Self, DecodeError> {
                T::from_shared(reply).map(Self::new)
            }

            const NAMES: Names = T::NAMES;

            fn from_outcome(outcome: Result<FrameRef<'_>, Error>) -> Result<Self, Error> {
                T::from_outcome(outcome).map(Self::new)
            }

            fn option_from_outcome(
                outcome: Result<FrameRef<'_>, Error>,
            ) -> Result<Option<Self>, Error> {
                Ok(T::option_from_outcome(outcome)?.map(Self::new))
            }

            #[inline]
            fn from_kept_text(text: Bytes) -> Result<Self, Error> {
                T::from_kept_text(text).map(Self::new)
            }

            fn describe_failure(&mut self, describe: impl FnOnce(Error) -> Error) {
                if let Some(value) = $held(self) {
                    value.describe_failure(describe);
                }
            }
        }
    )*};
}

boxed! {
    Box held;
    Rc Rc::get_mut;
    Arc Arc::get_mut;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::reply::Frame;

    #[test]
    fn an_ok_may_have_a_remark() {
        let decode = |wire: &'static [u8]| Frame::parse(wire).unwrap().decode::<()>();
        assert!(decode(b"+OK\r\n").is_ok());
        assert!(decode(b"+OK Already connected to specified master\r\n").is_ok());
        for other in [
            &b"+OKAY\r\n"[..],
            b"+O\r\n",
            b"+QUEUED\r\n",
            b"$4\r\nOK x\r\n",
        ] {
            assert!(decode(other).is_err());
        }
    }

    #[test]
    fn a_boolean_in_text_leads_to_the_attribute_for_json() {
        let frame = Frame::parse(&b"$4\r\ntrue\r\n"[..]).unwrap();
        let error = frame.decode::<bool>().unwrap_err();
        assert!(error.to_string().contains("`#[redis(json)]`"), "{error}");
    }
}
