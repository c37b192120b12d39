//! What everything else runs on: tasks and locks.
//!
//! # Layout
//!
//! - this file: tasks, those of the drivers and others that run rarely
//! - `moment`: a moment that is a duration after another
//! - `lock`: a lock that a panic does not close
//! - `planted`: faults that the simulation has to find
//! - `simulated`: whether a thread is a simulated world

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

mod lock;
mod moment;
pub mod planted;
pub mod simulated;

pub(crate) use lock::Lock;
pub(crate) use moment::{after, from_now};

/// One type for all tasks: tokio's code for a task is then compiled once, and the code of a task is not compiled
/// again in each place that starts one.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `work` as a separate task. It has to be called within a runtime.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let task: Task = Box::pin(work);
    tokio::spawn(task)
}

/// The same, where another runtime may be the one that lives long enough.
pub(crate) fn spawn_on(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    let task: Task = Box::pin(work);
    runtime.spawn(task);
}
