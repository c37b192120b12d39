//! One bound for code over any handle: [`Client`], and [`AnyClient`] where the handle is chosen at run time.
//!
//! # Layout
//!
//! - `bound`: the bound, and what it needs of a handle
//! - `any`: the handle whose type is hidden
//! - `prefixed`: a handle that puts a prefix before all names; `prefixed_host`: the same for streams
//! - `host`: the handle on which a stream issues its commands

mod any;
mod bound;
pub(crate) mod host;
mod prefixed;
mod prefixed_host;

pub use any::AnyClient;
pub use bound::Client;
pub(crate) use bound::{InFlight, Onward, Surface};
pub use prefixed::{Prefixed, WithPrefix};
