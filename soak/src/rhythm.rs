//! When the load works and when it rests: [`Rhythm`].
//!
//! Each step of a load holds the gate open. A rest closes it: it waits for the steps that are under way, then everything is
//! still and can be checked.

use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The gate between work and rest.
#[derive(Debug, Default)]
pub(crate) struct Rhythm(RwLock<()>);

impl Rhythm {
    /// Waits while there is a rest. The step is over when the guard is dropped.
    pub(crate) async fn step(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    /// Waits until no step is under way, and lets none begin until the guard is dropped.
    pub(crate) async fn rest(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().await
    }
}

/// Ticks this many times a second. A tick that is missed is not made up for, so that a server that was away is not flooded.
pub(crate) fn pace(times_a_second: f64) -> Interval {
    let mut interval = interval(Duration::from_secs_f64(1.0 / times_a_second));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
