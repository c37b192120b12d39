//! The reply to CLUSTER SLOTS, as it comes.

use std::collections::HashMap;

use crate::error::DecodeError;
use crate::reply::view::Elements;
use crate::reply::{FromRedis, Reply};

/// A range of slots, its owner, and the owner's replicas.
pub(super) struct SlotEntry {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) primary: SlotNode,
    pub(super) replicas: Vec<SlotNode>,
}

/// A node of a range of slots.
pub(super) struct SlotNode {
    /// Empty or absent: the node that was asked; `?`: the host is not known.
    pub(super) host: Option<String>,
    pub(super) port: u16,
    pub(super) id: String,
    /// Further names; absent on Redis 6.2.
    pub(super) metadata: HashMap<String, String>,
}

impl FromRedis for SlotEntry {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("a range of slots", &reply));
        };
        Ok(Self {
            first: field(&mut elements, "first slot")?,
            last: field(&mut elements, "last slot")?,
            primary: field(&mut elements, "primary")?,
            replicas: elements
                .map(SlotNode::from_redis)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl FromRedis for SlotNode {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("a node", &reply));
        };
        Ok(Self {
            host: field(&mut elements, "host")?,
            port: field(&mut elements, "port")?,
            id: field(&mut elements, "id")?,
            metadata: elements
                .next()
                .map(HashMap::from_redis)
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn field<T: FromRedis>(elements: &mut Elements<'_>, name: &'static str) -> Result<T, DecodeError> {
    let element = elements.next().ok_or_else(|| DecodeError::missing(name))?;
    T::from_redis(element).map_err(|error| error.at_field(name))
}
