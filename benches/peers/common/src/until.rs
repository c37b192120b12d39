//! When a measurement ends: [`Until`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::meter::Meter;
use crate::{Arguments, Result};

/// How often the CPU time is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// When tasks stop.
#[derive(Debug, Clone)]
pub struct Until {
    stopped: Arc<AtomicBool>,
    limit: u64,
}

impl Until {
    /// After a while.
    pub fn time(time: Duration) -> Result<Self> {
        Self::enough(time, time)
    }

    /// When the process has used as much CPU time as the arguments ask for, or their time is over.
    pub fn measured(arguments: &Arguments) -> Result<Self> {
        Self::enough(arguments.time, arguments.cpu)
    }

    /// After this many operations.
    pub fn times(limit: u64) -> Self {
        Self {
            stopped: Arc::new(AtomicBool::new(false)),
            limit,
        }
    }

    /// Whether it is over after this many operations.
    pub fn holds(&self, done: u64) -> bool {
        done >= self.limit || self.stopped.load(Ordering::Relaxed)
    }

    /// A thread that sleeps most of the time looks: a task that asks for CPU time itself would spend some.
    fn enough(time: Duration, cpu: Duration) -> Result<Self> {
        let until = Self::times(u64::MAX);
        let stopped = until.stopped.clone();
        let meter = Meter::start()?;
        std::thread::spawn(move || {
            while meter.wall() < time && meter.cpu().is_ok_and(|used| used < cpu) {
                std::thread::sleep(GLANCE.min(time.saturating_sub(meter.wall())));
            }
            stopped.store(true, Ordering::Relaxed);
        });
        Ok(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_after_so_many_operations_or_some_time() {
        let until = Until::times(3);
        assert!(!until.holds(2));
        assert!(until.holds(3));
        let until = Until::time(Duration::from_millis(10)).unwrap();
        while !until.holds(0) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn enough_cpu_time_ends_it_before_the_time_is_over() {
        let until = Until::enough(Duration::from_secs(60), Duration::from_millis(10)).unwrap();
        let begin = std::time::Instant::now();
        while !until.holds(0) {
            assert!(begin.elapsed() < Duration::from_secs(30));
        }
    }
}
