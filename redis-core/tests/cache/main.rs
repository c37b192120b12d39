//! Client-side caching against real servers, and against what no real server says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cluster;
mod deadlines;
mod dropped;
mod order;
mod past;
mod prefixes;
mod races;
mod reads;
mod servers;
mod silence;
mod support;
mod tracking;
mod turns;
mod unpolled;
