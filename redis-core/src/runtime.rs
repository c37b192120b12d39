//! Tasks: those of the drivers, and others that run rarely.

use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinHandle;

/// One type for all of them, so that what tokio needs for a task is compiled once, and what they do is not compiled anew
/// wherever one is started.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs `work` on its own. It has to be called within a runtime.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let task: Task = Box::pin(work);
    tokio::spawn(task)
}
