//! Replies of LATENCY.

use std::time::Duration;

use crate::FromRedis;
use crate::replies::duration::millis;

/// A time at which an event took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct LatencySample {
    /// When this was, as a Unix time in seconds.
    pub time: u64,
    /// How long it took.
    #[redis(with = "millis")]
    pub latency: Duration,
}

/// An event that took too long.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct LatencyEvent {
    /// Its name, such as `command` or `fork`.
    pub event: String,
    /// When it last took too long, as a Unix time in seconds.
    pub time: u64,
    /// How long it took then.
    #[redis(with = "millis")]
    pub latest: Duration,
    /// The longest time that it ever took.
    #[redis(with = "millis")]
    pub max: Duration,
    /// How long it took in total; Valkey since 8.1.
    #[redis(with = "millis")]
    pub sum: Option<Duration>,
    /// How often it took too long; Valkey since 8.1.
    pub count: Option<u64>,
}

/// How long the calls of a command took.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CommandHistogram {
    /// How many calls there were.
    pub calls: u64,
    /// How many calls took at most this many microseconds. The limits are powers of two, and each count includes the
    /// calls below.
    #[redis(rename = "histogram_usec")]
    pub histogram: Vec<(u64, u64)>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn events_tell_more_on_valkey() {
        let redis = "*1\r\n*4\r\n$7\r\ncommand\r\n:1795404930\r\n:10\r\n:12\r\n";
        let valkey = "*1\r\n*6\r\n$7\r\ncommand\r\n:1795404929\r\n:10\r\n:12\r\n:22\r\n:2\r\n";
        let [event] = decode::<[LatencyEvent; 1]>(redis).unwrap();
        assert_eq!(
            (event.event.as_str(), event.max),
            ("command", Duration::from_millis(12))
        );
        assert_eq!((event.sum, event.count), (None, None));
        let [event] = decode::<[LatencyEvent; 1]>(valkey).unwrap();
        assert_eq!(
            (event.sum, event.count),
            (Some(Duration::from_millis(22)), Some(2))
        );
    }

    #[test]
    fn samples_have_a_time_and_a_length() {
        let samples: Vec<LatencySample> = decode("*1\r\n*2\r\n:1795404929\r\n:10\r\n").unwrap();
        let expected = LatencySample {
            time: 1_795_404_929,
            latency: Duration::from_millis(10),
        };
        assert_eq!(samples, [expected]);
        assert_eq!(decode::<Vec<LatencySample>>("*0\r\n").unwrap(), []);
    }

    #[test]
    fn histograms_are_decoded_in_both_protocols() {
        type Histograms = HashMap<String, CommandHistogram>;
        let three = "%1\r\n$5\r\ndebug\r\n%2\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n%1\r\n:16908\r\n:1\r\n";
        let two = "*2\r\n$5\r\ndebug\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:16908\r\n:1\r\n";
        let histograms: Histograms = decode(three).unwrap();
        assert_eq!(decode::<Histograms>(two).unwrap(), histograms);
        let debug = histograms.get("debug").unwrap();
        assert_eq!(
            (debug.calls, debug.histogram.as_slice()),
            (1, [(16908, 1)].as_slice())
        );
        assert_eq!(decode::<Histograms>("%0\r\n").unwrap().len(), 0);
        assert_eq!(decode::<Histograms>("*0\r\n").unwrap().len(), 0);
    }
}
