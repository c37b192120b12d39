//! An end of a range for ZRANGE: [`RangeBound`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

use super::{LexBound, ScoreBound};

/// An end of a range of a sorted set: a rank, a score or a member, depending on the options of ZRANGE.
///
/// | option | bound | sent as |
/// | --- | --- | --- |
/// | none | `0`, `-1`: a rank; negative ones count from the end | `0`, `-1` |
/// | `by_score` | `1.5`, or any [`ScoreBound`] | `1.5`, `(1.5`, `-inf` |
/// | `by_lex` | any [`LexBound`] | `[a`, `(a`, `-` |
///
/// Text is sent as it is, in the notation of the servers.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeBound(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Signed(i64),
    Unsigned(u64),
    Score(ScoreBound),
    Lex(LexBound),
}

impl ToArg for RangeBound {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match &self.0 {
            Form::Signed(number) => out.integer(*number),
            Form::Unsigned(number) => out.integer(*number),
            Form::Score(bound) => bound.write_arg(out)?,
            Form::Lex(bound) => bound.write_arg(out)?,
        }
        Ok(())
    }
}

impl ToArgs for RangeBound {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

impl From<ScoreBound> for RangeBound {
    fn from(bound: ScoreBound) -> Self {
        Self(Form::Score(bound))
    }
}

impl From<LexBound> for RangeBound {
    fn from(bound: LexBound) -> Self {
        Self(Form::Lex(bound))
    }
}

macro_rules! bounds {
    ($($form:ident from $($value:ty)*;)*) => {$($(
        impl From<$value> for RangeBound {
            fn from(value: $value) -> Self {
                Self(Form::$form(value.into()))
            }
        }
    )*)*};
}

bounds! {
    Signed from i8 i16 i32 i64;
    Unsigned from u8 u16 u32 u64;
    Score from f32 f64 &str String &String;
}

impl From<isize> for RangeBound {
    fn from(value: isize) -> Self {
        // It has at most 64 bits on every platform.
        Self(Form::Signed(value as i64))
    }
}

impl From<usize> for RangeBound {
    fn from(value: usize) -> Self {
        Self(Form::Unsigned(value as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn integers_keep_their_digits() {
        assert_eq!(words(&RangeBound::from(-1)), ["-1"]);
        assert_eq!(words(&RangeBound::from(7_usize)), ["7"]);
        assert_eq!(words(&RangeBound::from(u64::MAX)), ["18446744073709551615"]);
    }

    #[test]
    fn scores_and_members_are_written_as_their_bounds() {
        assert_eq!(words(&RangeBound::from(1.5)), ["1.5"]);
        assert_eq!(words(&RangeBound::from(0.1_f32)), ["0.1"]);
        assert_eq!(
            words(&RangeBound::from(ScoreBound::exclusive(2.5))),
            ["(2.5"]
        );
        assert_eq!(words(&RangeBound::from(LexBound::inclusive("m"))), ["[m"]);
        assert_eq!(words(&RangeBound::from("+inf")), ["+inf"]);
    }
}
