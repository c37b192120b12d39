//! Units of distance: [`GeoUnit`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// A unit of distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GeoUnit {
    /// Metres.
    #[default]
    M,
    /// Kilometres.
    Km,
    /// Miles.
    Mi,
    /// Feet.
    Ft,
}

/// In lower case, because Redis before 7.0 accepts nothing else.
impl ToArg for GeoUnit {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(match self {
            Self::M => "m",
            Self::Km => "km",
            Self::Mi => "mi",
            Self::Ft => "ft",
        });
        Ok(())
    }
}

impl ToArgs for GeoUnit {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn units_are_written_in_lower_case() {
        let units = [GeoUnit::M, GeoUnit::Km, GeoUnit::Mi, GeoUnit::Ft];
        assert_eq!(words(&units), ["m", "km", "mi", "ft"]);
    }
}
