//! Whether this thread is a simulated world. There time is that of the runtime alone, so that a seed repeats however busy the
//! machine is.
//!
//! Without the feature `planted`, which nothing but the simulation turns on, this is the constant `false`.

#[cfg(feature = "planted")]
thread_local! {
    static SIMULATED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// From now on, this thread is a simulated world, or is none.
#[cfg(feature = "planted")]
pub fn simulate(is_simulated: bool) {
    SIMULATED.set(is_simulated);
}

/// Whether this thread is a simulated world.
#[cfg(feature = "planted")]
#[inline]
pub(crate) fn is_simulated() -> bool {
    SIMULATED.get()
}

/// Whether this thread is a simulated world: never in a normal build.
#[cfg(not(feature = "planted"))]
#[inline]
pub(crate) const fn is_simulated() -> bool {
    false
}
