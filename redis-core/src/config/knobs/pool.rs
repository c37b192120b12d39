//! The knobs of pools and of subscriptions.

use super::knob::Knob;
use crate::config::human::{at_least, optional_duration, optional_duration_text, size, size_text};
use crate::config::lag::Lag;

/// The knobs of a pool.
pub(super) const POOL: &[Knob] = &[
    Knob::new(
        "lanes",
        |config, text| {
            config.lanes = at_least(1, text)?;
            Ok(())
        },
        |config| Some(config.lanes.to_string()),
    ),
    Knob::new(
        "min_lanes",
        |config, text| {
            config.min_lanes = match text {
                "all" => None,
                _ => Some(at_least(1, text).map_err(|reason| format!("{reason}, nor `all`"))?),
            };
            Ok(())
        },
        |config| {
            Some(
                config
                    .min_lanes
                    .map_or_else(|| "all".to_owned(), |lanes| lanes.to_string()),
            )
        },
    ),
    Knob::new(
        "leases",
        |config, text| {
            config.leases = at_least(1, text)?;
            Ok(())
        },
        |config| Some(config.leases.to_string()),
    ),
    Knob::new(
        "idle_timeout",
        |config, text| {
            config.idle_timeout = optional_duration(text)?;
            Ok(())
        },
        |config| Some(optional_duration_text(config.idle_timeout)),
    ),
    Knob::new(
        "max_age",
        |config, text| {
            config.max_age = optional_duration(text)?;
            Ok(())
        },
        |config| Some(optional_duration_text(config.max_age)),
    ),
];

/// The knobs of subscriptions.
pub(super) const SUBSCRIPTIONS: &[Knob] = &[
    Knob::new(
        "lag",
        |config, text| {
            config.inbox.lag = match text {
                "drop_oldest" => Lag::DropOldest,
                "wait" => Lag::Wait,
                "close" => Lag::Close,
                _ => {
                    return Err(format!(
                        "`{text}` is unknown; known are `drop_oldest`, `wait` and `close`"
                    ));
                }
            };
            Ok(())
        },
        |config| {
            let text = match config.inbox.lag {
                Lag::DropOldest => "drop_oldest",
                Lag::Wait => "wait",
                Lag::Close => "close",
            };
            Some(text.to_owned())
        },
    ),
    Knob::new(
        "channel_bytes",
        |config, text| {
            config.inbox.bytes = size(text)?;
            Ok(())
        },
        |config| Some(size_text(config.inbox.bytes)),
    ),
    Knob::new(
        "channel_messages",
        |config, text| {
            config.inbox.messages = match text {
                "off" => usize::MAX,
                _ => at_least(1, text)?,
            };
            Ok(())
        },
        |config| {
            Some(match config.inbox.messages {
                usize::MAX => "off".to_owned(),
                messages => messages.to_string(),
            })
        },
    ),
];
