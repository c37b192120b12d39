//! Client-side caching against real servers, and against what no real server says.
//!
//! # Layout
//!
//! - `reads`: what is served from memory; `past`: what goes past the cache; `dropped`: what a cache tells of dropped keys,
//!   `broadcasting`: the same where servers broadcast
//! - `servers`: what servers report, and what they do not; `prefixes`: the broadcasting mode; `tracking`: when tracking is on
//! - `cluster`: a cache over all nodes of a cluster
//! - `races`, `order`, `unpolled`: reports and reads that come at the worst moment
//! - `silence`, `deadlines`: what is not answered in time; `closing`: what is sent once more before the end of a handle
//! - `turns`: whoever reads from memory gives others their turn
//! - `support`: what all of these use

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod broadcasting;
mod closing;
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
