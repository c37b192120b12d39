//! Client-side caching: replies that are kept in memory until the server reports that they are no longer current.
//!
//! # Layout
//!
//! - `handle`: the handle that users hold; `inner`: what its clones share
//! - `settings`: what is kept, and for how long; `counts`: its numbers
//! - `dropped`: the reported keys as a stream; `decoded`: replies that are kept as values
//! - `origin`: the handles that it can be made from, and their sockets; `nodes`: the sockets of a cluster
//! - `line`: a connection that one cache has to itself; `source`: one socket, whose server reports changes;
//!   `standing`: what is known about these reports, `standings`: that of all sockets; `reporter`: the socket that they come on where it is another one;
//!   `reporting`: has them come also while nothing is read
//! - `clock`: the time, told cheaply; `changes`: how often keys were changed; `store`: where replies are kept, `bounds`: where and until when one of them is current; `shared`: both, and the rule which of the
//!   replies are current
//! - `pending`: one command over the handle; `shared_read`: a read that is on its way, for all who ask for it; `each`: a read
//!   of many keys; `read`: what is sent for a read, and what comes back; `forgotten`: what a command past the cache makes old
//! - `trace`: what is said to `tracing`
//! - `histories`: a checker of what readers see
//!
//! # Why nothing old is served
//!
//! A reply has a *stamp*, which was made before its command was sent: the epoch of the socket, and how often each of the
//! keys was changed by then. It is served as long as its stamp is current. The driver counts a reported change when it
//! comes to the report in the input, before it hands out any reply behind it. So whoever has seen such a reply finds the
//! stamps of older ones out of date, and a read that was on its way when the report came is out of date when it arrives.

mod bounds;
mod changes;
mod clock;
mod counts;
mod decoded;
mod dropped;
mod each;
mod forgotten;
mod handle;
#[cfg(test)]
mod histories;
mod inner;
mod line;
#[cfg(feature = "cluster")]
mod nodes;
mod origin;
mod pending;
mod read;
mod reporter;
mod reporting;
mod settings;
mod shared;
mod shared_read;
mod source;
mod standing;
mod standings;
mod store;
mod trace;

pub use counts::CacheStats;
pub use decoded::Decoded;
pub use dropped::Dropped;
pub use handle::Cached;
#[doc(hidden)]
pub use origin::Lines;
pub use origin::Origin;
#[doc(hidden)]
pub use pending::CachedPending;
pub use settings::Cache;
