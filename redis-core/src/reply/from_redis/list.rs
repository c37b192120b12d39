//! Lists and sets: from arrays, sets, and maps as their flat arrays.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use super::FromRedis;
use crate::error::DecodeError;
use crate::reply::view::Reply;

/// How much room to make before the first element is decoded.
fn capacity<T>(reply: &Reply<'_>) -> usize {
    reply
        .elements()
        .map_or(0, |elements| elements.capacity::<T>())
}

impl<T: FromRedis> FromRedis for Vec<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        if let Some(bytes) = reply.text().and_then(T::vec_from_text) {
            return Ok(bytes);
        }
        let mut list = Self::with_capacity(capacity::<T>(&reply));
        T::decode_all(&reply, &mut |item| {
            list.push(item);
            Ok(())
        })?;
        Ok(list)
    }
}

impl<T: FromRedis> FromRedis for Box<[T]> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Vec::from_redis(reply).map(Vec::into_boxed_slice)
    }
}

impl<T: FromRedis> FromRedis for VecDeque<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Vec::from_redis(reply).map(Self::from)
    }
}

impl<T: FromRedis, const N: usize> FromRedis for [T; N] {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Self::try_from(Vec::from_redis(reply)?).map_err(|list: Vec<T>| {
            DecodeError::mismatch(format_args!("exactly {N} elements"), list.len())
        })
    }
}

/// A member that comes twice is kept once.
impl<T: FromRedis + Eq + Hash, S: BuildHasher + Default> FromRedis for HashSet<T, S> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::with_capacity_and_hasher(capacity::<T>(&reply), S::default());
        T::decode_all(&reply, &mut |item| {
            set.insert(item);
            Ok(())
        })?;
        Ok(set)
    }
}

/// A member that comes twice is kept once.
impl<T: FromRedis + Ord> FromRedis for BTreeSet<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::new();
        T::decode_all(&reply, &mut |item| {
            set.insert(item);
            Ok(())
        })?;
        Ok(set)
    }
}
