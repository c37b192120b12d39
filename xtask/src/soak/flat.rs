//! Whether a line of a plot stays flat: [`Line`].

use std::fmt;

/// How much higher the end of a line may be, as a part of its middle.
const PART: f64 = 0.15;

/// How much higher it may be in any case: what a few more sockets and their buffers need.
const CONSTANT: f64 = 12.0;

/// The middles of two parts of a line: its second quarter, when everything has been used once, and its last one.
///
/// Medians are compared, because a fault opens sockets for a moment.
#[derive(Debug)]
pub(super) struct Line {
    name: &'static str,
    second: f64,
    last: f64,
}

impl Line {
    pub(super) fn new(name: &'static str, values: &[f64]) -> Self {
        let quarter = values.len() / 4;
        let part = |from: usize, to: usize| median(values.get(from..to).unwrap_or_default());
        Self {
            name,
            second: part(quarter, 2 * quarter),
            last: part(values.len() - quarter, values.len()),
        }
    }

    pub(super) fn is_flat(&self) -> bool {
        self.last <= self.second * (1.0 + PART) + CONSTANT
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, second, last } = self;
        write!(
            f,
            "{name}: {second:.1} in the second quarter, {last:.1} in the last"
        )
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_flat(values: impl Iterator<Item = u32>) -> bool {
        let values: Vec<f64> = values.map(f64::from).collect();
        Line::new("any", &values).is_flat()
    }

    #[test]
    fn a_line_that_rises_at_first_and_then_stays_is_flat() {
        assert!(is_flat((0..400).map(|second| second.min(100))));
        assert!(is_flat([].into_iter()));
    }

    #[test]
    fn peaks_do_not_matter() {
        let peak = |second: u32| if second % 10 == 9 { 10_000 } else { 100 };
        assert!(is_flat((0..400).map(peak)));
    }

    #[test]
    fn a_line_that_goes_on_rising_is_not_flat() {
        assert!(!is_flat((0..400).map(|second| 100 + second / 4)));
    }
}
