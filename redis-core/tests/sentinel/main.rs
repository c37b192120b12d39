//! Services that Sentinels watch: found, verified, followed.
//!
//! # Layout
//!
//! - `fleet`: a primary, a replica and Sentinels to run against
//! - `follow`: real servers that fail, are demoted, disappear
//! - `answers`: what Sentinels may say, by script

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod fleet;
mod follow;
