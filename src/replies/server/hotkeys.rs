//! The reply of HOTKEYS GET: [`Hotkeys`].

use bytes::Bytes;
use typedis_core::{DecodeError, FromRedis, Reply};

use crate::replies::fields::{each_field, fill, required};

/// What the tracking of hot keys found.
///
/// What was not asked for is `None` or empty: times of the CPU without `CPU`, bytes without `NET`, figures of the selected
/// slots without `SLOTS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Hotkeys {
    /// Whether it is still on.
    pub is_active: bool,
    /// One in this many keys was sampled.
    pub sample_ratio: u64,
    /// The slots whose keys were looked at: the first and the last of each range. All of them without `SLOTS`.
    pub selected_slots: Vec<(u16, u16)>,
    /// When it began, as a Unix time in milliseconds.
    pub start_time: u64,
    /// How many milliseconds it lasted. After 24 days the server's count begins again far below 0; it is also below 0 if the server's clock was
    /// set back.
    pub duration: i64,
    /// How many microseconds all commands took, on all slots.
    pub all_commands_time: Option<u64>,
    /// How many microseconds all commands took, on the selected slots.
    pub selected_commands_time: Option<u64>,
    /// How many microseconds those took, on the selected slots, that were looked at.
    pub sampled_commands_time: Option<u64>,
    /// How many bytes all commands sent and received, on all slots.
    pub all_commands_bytes: Option<u64>,
    /// How many bytes all commands sent and received, on the selected slots.
    pub selected_commands_bytes: Option<u64>,
    /// How many bytes those sent and received, on the selected slots, that were looked at.
    pub sampled_commands_bytes: Option<u64>,
    /// How many milliseconds of CPU time the server took for itself.
    pub cpu_time_user: Option<u64>,
    /// How many milliseconds of CPU time the system took for the server.
    pub cpu_time_system: Option<u64>,
    /// How many bytes the server sent and received.
    pub net_bytes: Option<u64>,
    /// The keys that took the most time, and how many microseconds.
    pub by_cpu_time: Vec<(Bytes, u64)>,
    /// The keys that took the most traffic, and how many bytes.
    pub by_net_bytes: Vec<(Bytes, u64)>,
}

impl FromRedis for Hotkeys {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        // The server puts the map into an array of one.
        match &reply {
            Reply::Array(elements) if elements.len() == 1 => {
                let map = elements.clone().next().unwrap_or(reply);
                Self::from_map(&map).map_err(|error| error.at_index(0))
            }
            map => Self::from_map(map),
        }
    }
}

impl Hotkeys {
    fn from_map(map: &Reply<'_>) -> Result<Self, DecodeError> {
        let (mut active, mut ratio, mut start, mut duration) = (None, None, None, None);
        let mut found = Self::default();
        each_field(map, |name, value| match name {
            "tracking-active" => fill(&mut active, value),
            "sample-ratio" => fill(&mut ratio, value),
            "collection-start-time-unix-ms" => fill(&mut start, value),
            "collection-duration-ms" => fill(&mut duration, value),
            "selected-slots" => {
                let ranges = Vec::<Slots>::from_redis(value)?;
                found.selected_slots = ranges.into_iter().map(|Slots(range)| range).collect();
                Ok(())
            }
            _ => found.set(name, value),
        })?;
        Ok(Self {
            is_active: required(active, "tracking-active")?,
            sample_ratio: required(ratio, "sample-ratio")?,
            start_time: required(start, "collection-start-time-unix-ms")?,
            duration: required(duration, "collection-duration-ms")?,
            ..found
        })
    }

    /// Takes a figure that is only there if it was asked for.
    fn set(&mut self, name: &str, value: Reply<'_>) -> Result<(), DecodeError> {
        let place = match name {
            "by-cpu-time-us" => {
                self.by_cpu_time = Vec::from_redis(value)?;
                return Ok(());
            }
            "by-net-bytes" => {
                self.by_net_bytes = Vec::from_redis(value)?;
                return Ok(());
            }
            "all-commands-all-slots-us" => &mut self.all_commands_time,
            "all-commands-selected-slots-us" => &mut self.selected_commands_time,
            "sampled-commands-selected-slots-us" => &mut self.sampled_commands_time,
            "net-bytes-all-commands-all-slots" => &mut self.all_commands_bytes,
            "net-bytes-all-commands-selected-slots" => &mut self.selected_commands_bytes,
            "net-bytes-sampled-commands-selected-slots" => &mut self.sampled_commands_bytes,
            "total-cpu-time-user-ms" => &mut self.cpu_time_user,
            "total-cpu-time-sys-ms" => &mut self.cpu_time_system,
            "total-net-bytes" => &mut self.net_bytes,
            _ => return Ok(()),
        };
        fill(place, value)
    }
}

/// A range of slots, which the server writes as one number where it has one slot.
struct Slots((u16, u16));

impl FromRedis for Slots {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let ends = Vec::<u16>::from_redis(reply)?;
        match *ends.as_slice() {
            [slot] => Ok(Self((slot, slot))),
            [first, last] => Ok(Self((first, last))),
            _ => Err(DecodeError::new(format!(
                "expected one slot or two, got {}",
                ends.len()
            ))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    /// The server counts milliseconds in 32 bits: after 25 days it says this.
    #[test]
    fn a_long_collection_has_a_duration_below_0() {
        let reply = "*8\r\n$15\r\ntracking-active\r\n:1\r\n$12\r\nsample-ratio\r\n:1\r\n\
                     $29\r\ncollection-start-time-unix-ms\r\n:1769420604522\r\n$22\r\ncollection-duration-ms\r\n:-2134967296\r\n";
        let hotkeys: Hotkeys = decode(reply).unwrap();
        assert_eq!(hotkeys.duration, -2_134_967_296);
    }

    #[test]
    fn keys_are_listed_by_what_was_measured() {
        let reply = "*1\r\n*12\r\n$15\r\ntracking-active\r\n:1\r\n$12\r\nsample-ratio\r\n:1\r\n$14\r\nselected-slots\r\n*2\r\n*1\r\n:5\r\n*2\r\n:7\r\n:9\r\n\
                     $29\r\ncollection-start-time-unix-ms\r\n:1769420604522\r\n$22\r\ncollection-duration-ms\r\n:6408\r\n\
                     $14\r\nby-cpu-time-us\r\n*4\r\n$1\r\nx\r\n:104\r\n$1\r\ny\r\n:98\r\n";
        let hotkeys: Hotkeys = decode(reply).unwrap();
        assert!(hotkeys.is_active);
        assert_eq!((hotkeys.sample_ratio, hotkeys.duration), (1, 6408));
        assert_eq!(
            hotkeys.by_cpu_time,
            [(Bytes::from("x"), 104), (Bytes::from("y"), 98)]
        );
        assert_eq!(hotkeys.by_net_bytes, []);
        assert_eq!(hotkeys.selected_slots, [(5, 5), (7, 9)]);
        assert_eq!(hotkeys.net_bytes, None);
        assert_eq!(decode::<Option<Hotkeys>>("$-1\r\n").unwrap(), None);
    }
}
