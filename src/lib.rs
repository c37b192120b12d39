//! A Redis and Valkey client for tokio whose typed commands are expanded from one declarative file.

#[doc(hidden)]
pub use typedis_core as __core;
pub use typedis_core::*;
pub use typedis_macros::{FromRedis, ToRedis};
