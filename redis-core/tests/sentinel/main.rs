//! Services that Sentinels watch: found, verified, followed.
//!
//! # Layout
//!
//! - `support`: how the servers are reached; Sentinels that answer by script
//! - `follow`: real servers that fail, are demoted, disappear
//! - `hang`: a primary that hangs, and what has a reply owed when the Sentinels promote another node
//! - `answers`: what Sentinels may say, by script
//! - `behind`: Sentinels that are behind the others
//! - `nodes`: what nodes say before they are used

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod behind;
mod follow;
mod hang;
mod nodes;
mod support;
