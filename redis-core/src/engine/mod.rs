//! How commands reach the server and replies reach callers: one task for each socket, and what it shares with
//! callers.
//!
//! # Layout
//!
//! - `exchange`: one payload, or one command, until its reply, and when it is sent again; `single`: that command;
//!   `sending`: one sending of it on one link
//! - `link`: what the handles and the driver of a socket share; `place`: where it leads
//! - `inflight/`: what waits to be written and for a reply; no I/O
//! - `driver/`: the one task that owns a socket; `renewal`: new credentials in time
//! - `maintenance/`: maintenance that servers announce
//! - `subscriptions/`: what is subscribed to, and which socket serves it
//! - `events`, `stats`: what happens to a connection, and its counters; `trace`: both for `tracing`

pub(crate) mod driver;
pub(crate) mod events;
pub(crate) mod exchange;
pub(crate) mod inflight;
pub(crate) mod link;
pub(crate) mod maintenance;
pub(crate) mod place;
mod renewal;
pub(crate) mod sending;
pub(crate) mod single;
pub(crate) mod stats;
pub(crate) mod subscriptions;
pub(crate) mod trace;
