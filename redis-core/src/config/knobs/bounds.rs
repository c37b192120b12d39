//! The knobs that limit time and memory.

use std::time::Duration;

use super::codec::{COUNT, Codec, DURATION, OPTIONAL_DURATION, SIZE};
use super::knob::{Knob, knob};
use crate::config::human::{at_least, duration_text, optional_duration};

const CONNECT_TIMEOUT: Codec<Duration> = Codec {
    read: |text| {
        optional_duration(text)?
            .ok_or_else(|| "cannot be off: an attempt to connect has to end".to_owned())
    },
    write: |time| Some(duration_text(*time)),
};

const ELEMENTS: Codec<u64> = Codec {
    read: |text| Ok(at_least(1, text)? as u64),
    write: |count| Some(count.to_string()),
};

/// The knobs that limit time and memory.
pub(super) const BOUNDS: &[Knob] = &[
    knob!("connect_timeout", connect_timeout, CONNECT_TIMEOUT),
    knob!("command_timeout", command_timeout, OPTIONAL_DURATION),
    knob!("liveness", liveness, OPTIONAL_DURATION),
    knob!("keep_alive", keep_alive, OPTIONAL_DURATION),
    knob!("backoff_first", backoff.first, DURATION),
    knob!("backoff_longest", backoff.longest, DURATION),
    knob!("budget_bytes", budget.bytes, SIZE),
    knob!("budget_commands", budget.commands, COUNT),
    knob!("max_depth", limits.max_depth, COUNT),
    knob!("max_elements", limits.max_elements, ELEMENTS),
    knob!("max_bulk", limits.max_bulk, SIZE),
    knob!("max_line", limits.max_line, SIZE),
];
