//! The operations of BITFIELD, in the caller's order: [`BitfieldOp`], [`BitfieldEncoding`], [`BitOffset`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// One operation of BITFIELD.
///
/// ```
/// # use typedis::args::{BitfieldOp, Overflow};
/// let operations = [
///     BitfieldOp::set("u8", 0, 200),
///     BitfieldOp::overflow(Overflow::Saturate),
///     BitfieldOp::incr_by("u8", 0, 100),
///     BitfieldOp::get("i16", "#1"),
/// ];
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitfieldOp(Op);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Op {
    Get(BitfieldEncoding, BitOffset),
    Set(BitfieldEncoding, BitOffset, i64),
    IncrBy(BitfieldEncoding, BitOffset, i64),
    Overflow(Overflow),
}

/// What happens when a result does not fit the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// It wraps around; this is the default.
    #[default]
    Wrap,
    /// It becomes the lowest or the highest value.
    Saturate,
    /// Nothing is changed, and the operation replies `None`.
    Fail,
}

impl BitfieldOp {
    /// Reads an integer.
    pub fn get(encoding: impl Into<BitfieldEncoding>, offset: impl Into<BitOffset>) -> Self {
        Self(Op::Get(encoding.into(), offset.into()))
    }

    /// Writes an integer; replies with the old value.
    pub fn set(
        encoding: impl Into<BitfieldEncoding>,
        offset: impl Into<BitOffset>,
        value: i64,
    ) -> Self {
        Self(Op::Set(encoding.into(), offset.into(), value))
    }

    /// Adds to an integer; replies with the result.
    pub fn incr_by(
        encoding: impl Into<BitfieldEncoding>,
        offset: impl Into<BitOffset>,
        increment: i64,
    ) -> Self {
        Self(Op::IncrBy(encoding.into(), offset.into(), increment))
    }

    /// Sets what happens on overflow in the operations after this one; it has no reply.
    #[must_use]
    pub fn overflow(overflow: Overflow) -> Self {
        Self(Op::Overflow(overflow))
    }
}

impl ToArgs for BitfieldOp {
    fn write_args(&self, out: &mut Args) {
        let (word, encoding, offset, value) = match &self.0 {
            Op::Get(encoding, offset) => ("GET", encoding, offset, None),
            Op::Set(encoding, offset, value) => ("SET", encoding, offset, Some(value)),
            Op::IncrBy(encoding, offset, value) => ("INCRBY", encoding, offset, Some(value)),
            Op::Overflow(overflow) => {
                out.word("OVERFLOW");
                out.word(overflow.word());
                return;
            }
        };
        out.word(word);
        out.item(encoding);
        out.item(offset);
        value.write_args(out);
    }
}

impl Overflow {
    fn word(self) -> &'static str {
        match self {
            Self::Wrap => "WRAP",
            Self::Saturate => "SAT",
            Self::Fail => "FAIL",
        }
    }
}

/// The operations of one BITFIELD, carried out in order: one [`BitfieldOp`], an array or a `Vec` of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BitfieldOps(Vec<BitfieldOp>);

impl From<BitfieldOp> for BitfieldOps {
    fn from(operation: BitfieldOp) -> Self {
        Self(vec![operation])
    }
}

impl<const N: usize> From<[BitfieldOp; N]> for BitfieldOps {
    fn from(operations: [BitfieldOp; N]) -> Self {
        Self(operations.into())
    }
}

impl From<Vec<BitfieldOp>> for BitfieldOps {
    fn from(operations: Vec<BitfieldOp>) -> Self {
        Self(operations)
    }
}

impl FromIterator<BitfieldOp> for BitfieldOps {
    fn from_iter<I: IntoIterator<Item = BitfieldOp>>(operations: I) -> Self {
        Self(operations.into_iter().collect())
    }
}

impl ToArgs for BitfieldOps {
    fn write_args(&self, out: &mut Args) {
        self.0
            .iter()
            .for_each(|operation| operation.write_args(out));
    }
}

/// The width of an integer in bits, and whether it has a sign: `"u8"`, `"i16"`; `u1` to `u63` and `i1` to `i64`.
///
/// Any other text is refused before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitfieldEncoding(Result<Integer, ArgError>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integer {
    signed: bool,
    bits: u8,
}

impl BitfieldEncoding {
    /// An integer from 0 on, of at most 63 bits.
    #[must_use]
    pub fn unsigned(bits: u8) -> Self {
        Self(Integer::new(false, bits))
    }

    /// An integer with a sign, of at most 64 bits.
    #[must_use]
    pub fn signed(bits: u8) -> Self {
        Self(Integer::new(true, bits))
    }
}

