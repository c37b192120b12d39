//! Tasks that do the same again and again while a cluster changes, and check what they are told.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use typedis_core::{Phase, Result};

use crate::support::*;

/// Tasks that run until they are told to end.
pub(crate) struct Load<T> {
    progress: Progress,
    tasks: Vec<JoinHandle<T>>,
}

/// How far all tasks have come, and whether they should go on.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, operations: u64) {
        self.done.fetch_add(operations, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl<T: Send + 'static> Load<T> {
    /// Starts this many tasks; each gets its number.
    pub(crate) fn start<F>(tasks: usize, task: impl Fn(usize, Progress) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let progress = Progress::default();
        let tasks = (0..tasks).map(|number| tokio::spawn(task(number, progress.clone())));
        Self {
            tasks: tasks.collect(),
            progress,
        }
    }

    /// How many operations are done.
    pub(crate) fn done(&self) -> u64 {
        self.progress.done()
    }

    /// Waits until this many more operations are done.
    pub(crate) async fn pass(&self, more: u64) {
        let goal = self.done() + more;
        let wait = async {
            while self.done() < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(LONG, wait).await.is_err() {
            panic!("the load stands still at {} operations", self.done());
        }
    }

    /// Ends it, and returns what each task has to tell.
    pub(crate) async fn finish(self) -> Vec<T> {
        self.progress.over.store(true, Ordering::Relaxed);
        let mut told = Vec::new();
        for task in self.tasks {
            told.push(soon("a task of the load", task).await.unwrap());
        }
        told
    }
}

/// How often a task was told that a counter grew, and how often it may have grown besides.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) told: i64,
    pub(crate) maybe: i64,
}

impl Tally {
    /// Notes the outcome of one attempt to count up. Any error but one of an unknown outcome is returned.
    pub(crate) fn note<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(reply) => {
                self.told += 1;
                Ok(Some(reply))
            }
            Err(error) if error.phase() == Phase::MaybeApplied => {
                self.maybe += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that nothing was done twice and, if no server lost a write, that nothing is lacking.
    #[track_caller]
    pub(crate) fn check(self, name: &str, value: Option<String>, exact: bool) {
        let value: i64 = value.map_or(0, |value| value.parse().unwrap());
        let most = self.told + self.maybe;
        assert!(value <= most, "{name} is {value}: {self:?}");
        assert!(!exact || value >= self.told, "{name} is {value}: {self:?}");
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            told: sum.told + one.told,
            maybe: sum.maybe + one.maybe,
        })
    }
}
