//! CPU time, memory and latencies: [`Meter`], [`Latencies`].

use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::{Outcome, Result};

/// Measures from its start on.
#[derive(Debug)]
pub struct Meter {
    wall: Instant,
    user: Duration,
    system: Duration,
}

impl Meter {
    /// Starts to measure this process, all its threads together.
    pub fn start() -> Result<Self> {
        let usage = usage()?;
        Ok(Self {
            wall: Instant::now(),
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
        })
    }

    /// How much time has passed since the start.
    pub fn wall(&self) -> Duration {
        self.wall.elapsed()
    }

    /// How much CPU time has been used since the start.
    pub fn cpu(&self) -> Result<Duration> {
        let usage = usage()?;
        let now = duration(usage.user_time()) + duration(usage.system_time());
        Ok(now.saturating_sub(self.user + self.system))
    }

    /// What `operations` cost since the start.
    pub fn stop(&self, operations: u64) -> Result<Outcome> {
        let wall = self.wall.elapsed();
        let usage = usage()?;
        Ok(Outcome {
            operations,
            wall,
            user: duration(usage.user_time()).saturating_sub(self.user),
            system: duration(usage.system_time()).saturating_sub(self.system),
            peak_memory: peak_memory(&usage),
            ..Outcome::default()
        })
    }
}

/// The most memory that this program ever had. What Linux says of a process's resources counts the memory of whoever
/// started it, too, so the memory map itself is asked there.
fn peak_memory(usage: &Usage) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = high_water(&status).or_else(|| u64::try_from(usage.max_rss()).ok());
    kibibytes.unwrap_or(0) * 1024
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn usage() -> Result<Usage> {
    Ok(getrusage(UsageWho::RUSAGE_SELF)?)
}

fn duration(time: TimeVal) -> Duration {
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}

/// How long single operations took. Of quick ones only every 16th is timed: reading the clock costs as much as they do.
#[derive(Debug)]
pub struct Latencies(Vec<Duration>);

/// With room for those that come while allocations are counted, so that their own do not count.
impl Default for Latencies {
    fn default() -> Self {
        Self(Vec::with_capacity(8))
    }
}

/// Of so many operations one is timed.
pub const SAMPLE: u64 = 16;

impl Latencies {
    /// Notes one.
    pub fn record(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// Takes over those of another task.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The latency that `share` of the operations (0 to 1) did not exceed.
    pub fn quantile(&mut self, share: f64) -> Option<Duration> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        // Truncation is what rounds down here.
        let index = (share * last as f64).round() as usize;
        self.0.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_memory_is_the_programs_own() {
        assert_eq!(
            high_water("VmPeak:\t  9 kB\nVmHWM:\t    1234 kB\n"),
            Some(1234)
        );
        assert_eq!(high_water("nothing"), None);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_latencies() {
        let mut latencies = Latencies::default();
        (1..=101)
            .rev()
            .for_each(|ms| latencies.record(Duration::from_millis(ms)));
        assert_eq!(latencies.quantile(0.5), Some(Duration::from_millis(51)));
        assert_eq!(latencies.quantile(0.99), Some(Duration::from_millis(100)));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
