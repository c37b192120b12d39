//! A world in memory that repeats from its seed: model servers, a network that fails, clients of every handle, and the
//! rules that must hold whatever happens.
//!
//! A seed decides everything: the settings, what each task does and where it gives up, the latency of each byte, what
//! breaks and when. One thread runs it all, and the clock is tokio's paused one: no time passes while something can be
//! done, and where nothing can be done it jumps to the next timer. So a second of the world takes some microseconds, and
//! the same seed always gives the same events.
//!
//! `cargo xtask simulate` runs many seeds. A seed that breaks a rule is made smaller, and its events are printed.
//!
//! # Layout
//!
//! - [`run`](mod@run): one seed, from its plan to the verdict; [`many`]: many seeds on all cores; [`shrink`]: a failing
//!   plan made smaller; `planted`: which rules a planted fault breaks
//! - `plan/`: what a seed decides: settings, steps of the clients, faults
//! - `clients/`: the tasks that use the engine; `faults`: what breaks
//! - `network/`: sockets in memory; `server/`: a small model of Redis; `scripts`: the script that it knows
//! - `ledger`: what was issued, carried out and told; `finale`: what must hold when everything is over
//! - `world`, `violation`, `trace`, `random`, `answer`, `keys`: what all of them share

mod answer;
mod clients;
mod faults;
mod finale;
mod keys;
mod ledger;
pub mod many;
mod network;
pub mod plan;
mod planted;
mod random;
pub mod run;
mod scripts;
mod server;
pub mod shrink;
mod trace;
mod violation;
mod world;

pub use run::{Outcome, run};
pub use violation::Violation;
