//! The engine against real servers, a proxy that injects faults, and a server that lies.
//!
//! # Layout
//!
//! - `support`: connections, commands and waiting, for all of the tests
//! - `cancellation`, `encoding`, `deadlines`, `budgets`: what callers do to a connection; `obstacles`: what they waited for
//! - `loss`, `repeats`, `reconnect`, `liveness`, `desync`, `handshake`: what networks and servers do to it
//! - `maintenance`, `moving`: what servers announce; `relaxed`: limits of time meanwhile
//! - `big`: large values and long pipelines; `texts`: what scripts put into statuses and errors
//! - `chain`, `open`, `pool`, `watch`: pipelines, transactions and leased sockets; `lanes`: the others of a pool
//! - `unclaimed`: what blocking calls got whose callers have gone away, or were told that their time is over
//! - `closing`, `runtime`: the end of handles, in good order and with their runtime
//!
//! `TYPEDIS_ECHOES` (calls in the tests of cancellation), `TYPEDIS_CUT_EVERY` (bytes between the places where a session
//! is cut; 1 for all) and `TYPEDIS_WATCHES` (additions per task in the tests of watch) set the sizes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

mod big;
mod budgets;
mod cancellation;
mod chain;
mod closing;
mod deadlines;
mod desync;
mod encoding;
mod handshake;
mod lanes;
mod liveness;
mod loss;
mod maintenance;
mod moving;
mod obstacles;
mod open;
mod pool;
mod reconnect;
mod relaxed;
mod repeats;
mod runtime;
mod texts;
mod unclaimed;
mod watch;
