//! What a program prints: [`Outcome`], as one line of JSON.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use crate::{Result, Unsupported};

/// What one run of a workload cost.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// How many operations were done.
    pub operations: u64,
    /// How long they took.
    pub wall: Duration,
    /// CPU time of the process outside of the kernel.
    pub user: Duration,
    /// CPU time of the process inside the kernel.
    pub system: Duration,
    /// The most memory that the process ever had, in bytes.
    pub peak_memory: u64,
    /// The latency that half of the operations did not exceed.
    pub p50: Option<Duration>,
    /// The latency that 99 of 100 operations did not exceed.
    pub p99: Option<Duration>,
    /// Allocations per operation.
    pub allocations: Option<f64>,
    /// Heap memory per connection or queued command, in bytes.
    pub heap_each: Option<f64>,
}

/// Prints an outcome, or why there is none.
pub fn print(outcome: Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(outcome) => {
            println!("{}", to_json(&outcome));
            ExitCode::SUCCESS
        }
        Err(error) if error.is::<Unsupported>() => {
            println!("{}", json!({ "unsupported": true }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn to_json(outcome: &Outcome) -> serde_json::Value {
    let each = |time: Duration| time.as_nanos() as f64 / outcome.operations.max(1) as f64;
    json!({
        "operations": outcome.operations,
        "cpu_ns": each(outcome.user + outcome.system),
        "user_ns": each(outcome.user),
        "per_second": outcome.operations as f64 / outcome.wall.as_secs_f64().max(1e-9),
        "p50_ns": outcome.p50.map(|time| time.as_nanos() as u64),
        "p99_ns": outcome.p99.map(|time| time.as_nanos() as u64),
        "peak_memory": outcome.peak_memory,
        "allocations": outcome.allocations,
        "heap_each": outcome.heap_each,
    })
}
