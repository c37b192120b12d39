//! The workloads that every client runs, and how they are measured.
//!
//! Each client is a program of its own: an implementation of [`Client`] and a call of [`main`]. The program runs one
//! workload, once, and prints what it measured as one line of JSON.
//!
//! # Layout
//!
//! - [`client`]: what a client has to be able to do
//! - [`arguments`]: the command line of the programs
//! - [`workload`]: the workloads
//! - [`load`]: many tasks that repeat an operation for a while
//! - [`operation`]: the operations
//! - [`meter`]: CPU time, memory, allocations, latencies
//! - [`outcome`]: what a program prints
//! - [`until`]: when a measurement ends
//! - [`limits`]: what a program may take of the machine
//! - [`fields`]: a struct of 100 fields

pub mod arguments;
pub mod client;
pub mod fields;
pub mod limits;
pub mod load;
pub mod meter;
pub mod operation;
pub mod outcome;
pub mod until;
pub mod workload;

pub use arguments::{Arguments, Flavour};
pub use client::{Client, Commands};
pub use outcome::Outcome;

/// An error is a sentence for a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result whose error is a sentence.
pub type Result<T> = std::result::Result<T, Error>;

/// What a client cannot do is no failure: its place in the table stays empty.
#[derive(Debug)]
pub struct Unsupported;

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this client has no such thing")
    }
}

impl std::error::Error for Unsupported {}

/// Runs the workload that the command line names, and prints the outcome.
pub fn main<C: Client>() -> std::process::ExitCode {
    let run = || {
        let arguments = Arguments::parse()?;
        limits::set()?;
        workload::run::<C>(&arguments)
    };
    outcome::print(run())
}
