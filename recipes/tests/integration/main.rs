//! The recipes on real servers, under faults, and on clusters.
//!
//! # Layout
//!
//! - `support`: servers, handles, waiting for events
//! - `chaos`: faults between a load and its server
//! - `failover`: a cluster whose primary fails
//! - `forked`: a pool, one of whose lanes hangs
//! - `limits`: settings that are as large as can be
//! - `rights`: what a user with limited rights needs
//! - `cache_aside`, `election`, `idempotency`, `lock`, `queue`, `rate_limit`, `semaphore`: the recipes

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod cache_aside;
mod chaos;
mod election;
mod failover;
mod forked;
mod idempotency;
mod limits;
mod lock;
mod queue;
mod rate_limit;
mod rights;
mod semaphore;
mod support;
