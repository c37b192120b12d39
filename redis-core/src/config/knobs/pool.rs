//! The knobs of pools and of subscriptions.

use super::codec::{self, COUNT, Codec, OPTIONAL_DURATION, SIZE, as_text, names};
use super::knob::{Knob, knob};
use crate::config::human::at_least;
use crate::config::lag::Lag;

const MIN_LANES: Codec<Option<usize>> = Codec {
    read: |text| match text {
        "all" => Ok(None),
        _ => match at_least(1, text) {
            Ok(lanes) => Ok(Some(lanes)),
            Err(reason) => Err(format!("{reason}, nor `all`")),
        },
    },
    write: |lanes| Some(lanes.map_or_else(|| "all".to_owned(), |lanes| lanes.to_string())),
};

/// The knobs of a pool.
pub(super) const POOL: &[Knob] = &[
    knob!("lanes", lanes, COUNT),
    knob!("min_lanes", min_lanes, MIN_LANES),
    knob!("leases", leases, COUNT),
    knob!("idle_timeout", idle_timeout, OPTIONAL_DURATION),
    knob!("max_age", max_age, OPTIONAL_DURATION),
];

const LAG: Codec<Lag> = names!(
    "policy",
    Lag {
        DropOldest: "drop_oldest",
        Wait: "wait",
        Close: "close",
    }
);

as_text!(Lag, LAG);

const MESSAGES: Codec<usize> = Codec {
    read: |text| match text {
        "off" => Ok(usize::MAX),
        _ => at_least(1, text),
    },
    write: |messages| {
        Some(match *messages {
            usize::MAX => "off".to_owned(),
            messages => messages.to_string(),
        })
    },
};

/// The knobs of subscriptions.
pub(super) const SUBSCRIPTIONS: &[Knob] = &[
    knob!("lag", inbox.lag, LAG),
    knob!("capacity_bytes", inbox.bytes, SIZE),
    knob!("capacity_messages", inbox.messages, MESSAGES),
];
