//! Times as commands take them: [`Seconds`], [`Milliseconds`], [`UnixSeconds`], [`UnixMilliseconds`] for expiry,
//! and [`Timeout`] and [`BlockMilliseconds`] for how long a command may block.
//!
//! Integers are in the unit that the type names. A time to live is not negative, except for EXPIRE and PEXPIRE, which
//! then delete the key ([`SignedSeconds`], [`SignedMilliseconds`]). A [`Duration`] is never cut: if it is not a whole
//! number of the unit, it is refused. Only the time that a command blocks is rounded up to a millisecond.
//!
//! A time to live of 0 or less, and a moment that has passed, mostly delete the key at once. A second time it would not be there, so
//! a command that writes is not sent again after a lost connection if it has such a time, whatever it makes of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::arg::{ArgWriter, ToArg};
use super::args::{Args, ToArgs};
use super::block::BlockLimit;
use crate::error::ArgError;

/// A number for the server, or why there is none.
type Number = Result<i64, ArgError>;

const TOO_LONG: ArgError = ArgError::fixed("this is a longer time than a server can hold");

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($check:expr, $deletes:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Number);

        from_integers!($name(|value: Number| $name(value.and_then($check))): i8 i16 i32 i64 u8 u16 u32 u64 usize);

        impl ToArg for $name {
            fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
                out.integer(self.0.clone()?);
                Ok(())
            }

            fn once_only(&self) -> bool {
                self.0.as_ref().copied().is_ok_and($deletes)
            }
        }

        impl ToArgs for $name {
            fn write_args(&self, out: &mut Args) {
                out.item(self);
            }
        }
    )*};
}

macro_rules! from_integers {
    ($name:ident($wrap:expr): $($int:ty)*) => {$(
        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                $wrap(i64::try_from(value).map_err(|_| TOO_LONG))
            }
        }
    )*};
}

numbers! {
    /// A time to live in whole seconds: an integer or a [`Duration`].
    ///
    /// A `Duration` with a fraction of a second is refused; use the method for milliseconds.
    Seconds(not_negative, is_over);
    /// A time to live in whole seconds that may be negative, which deletes the key: an integer or a [`Duration`].
    SignedSeconds(Ok, is_over);
    /// A time to live in whole milliseconds: an integer or a [`Duration`].
    ///
    /// A `Duration` with a fraction of a millisecond is refused.
    Milliseconds(not_negative, is_over);
    /// A time to live in whole milliseconds that may be negative, which deletes the key: an integer or a [`Duration`].
    SignedMilliseconds(Ok, is_over);
    /// A moment in seconds since 1970: an integer, or a [`SystemTime`], which is rounded up to the next second.
    UnixSeconds(Ok, |moment| may_have_passed(moment, 1));
    /// A moment in milliseconds since 1970: an integer, or a [`SystemTime`], which is rounded up to the next
    /// millisecond.
    UnixMilliseconds(Ok, |moment| may_have_passed(moment, 1_000));
}

/// Whether a time to live deletes the key at once.
fn is_over(time: i64) -> bool {
    time <= 0
}

/// Whether a moment deletes the key at once. The clock of the server may be ahead, and the command may wait.
fn may_have_passed(moment: i64, units_per_second: i64) -> bool {
    const DOUBT_SECONDS: i64 = 60;
    let unit = 1_000_000_000 / units_per_second.unsigned_abs();
    let now = since_1970(SystemTime::now(), unit.into());
    now.is_ok_and(|now| moment.saturating_sub(DOUBT_SECONDS * units_per_second) <= now)
}

macro_rules! from_durations {
    ($convert:ident: $($name:ident)*) => {$(
        impl From<Duration> for $name {
            fn from(time: Duration) -> Self {
                Self($convert(time))
            }
        }
    )*};
}

from_durations!(whole_seconds: Seconds SignedSeconds);
from_durations!(whole_milliseconds: Milliseconds SignedMilliseconds);

fn whole_seconds(time: Duration) -> Number {
    if time.subsec_nanos() != 0 {
        return Err(ArgError::new(format!(
            "{time:?} is not a whole number of seconds; the method for milliseconds takes it"
        )));
    }
    i64::try_from(time.as_secs()).map_err(|_| TOO_LONG)
}

fn whole_milliseconds(time: Duration) -> Number {
    if !time.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(ArgError::new(format!(
            "{time:?} is not a whole number of milliseconds, which is the shortest time that a server knows"
        )));
    }
    i64::try_from(time.as_millis()).map_err(|_| TOO_LONG)
}

fn not_negative(number: i64) -> Number {
    if number < 0 {
        return Err(ArgError::new(format!(
            "a time to live of {number} is negative"
        )));
    }
    Ok(number)
}

impl From<SystemTime> for UnixSeconds {
    fn from(moment: SystemTime) -> Self {
        Self(since_1970(moment, 1_000_000_000))
    }
}

