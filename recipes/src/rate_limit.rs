//! A limited number of calls in a time: [`Gcra`], which spreads them, and [`SlidingWindow`], which counts them.
//!
//! # Layout
//!
//! - this file: what both answer
//! - `gcra`, `window`: the two limiters

use std::time::Duration;

use typedis::{ArgError, Error, ErrorKind, Phase, Result};

mod gcra;
mod window;

pub use gcra::Gcra;
pub use window::SlidingWindow;

/// What a rate limiter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call may go on; it was counted.
    Allowed {
        /// How many units would be let through now.
        remaining: u64,
    },
    /// The call has to wait; it was not counted.
    Limited {
        /// How many units would be let through now: fewer than were asked for.
        remaining: u64,
        /// After which time as many as were asked for would be let through, if nobody else asks.
        retry_after: Duration,
    },
}

impl Verdict {
    /// Whether the call may go on.
    #[must_use]
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Reads the reply of a script.
    fn from_reply((is_allowed, remaining, wait): (bool, u64, u64)) -> Self {
        if is_allowed {
            return Self::Allowed { remaining };
        }
        Self::Limited {
            remaining,
            retry_after: Duration::from_micros(wait),
        }
    }
}

/// The error of a call that asks for more than would ever be let through at once.
fn check_cost(cost: u64, most: u64) -> Result<()> {
    if cost <= most {
        return Ok(());
    }
    let reason = format!("{cost} units are never let through at once; the limit is {most}");
    let reason = ErrorKind::Argument(ArgError::new(reason));
    Err(Error::new(reason, Phase::NotSent))
}
