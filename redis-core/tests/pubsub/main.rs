//! Publish and subscribe against real servers, in both protocols, and against what no real server says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod channels;
mod fake;
mod lag;
mod lost;
mod others;
mod refusals;
mod restore;
mod shards;
mod stress;
mod subscriber;
mod support;
