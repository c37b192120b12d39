//! Values as people write them in a URL or a file: times, sizes, switches, and back.

use std::time::Duration;

/// The units of a time, the longest first, in nanoseconds.
const TIMES: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The units of a size, the largest first, in bytes.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads `500ms`, `2s`, `1m30s`, `1h`; a time of zero is refused, because no setting could use it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write 500ms, 2s, 1m or 1h30m");
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) = TIMES
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part = number
            .checked_mul(*scale)
            .ok_or_else(|| format!("`{text}` is too long a time"))?;
        total = total
            .checked_add(part)
            .ok_or_else(|| format!("`{text}` is too long a time"))?;
        rest = tail;
    }
    if total == 0 {
        return Err(format!("`{text}` leaves no time at all"));
    }
    Ok(Duration::from_nanos(total))
}

/// The same, or `off`.
pub(super) fn optional_duration(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    duration(text).map(Some).map_err(|reason| {
        if reason.ends_with("at all") {
            format!("{reason}; write `off` for no bound")
        } else {
            format!("{reason}, or off")
        }
    })
}

/// The shortest text that [`duration`] reads as this time.
pub(super) fn duration_text(time: Duration) -> String {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (unit, scale) = TIMES
        .iter()
        .find(|(_, scale)| nanos > 0 && nanos.is_multiple_of(*scale))
        .unwrap_or(&("ms", 1_000_000));
    format!("{}{unit}", nanos / scale)
}

pub(super) fn optional_duration_text(time: Option<Duration>) -> String {
    time.map_or_else(|| "off".to_owned(), duration_text)
}

/// Reads a number of bytes: `65536`, `64KiB`, `16MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size; write 65536, 64KiB, 16MiB or 1GiB");
    let (number, scale) = SIZES
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)))
        .unwrap_or((text, 1));
    let bytes = digits(number)
        .and_then(|number| number.checked_mul(scale))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(wrong)?;
    if bytes == 0 {
        return Err(format!("`{text}` leaves no room at all"));
    }
    Ok(bytes)
}

/// The shortest text that [`size`] reads as this size.
pub(super) fn size_text(bytes: usize) -> String {
    let bytes = bytes as u64;
    SIZES
        .iter()
        .find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale))
        .map_or_else(
            || bytes.to_string(),
            |(unit, scale)| format!("{}{unit}", bytes / scale),
        )
}

/// Reads a number of at least `least`.
pub(super) fn at_least(least: usize, text: &str) -> Result<usize, String> {
    digits(text)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number >= least)
        .ok_or_else(|| format!("`{text}` is no number of at least {least}"))
}

/// Reads a number that may be 0.
pub(super) fn number(text: &str) -> Result<u32, String> {
    digits(text)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("`{text}` is no number"))
}

/// Digits only: no sign, no space.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Reads `on` or `off`, and other usual words for them.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither `on` nor `off`")),
    }
}

pub(super) fn switch_text(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_every_unit() {
        for (text, nanos) in [
            ("1ns", 1),
            ("2us", 2_000),
            ("500ms", 500_000_000),
            ("2s", 2_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_nanos(nanos));
        }
    }

    proptest! {
        #[test]
        fn every_time_and_size_reads_back(nanos in 1..u64::MAX, bytes in 1..usize::MAX) {
            let time = Duration::from_nanos(nanos);
            prop_assert_eq!(duration(&duration_text(time)).unwrap(), time);
            prop_assert_eq!(size(&size_text(bytes)).unwrap(), bytes);
        }

        #[test]
        fn no_text_makes_them_panic(text in "[0-9a-zA-Z. -]{0,24}") {
            let _ = (duration(&text), optional_duration(&text), size(&text), at_least(1, &text), number(&text), switch(&text));
        }
    }
}
