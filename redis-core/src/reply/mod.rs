//! What is received: replies as they came, and the types that they are decoded into.
//!
//! # Layout
//!
//! - `view`: a borrowed view of a reply, read from the bytes
//! - `frame_ref`: a reply in a larger piece of bytes; `frame`: one that owns its bytes
//! - `value`: a reply of any form, as a tree
//! - `kept`: a reply as a cache keeps it
//! - `cut`: a prefix that is taken off the names in a reply
//! - `from_redis`: from a reply to the caller's type

pub(crate) mod cut;
pub(crate) mod frame;
mod frame_ref;
pub(crate) mod from_redis;
mod kept;
mod value;
pub(crate) mod view;

pub use frame::{Frame, Frames};
pub use frame_ref::FrameRef;
pub use from_redis::FromRedis;
pub(crate) use from_redis::described;
#[doc(hidden)]
pub use kept::KeptReply;
pub use value::Value;
pub use view::Reply;
