//! An end of a range of scores: [`ScoreBound`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// An end of a range of scores, as ZCOUNT and `ZRANGE … BYSCORE` take it.
///
/// A number is a bound that belongs to the range; [`ScoreBound::exclusive`] makes one that does not. Text is sent as
/// it is, in the notation of the servers: `"(1.5"` for an exclusive bound, `"-inf"`, `"+inf"`.
///
/// | bound | sent as |
/// | --- | --- |
/// | `1.5` | `1.5` |
/// | `ScoreBound::exclusive(1.5)` | `(1.5` |
/// | `ScoreBound::MIN`, `ScoreBound::MAX` | `-inf`, `inf` |
///
/// NaN is refused before anything is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreBound(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Inclusive(f64),
    Exclusive(f64),
    Text(String),
}

impl ScoreBound {
    /// Below every score.
    pub const MIN: Self = Self(Form::Inclusive(f64::NEG_INFINITY));
    /// Above every score.
    pub const MAX: Self = Self(Form::Inclusive(f64::INFINITY));

    /// A bound that belongs to the range.
    #[must_use]
    pub const fn inclusive(score: f64) -> Self {
        Self(Form::Inclusive(score))
    }

    /// A bound that does not belong to the range.
    #[must_use]
    pub const fn exclusive(score: f64) -> Self {
        Self(Form::Exclusive(score))
    }
}

impl ToArg for ScoreBound {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match &self.0 {
            Form::Inclusive(score) => out.float(*score),
            Form::Exclusive(score) => {
                out.text("(");
                out.float(*score)
            }
            Form::Text(text) => {
                out.text(text);
                Ok(())
            }
        }
    }
}

impl ToArgs for ScoreBound {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

impl From<&str> for ScoreBound {
    fn from(text: &str) -> Self {
        Self(Form::Text(text.to_owned()))
    }
}

impl From<String> for ScoreBound {
    fn from(text: String) -> Self {
        Self(Form::Text(text))
    }
}

impl From<&String> for ScoreBound {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

macro_rules! scores {
    ($($number:ty)*) => {$(
        impl From<$number> for ScoreBound {
            /// A bound that belongs to the range. Scores are doubles: the server rounds them in the same way.
            fn from(score: $number) -> Self {
                Self::inclusive(score as f64)
            }
        }
    )*};
}

impl From<f32> for ScoreBound {
    /// A bound that belongs to the range: the number that its digits say, as scores are sent. An `f32` of 0.1 is 0.1 here too, not
    /// 0.10000000149011612.
    fn from(score: f32) -> Self {
        Self::inclusive(score.to_string().parse().unwrap_or(f64::from(score)))
    }
}

scores!(f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn numbers_belong_to_the_range() {
        assert_eq!(words(&ScoreBound::from(1.5)), ["1.5"]);
        assert_eq!(words(&ScoreBound::from(-3)), ["-3.0"]);
        assert_eq!(words(&ScoreBound::inclusive(0.25)), ["0.25"]);
    }

    #[test]
    fn a_bound_is_the_same_number_as_a_score() {
        let scores = [0.1, -1.0 / 3.0, 16_777_216.0, 1e30, 1e-40, f32::INFINITY];
        for score in scores {
            let number = |words: Vec<String>| words[0].parse::<f64>().unwrap();
            let (bound, sent) = (words(&ScoreBound::from(score)), words(&score));
            assert_eq!(number(bound), number(sent), "{score}");
        }
        assert_eq!(words(&ScoreBound::from(0.1_f32)), ["0.1"]);
        assert!(words(&ScoreBound::from(f32::NAN)).is_empty());
    }

    #[test]
    fn exclusive_bounds_have_a_parenthesis() {
        assert_eq!(words(&ScoreBound::exclusive(1.5)), ["(1.5"]);
        assert_eq!(words(&ScoreBound::exclusive(f64::INFINITY)), ["(inf"]);
    }

    #[test]
    fn the_extremes_are_infinite() {
        assert_eq!(words(&ScoreBound::MIN), ["-inf"]);
        assert_eq!(words(&ScoreBound::MAX), ["inf"]);
    }

    #[test]
    fn text_is_sent_as_it_is() {
        assert_eq!(words(&ScoreBound::from("(7")), ["(7"]);
        assert_eq!(words(&ScoreBound::from(String::from("+inf"))), ["+inf"]);
    }

    #[test]
    fn nan_is_refused() {
        assert!(words(&ScoreBound::inclusive(f64::NAN)).is_empty());
    }
}
