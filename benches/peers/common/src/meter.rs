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

/// How long single operations took, in as much memory for a quick client as for a slow one: once there is room for no
/// more, every second one is forgotten, and of those to come only every second one is noted.
#[derive(Debug)]
pub struct Latencies {
    /// Up to the four seconds that fit.
    nanoseconds: Vec<u32>,
    room: usize,
    /// One of this many is kept.
    stride: u64,
    offered: u64,
}

/// How many latencies all tasks of a measurement keep together.
const ROOM: usize = 8192;

/// Of this many quick operations one is timed: reading the clock costs as much as they do.
pub const SAMPLE: u64 = 16;

impl Default for Latencies {
    fn default() -> Self {
        Self::of_one_of(1)
    }
}

impl Latencies {
    /// For one of this many tasks.
    pub fn of_one_of(tasks: usize) -> Self {
        let room = (ROOM / tasks.max(1)).max(2);
        Self {
            nanoseconds: Vec::with_capacity(room),
            room,
            stride: 1,
            offered: 0,
        }
    }

    /// Notes one.
    pub fn record(&mut self, latency: Duration) {
        if self.nanoseconds.len() == self.room {
            self.thin_out();
        }
        if self.offered.is_multiple_of(self.stride) {
            let nanoseconds = latency.as_nanos().try_into().unwrap_or(u32::MAX);
            self.nanoseconds.push(nanoseconds);
        }
        self.offered += 1;
    }

    /// Takes over those of another task. Each counts for as many operations as any other.
    pub fn append(&mut self, mut other: Self) {
        while self.stride < other.stride {
            self.thin_out();
        }
        while other.stride < self.stride {
            other.thin_out();
        }
        self.nanoseconds.append(&mut other.nanoseconds);
    }

    fn thin_out(&mut self) {
        let mut keeps = false;
        self.nanoseconds.retain(|_| {
            keeps = !keeps;
            keeps
        });
        self.stride *= 2;
    }

    /// The latency that `share` of the operations (0 to 1) did not exceed.
    pub fn quantile(&mut self, share: f64) -> Option<Duration> {
        self.nanoseconds.sort_unstable();
        let last = self.nanoseconds.len().checked_sub(1)?;
        // Truncation is what rounds down here.
        let index = (share * last as f64).round() as usize;
        let nanoseconds = self.nanoseconds.get(index)?;
        Some(Duration::from_nanos((*nanoseconds).into()))
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
    #[test]
    fn many_latencies_take_no_more_memory_than_few_and_have_the_same_quantiles() {
        let mut all = Latencies::default();
        for task in 0..10 {
            let mut latencies = Latencies::of_one_of(10);
            let room = latencies.nanoseconds.capacity();
            // Tasks that did more have forgotten more.
            for n in 0..100_000 * (1 + task % 3) {
                latencies.record(Duration::from_micros(n % 1000));
            }
            assert_eq!(latencies.nanoseconds.capacity(), room);
            all.append(latencies);
        }
        assert!(all.nanoseconds.len() <= ROOM);
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0)] {
            let micros = all.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!((micros - expected).abs() <= 20.0, "{micros}");
        }
    }
}
