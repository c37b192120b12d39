//! Types that are both sent and received, and what derives call.
//!
//! # Layout
//!
//! - `json`: any type that serde supports, as JSON in a string
//! - `name`: names that other people choose; `prefixed`: names that are sent with a prefix
//! - `derived`: what the expansions of the derives call

#[doc(hidden)]
pub mod derived;
#[cfg(feature = "json")]
mod json;
mod name;
pub(crate) mod prefixed;

#[cfg(feature = "json")]
pub use json::Json;
pub use name::Name;
