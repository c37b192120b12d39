//! Connecting: configuration, login, TLS, losses, the end in good order.
//!
//! # Layout
//!
//! - `support`: what all of them use
//! - `config`: builder, URL and file; `hostile`: wrong settings, and what is said of them
//! - `durations`: the longest duration, wherever one is taken
//! - `login`: the handshake and credentials, of a fixed user and of a provider
//! - `secrets`: what servers quote of logins that they do not know
//! - `negotiation`: what a server understands, found out with several sockets
//! - `sockets`: own transports and resolvers, Unix sockets, several addresses
//! - `tls`: certificates good and bad
//! - `life`: events, numbers, lazy connections, the end in good order
//! - `pools`: pools that grow and shrink, the sockets that they lend, their end
//! - `matrix`: every kind of socket, protocol, login and server
//! - `storms`: restarts, kills and rotations under load
//! - `transports`: faults over TCP and TLS, RESP2 and RESP3
//! - `words`: settings that are read from texts and written as such

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod config;
mod durations;
mod hostile;
mod life;
mod login;
mod matrix;
mod negotiation;
mod pools;
mod secrets;
mod sockets;
mod storms;
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod transports;
mod words;
