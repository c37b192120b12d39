//! A time in a time series: [`Timestamp`].

use std::time::{SystemTime, UNIX_EPOCH};

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// A time in a time series: milliseconds since 1970, a [`SystemTime`], or one of the special signs.
///
/// A `SystemTime` between two milliseconds counts as the first of them. Text is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timestamp(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    Milliseconds(u64),
    BeforeEpoch,
    Sign(&'static str),
    Text(String),
}

impl Timestamp {
    /// `*`: the server's clock, for TS.ADD.
    pub const NOW: Self = Self(Form::Sign("*"));
    /// `-`: the first sample, for ranges.
    pub const MIN: Self = Self(Form::Sign("-"));
    /// `+`: the last sample, for ranges.
    pub const MAX: Self = Self(Form::Sign("+"));
}

impl From<u64> for Timestamp {
    fn from(milliseconds: u64) -> Self {
        Self(Form::Milliseconds(milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).ok();
        let milliseconds = since.and_then(|time| u64::try_from(time.as_millis()).ok());
        Self(milliseconds.map_or(Form::BeforeEpoch, Form::Milliseconds))
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Self(Form::Text(text.to_owned()))
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(Form::Text(text))
    }
}

impl ToArg for Timestamp {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match &self.0 {
            Form::Milliseconds(milliseconds) => out.integer(*milliseconds),
            Form::Sign(sign) => out.text(sign),
            Form::Text(text) => out.text(text),
            Form::BeforeEpoch => {
                return Err(ArgError::new(
                    "a time series begins in 1970, this time is before it",
                ));
            }
        }
        Ok(())
    }
}

impl ToArgs for Timestamp {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::args::wire::words;

    #[test]
    fn times_are_written_in_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_micros(1_234_567);
        assert_eq!(words(&Timestamp::from(time)), ["1234"]);
        assert_eq!(words(&Timestamp::from(1000)), ["1000"]);
    }

    #[test]
    fn signs_and_text_are_written_as_they_are() {
        let times = [
            Timestamp::NOW,
            Timestamp::MIN,
            Timestamp::MAX,
            Timestamp::from("*"),
        ];
        assert_eq!(words(&times), ["*", "-", "+", "*"]);
    }

    #[test]
    fn a_time_before_1970_is_not_written() {
        let time = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(words(&Timestamp::from(time)), [""; 0]);
    }
}
