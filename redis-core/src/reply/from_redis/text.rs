//! Text and bytes: from strings, and from doubles and big numbers, which RESP2 sends as strings.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::FromRedis;
use crate::error::{DecodeError, Error};
use crate::reply::view::{Reply, Str};

#[inline]
fn text<'a>(reply: &Reply<'a>) -> Result<Str<'a>, DecodeError> {
    match reply.text() {
        Some(text) => Ok(*text),
        None => Err(no_text(reply)),
    }
}

#[cold]
fn no_text(reply: &Reply<'_>) -> DecodeError {
    DecodeError::expected("a string", reply)
}

macro_rules! from_text {
    ($($text:ty)*) => {$(
        impl FromRedis for $text {
            #[inline]
            fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
                text(&reply)?.to_str().map(Self::from)
            }
        }
    )*};
}

from_text!(Rc<str> Arc<str>);

impl FromRedis for String {
    #[inline]
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        string(text(&reply)?.as_bytes())
    }
}

/// The bytes are copied first: the copy is aligned, and checking it takes a third of the instructions.
fn string(bytes: &[u8]) -> Result<String, DecodeError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::not_text())
}

impl FromRedis for Box<str> {
    #[inline]
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        String::from_redis(reply).map(String::into_boxed_str)
    }
}

impl FromRedis for Cow<'static, str> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        String::from_redis(reply).map(Cow::Owned)
    }
}

/// Exactly one character.
impl FromRedis for char {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let text = text(&reply)?.to_str()?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(char),
            _ => Err(DecodeError::mismatch(
                "one character",
                format_args!("text of {} bytes", text.len()),
            )),
        }
    }
}

/// Copied, or shared with the reply that it came in: [`Str::to_bytes`] says when.
impl FromRedis for Bytes {
    #[inline]
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(text(&reply)?.to_bytes())
    }

    /// The string that is kept.
    #[inline(always)]
    fn from_kept_text(text: Bytes) -> Result<Self, Error> {
        Ok(text)
    }
}

impl FromRedis for BytesMut {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self::from(text(&reply)?.as_bytes()))
    }
}