impl Integer {
    fn new(signed: bool, bits: u8) -> Result<Self, ArgError> {
        if (1..=63 + u8::from(signed)).contains(&bits) {
            return Ok(Self { signed, bits });
        }
        Err(ArgError::new(format!(
            "an integer of {bits} bits: a server knows u1 to u63 and i1 to i64"
        )))
    }

    fn parse(text: &str) -> Result<Self, ArgError> {
        let unknown = || {
            ArgError::new(format!(
                "`{text}` is no width: they are written like `u8` and `i16`"
            ))
        };
        let (signed, bits) = match text.strip_prefix('i') {
            Some(bits) => (true, bits),
            None => (false, text.strip_prefix('u').ok_or_else(unknown)?),
        };
        Self::new(signed, bits.parse().map_err(|_| unknown())?)
    }
}

impl From<&str> for BitfieldEncoding {
    fn from(text: &str) -> Self {
        Self(Integer::parse(text))
    }
}

impl From<String> for BitfieldEncoding {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl ToArg for BitfieldEncoding {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        let Integer { signed, bits } = self.0.clone()?;
        out.text(if signed { "i" } else { "u" });
        out.integer(bits);
        Ok(())
    }
}

impl ToArgs for BitfieldEncoding {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

/// Where an integer begins: an offset in bits, or [`BitOffset::nth`], written `"#1"`, which counts integers of the
/// same width.
///
/// Negative numbers and any other text are refused before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitOffset(Result<Offset, ArgError>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offset {
    Bits(u64),
    Nth(u64),
}

impl BitOffset {
    /// The position after `index` integers of the same width.
    #[must_use]
    pub fn nth(index: u64) -> Self {
        Self(Ok(Offset::Nth(index)))
    }
}

macro_rules! from_integers {
    ($($int:ty)*) => {$(
        impl From<$int> for BitOffset {
            fn from(bits: $int) -> Self {
                let negative = |_| ArgError::new(format!("{bits} is no offset: it is negative"));
                Self(u64::try_from(bits).map(Offset::Bits).map_err(negative))
            }
        }
    )*};
}

from_integers!(i32 i64 u8 u16 u32 usize);

impl From<u64> for BitOffset {
    fn from(bits: u64) -> Self {
        Self(Ok(Offset::Bits(bits)))
    }
}

impl From<&str> for BitOffset {
    fn from(text: &str) -> Self {
        let unknown = |_| {
            ArgError::new(format!(
                "`{text}` is no offset: they are written like `8` and `#1`"
            ))
        };
        Self(match text.strip_prefix('#') {
            Some(index) => index.parse().map(Offset::Nth).map_err(unknown),
            None => text.parse().map(Offset::Bits).map_err(unknown),
        })
    }
}

impl From<String> for BitOffset {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl ToArg for BitOffset {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        match self.0.clone()? {
            Offset::Bits(bits) => out.integer(bits),
            Offset::Nth(index) => {
                out.text("#");
                out.integer(index);
            }
        }
        Ok(())
    }
}

impl ToArgs for BitOffset {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn operations_keep_their_order() {
        let operations = BitfieldOps::from([
            BitfieldOp::set("u8", 0, 255),
            BitfieldOp::overflow(Overflow::Fail),
            BitfieldOp::incr_by(BitfieldEncoding::signed(64), "#1", -5),
            BitfieldOp::get("i4", 4_u64),
        ]);
        let expected = "SET u8 0 255 OVERFLOW FAIL INCRBY i64 #1 -5 GET i4 4";
        assert_eq!(words(&operations).join(" "), expected);
    }

    #[test]
    fn one_operation_is_a_list() {
        let operations = BitfieldOps::from(BitfieldOp::overflow(Overflow::Saturate));
        assert_eq!(words(&operations), ["OVERFLOW", "SAT"]);
    }

    #[test]
    fn widths_beyond_the_servers_are_not_written() {
        for encoding in ["u64", "i65", "u0", "8", "u", "u-1"] {
            assert_eq!(
                words(&BitfieldEncoding::from(encoding)),
                [""; 0],
                "{encoding}"
            );
        }
        assert_eq!(words(&BitfieldEncoding::unsigned(63)), ["u63"]);
    }

    #[test]
    fn offsets_count_bits_or_integers() {
        assert_eq!(words(&BitOffset::nth(3)), ["#3"]);
        assert_eq!(words(&BitOffset::from("100")), ["100"]);
        assert_eq!(words(&BitOffset::from(-1)), [""; 0]);
        assert_eq!(words(&BitOffset::from("#x")), [""; 0]);
    }
}
