//! Maps: from maps, flat arrays, and arrays of pairs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::FromRedis;
use crate::error::DecodeError;
use crate::reply::view::{Elements, Reply, Str};

/// The keys and values of a reply that is a map in RESP2 or RESP3; maps and derived structs are decoded from
/// it.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    elements: Elements<'a>,
    /// Each element is an array of a key and a value.
    nested: bool,
    index: usize,
}

impl<'a> Fields<'a> {
    /// Takes a map, a flat array of keys and values, or an array of pairs.
    ///
    /// It is an array of pairs if its first element is an array: keys are never arrays.
    ///
    /// # Errors
    /// The reply is none of these.
    pub fn new(reply: &Reply<'a>) -> Result<Self, DecodeError> {
        let elements = reply
            .elements()
            .ok_or_else(|| DecodeError::expected("a map", reply))?;
        let nested = !matches!(reply, Reply::Map(_))
            && matches!(elements.clone().next(), Some(Reply::Array(_)));
        if !nested && elements.len() % 2 != 0 {
            return Err(DecodeError::expected(
                "a map, or pairs in a flat array",
                reply,
            ));
        }
        Ok(Self {
            elements,
            nested,
            index: 0,
        })
    }

    /// Whether no pair is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.len() == 0
    }

    /// The next pair, if it is two short strings.
    #[inline]
    fn next_short(&mut self) -> Option<(Str<'a>, Str<'a>)> {
        if self.nested {
            return None;
        }
        let mut ahead = self.elements.clone();
        let pair = (ahead.next_short()?, ahead.next_short()?);
        self.elements = ahead;
        self.index += 1;
        Some(pair)
    }

    /// The next pair, which is not two short strings.
    fn next_other(&mut self) -> Option<Result<(Reply<'a>, Reply<'a>), DecodeError>> {
        let element = self.elements.next()?;
        let index = self.index;
        self.index += 1;
        if !self.nested {
            return Some(Ok((element, self.elements.next()?)));
        }
        let pair = Self::nested_pair(&element);
        Some(pair.ok_or_else(|| DecodeError::expected("a pair", &element).at_index(index)))
    }

    fn nested_pair(element: &Reply<'a>) -> Option<(Reply<'a>, Reply<'a>)> {
        let mut pair = element.elements().filter(|pair| pair.len() == 2)?;
        Some((pair.next()?, pair.next()?))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(Reply<'a>, Reply<'a>), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_short() {
            Some((key, value)) => Some(Ok((Reply::Bulk(key), Reply::Bulk(value)))),
            None => self.next_other(),
        }
    }
}

/// Decodes the pairs one by one into `put`, which returns whether the key is new.
fn decode<K: FromRedis, V: FromRedis>(
    reply: &Reply<'_>,
    mut put: impl FnMut(K, V) -> bool,
) -> Result<(), DecodeError> {
    let mut fields = Fields::new(reply)?;
    for index in 0.. {
        if let Some((key, value)) = fields.next_short() {
            decode_pair(index, Reply::Bulk(key), Reply::Bulk(value), &mut put)?;
        } else if let Some(field) = fields.next_other() {
            let (key, value) = field?;
            decode_pair(index, key, value, &mut put)?;
        } else {
            break;
        }
    }
    Ok(())
}

#[inline]
fn decode_pair<K: FromRedis, V: FromRedis>(
    index: usize,
    key: Reply<'_>,
    value: Reply<'_>,
    put: &mut impl FnMut(K, V) -> bool,
) -> Result<(), DecodeError> {
    // The pair is named by its place and not by its key: that is data, which may be secret.
    let key = K::from_redis(key).map_err(|error| error.at_index(index))?;
    let value = V::from_redis(value).map_err(|error| error.at_index(index))?;
    if put(key, value) {
        Ok(())
    } else {
        Err(twice(index))
    }
}

#[cold]
fn twice(index: usize) -> DecodeError {
    DecodeError::new("the key comes twice; a `Vec` of pairs holds both").at_index(index)
}

/// A key that comes twice is an error, because one of its values would be lost.
impl<K: FromRedis + Eq + Hash, V: FromRedis, S: BuildHasher + Default> FromRedis
    for HashMap<K, V, S>
{
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let room = reply
            .elements()
            .map_or(0, |list| list.capacity::<(K, V)>() / 2);
        let mut map = Self::with_capacity_and_hasher(room, S::default());
        decode(&reply, |key, value| map.insert(key, value).is_none())?;
        Ok(map)
    }
}

/// A key that comes twice is an error, because one of its values would be lost.
impl<K: FromRedis + Ord, V: FromRedis> FromRedis for BTreeMap<K, V> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::new();
        decode(&reply, |key, value| map.insert(key, value).is_none())?;
        Ok(map)
    }
}
