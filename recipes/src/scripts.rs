//! The scripts of all recipes as methods, expanded from `recipes.toml`; and what they are given.

use std::time::Duration;

use typedis::{Error, Result};

typedis::commands! { pub(crate) trait Scripts from "recipes.toml" }

/// The name of a caller, which nobody else has: 128 random bits.
pub(crate) fn unique() -> Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(Error::custom)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bits)))
}

/// The longest time that a recipe has: 100 years. A server refuses a time that goes beyond the end of its clock, and a script that was refused there has
/// written already what was to expire. In microseconds, the sum with the time of day is exact in Lua's numbers.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The largest number that a recipe sends: up to here, Lua and sorted sets have each whole number exactly.
pub(crate) const MOST: u64 = (1 << 53) - 1;

/// A time that a caller has set, within what is possible: at least a millisecond.
pub(crate) fn possible(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), LONGEST)
}

/// Whole milliseconds, rounded up, at least one.
pub(crate) fn millis(duration: Duration) -> u64 {
    let millis = possible(duration).as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// Whole microseconds, rounded up.
pub(crate) fn micros(duration: Duration) -> u64 {
    let micros = duration.min(LONGEST).as_nanos().div_ceil(1_000);
    u64::try_from(micros).unwrap_or(u64::MAX)
}

/// A pause before another attempt: at most `pause`, and at least half of it, so that callers do not come all at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