impl From<SystemTime> for UnixMilliseconds {
    fn from(moment: SystemTime) -> Self {
        Self(since_1970(moment, 1_000_000))
    }
}

/// The moment in units of `unit` nanoseconds, rounded up, so that nothing expires too early.
fn since_1970(moment: SystemTime, unit: u128) -> Number {
    let units = match moment.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos().div_ceil(unit)),
        Err(before) => i64::try_from(before.duration().as_nanos() / unit).map(|units| -units),
    };
    units.map_err(|_| TOO_LONG)
}

/// How long a command may block, in seconds: a number, or a [`Duration`].
///
/// The number 0 means for ever, as on the servers. A `Duration` of zero is refused, because code that computes one
/// (the rest of some deadline) means the opposite: for waiting for ever, use [`Timeout::FOREVER`]. Servers count in
/// milliseconds; a fraction of one is rounded up, and 1 is sent as 2, because some servers take less than
/// that for no limit at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout(Limit);

/// How long a command may block, in milliseconds: an integer, or a [`Duration`].
///
/// The same rules apply as for [`Timeout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMilliseconds(Limit);

/// Whole milliseconds, where 0 means for ever; or an error.
type Limit = Result<u64, ArgError>;

const NEGATIVE: ArgError = ArgError::fixed("a command cannot block for a negative time");
const ZERO: ArgError =
    ArgError::fixed("a `Duration` of zero would block for ever; say FOREVER if that is meant");

impl Timeout {
    /// Blocks until something happens.
    pub const FOREVER: Self = Self(Ok(0));
}

impl BlockMilliseconds {
    /// Blocks until something happens.
    pub const FOREVER: Self = Self(Ok(0));
}

fn from_duration(time: Duration) -> Limit {
    if time.is_zero() {
        return Err(ZERO);
    }
    milliseconds(time)
}

fn milliseconds(time: Duration) -> Limit {
    u64::try_from(time.as_nanos().div_ceil(1_000_000))
        .ok()
        .filter(|time| i64::try_from(*time).is_ok())
        .ok_or(TOO_LONG)
}

fn from_number(number: Number, unit: u64) -> Limit {
    let number = u64::try_from(number?).map_err(|_| NEGATIVE)?;
    number
        .checked_mul(unit)
        .filter(|time| i64::try_from(*time).is_ok())
        .ok_or(TOO_LONG)
}

from_integers!(Timeout(|number| Timeout(from_number(number, 1000))): i8 i16 i32 i64 u8 u16 u32 u64 usize);
from_integers!(BlockMilliseconds(|number| BlockMilliseconds(from_number(number, 1))): i8 i16 i32 i64 u8 u16 u32 u64 usize);

impl From<f64> for Timeout {
    fn from(seconds: f64) -> Self {
        Self(match seconds {
            _ if seconds.is_nan() => Err(ArgError::new("NaN is no time")),
            _ if seconds < 0.0 => Err(NEGATIVE),
            // What a subtraction leaves may be less than a nanosecond. That is no 0, which is for ever.
            _ => Duration::try_from_secs_f64(seconds)
                .map_err(|_| TOO_LONG)
                .and_then(milliseconds)
                .map(|time| time.max(u64::from(seconds > 0.0))),
        })
    }
}

impl From<Duration> for Timeout {
    fn from(time: Duration) -> Self {
        Self(from_duration(time))
    }
}

impl From<Duration> for BlockMilliseconds {
    fn from(time: Duration) -> Self {
        Self(from_duration(time))
    }
}

fn block_limit(limit: &Limit) -> Option<Duration> {
    limit
        .as_ref()
        .ok()
        .filter(|time| **time > 0)
        .map(|time| Duration::from_millis(*time))
}

impl BlockLimit for Timeout {
    const UNIT: Duration = Duration::from_secs(1);

    fn limit(&self) -> Option<Duration> {
        block_limit(&self.0)
    }
}

impl BlockLimit for BlockMilliseconds {
    const UNIT: Duration = Duration::from_millis(1);

    fn limit(&self) -> Option<Duration> {
        block_limit(&self.0)
    }
}

/// Seconds, with as many decimals as needed: `5`, `0.25`.
impl ToArg for Timeout {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        // Servers before 7.0.8 cut 0.001 seconds to 0, which is for ever.
        let time = match self.0.clone()? {
            1 => 2,
            time => time,
        };
        let (seconds, rest) = (time / 1000, time % 1000);
        if rest == 0 {
            out.integer(seconds);
        } else {
            out.text(format!("{seconds}.{rest:03}").trim_end_matches('0'));
        }
        Ok(())
    }
}

impl ToArg for BlockMilliseconds {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.integer(self.0.clone()?);
        Ok(())
    }
}

impl ToArgs for Timeout {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

impl ToArgs for BlockMilliseconds {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}
