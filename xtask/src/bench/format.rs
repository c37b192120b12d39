//! How numbers are written.

use super::compare::Ratio;

pub(super) fn dash() -> String {
    "–".to_owned()
}

/// A whole number with commas between the thousands.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn two_digits(value: f64) -> String {
    format!("{value:.2}")
}

pub(super) fn microseconds(value: f64) -> String {
    format!("{:.0}", value / 1000.0)
}

pub(super) fn mebibytes(value: f64) -> String {
    format!("{:.1}", value / 1024.0 / 1024.0)
}

/// The median, and the range of the rounds, as in `0.52 (0.48–0.55)`.
pub(super) fn ratio(ratio: Ratio) -> String {
    let Ratio {
        median,
        least,
        most,
    } = ratio;
    format!("{median:.2} ({least:.2}–{most:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7.4), "7");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_ratio_shows_its_spread() {
        let written = ratio(Ratio {
            median: 0.524,
            least: 0.48,
            most: 0.55,
        });
        assert_eq!(written, "0.52 (0.48–0.55)");
    }
}
