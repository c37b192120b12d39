//! Connecting: configuration, login, TLS, losses, the end in good order.
//!
//! # Layout
//!
//! - `support`: what all of them use
//! - `config`: builder, URL and file; `hostile`: wrong settings, and what is said of them
//! - `login`: the handshake and credentials, of a fixed user and of a provider
//! - `sockets`: own transports and resolvers, Unix sockets, several addresses
//! - `tls`: certificates good and bad
//! - `life`: events, numbers, lazy connections, pools that grow and shrink, the end in good order
//! - `matrix`: every kind of socket, protocol, login and server
//! - `storms`: restarts, kills and rotations under load

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod config;
mod hostile;
mod life;
mod login;
mod matrix;
mod sockets;
mod storms;
mod support;
#[cfg(feature = "tls")]
mod tls;
