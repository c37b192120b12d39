//! Connecting: configuration, login, TLS, losses, the end in good order.
//!
//! # Layout
//!
//! - `config`: builder, URL and file; everything hostile that they can be given

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod config;
