//! The knobs that limit time and memory.

use super::knob::Knob;
use crate::config::human::{
    at_least, duration, duration_text, optional_duration, optional_duration_text, size, size_text,
};

/// The knobs that limit time and memory.
pub(super) const BOUNDS: &[Knob] = &[
    Knob::new(
        "connect_timeout",
        |config, text| {
            config.connect_timeout = optional_duration(text)?
                .ok_or("cannot be off: an attempt to connect has to end")?;
            Ok(())
        },
        |config| Some(duration_text(config.connect_timeout)),
    ),
    Knob::new(
        "command_timeout",
        |config, text| {
            config.command_timeout = optional_duration(text)?;
            Ok(())
        },
        |config| Some(optional_duration_text(config.command_timeout)),
    ),
    Knob::new(
        "liveness",
        |config, text| {
            config.liveness = optional_duration(text)?;
            Ok(())
        },
        |config| Some(optional_duration_text(config.liveness)),
    ),
    Knob::new(
        "keep_alive",
        |config, text| {
            config.keep_alive = optional_duration(text)?;
            Ok(())
        },
        |config| Some(optional_duration_text(config.keep_alive)),
    ),
    Knob::new(
        "backoff_first",
        |config, text| {
            config.backoff.first = duration(text)?;
            Ok(())
        },
        |config| Some(duration_text(config.backoff.first)),
    ),
    Knob::new(
        "backoff_longest",
        |config, text| {
            config.backoff.longest = duration(text)?;
            Ok(())
        },
        |config| Some(duration_text(config.backoff.longest)),
    ),
    Knob::new(
        "budget_bytes",
        |config, text| {
            config.budget.bytes = size(text)?;
            Ok(())
        },
        |config| Some(size_text(config.budget.bytes)),
    ),
    Knob::new(
        "budget_commands",
        |config, text| {
            config.budget.commands = at_least(1, text)?;
            Ok(())
        },
        |config| Some(config.budget.commands.to_string()),
    ),
    Knob::new(
        "max_depth",
        |config, text| {
            config.limits.max_depth = at_least(1, text)?;
            Ok(())
        },
        |config| Some(config.limits.max_depth.to_string()),
    ),
    Knob::new(
        "max_elements",
        |config, text| {
            config.limits.max_elements = at_least(1, text)? as u64;
            Ok(())
        },
        |config| Some(config.limits.max_elements.to_string()),
    ),
    Knob::new(
        "max_bulk",
        |config, text| {
            config.limits.max_bulk = size(text)?;
            Ok(())
        },
        |config| Some(size_text(config.limits.max_bulk)),
    ),
    Knob::new(
        "max_line",
        |config, text| {
            config.limits.max_line = size(text)?;
            Ok(())
        },
        |config| Some(size_text(config.limits.max_line)),
    ),
];
