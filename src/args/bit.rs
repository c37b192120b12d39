//! A single bit, as SETBIT and BITPOS take it: [`Bit`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// A bit: `0` or `1`, or a `bool`.
///
/// Any other number is refused before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bit(i64);

impl From<bool> for Bit {
    fn from(bit: bool) -> Self {
        Self(i64::from(bit))
    }
}

macro_rules! from_integers {
    ($($int:ty)*) => {$(
        impl From<$int> for Bit {
            fn from(bit: $int) -> Self {
                Self(i64::from(bit))
            }
        }
    )*};
}

from_integers!(i8 i16 i32 i64 u8 u16 u32);

impl ToArg for Bit {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match self.0 {
            bit @ (0 | 1) => out.integer(bit),
            other => return Err(ArgError::new(format!("{other} is no bit: it is 0 or 1"))),
        }
        Ok(())
    }
}

impl ToArgs for Bit {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn numbers_and_truth_values_are_bits() {
        assert_eq!(words(&Bit::from(1)), ["1"]);
        assert_eq!(words(&Bit::from(false)), ["0"]);
    }

    #[test]
    fn another_number_is_not_written() {
        assert_eq!(words(&Bit::from(2)), [""; 0]);
    }
}
