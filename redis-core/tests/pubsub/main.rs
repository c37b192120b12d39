//! Publish and subscribe against real servers, in both protocols, and against what no real server says.
//!
//! # Layout
//!
//! - `channels`: channels, patterns and shard channels; `shards`: shard channels in a cluster; `subscriber`: one stream for many subscriptions
//! - `lag`: slow readers; `stress`: a flood, and readers of every speed
//! - `restore`: subscriptions after a lost socket; `lost`: what had arrived on it; `refusals`: what a server refuses for now
//! - `others`: keyspace events, MONITOR, invalidations
//! - `fake`: pushes that mean nothing
//! - `support`: what all of these use

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
