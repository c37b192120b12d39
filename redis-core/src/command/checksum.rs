//! The checksum from which a key's slot is computed: CRC-16/XMODEM.
//!
//! Four bytes are taken in one step, each with a table of its own. With one table there is a step for each byte, and each
//! step waits for the one before it.

/// For each byte, what it adds to the checksum if none to three bytes come after it in its step.
static TABLES: [Table; 4] = [table(0), table(1), table(2), table(3)];

type Table = [u16; 256];

const POLYNOMIAL: u16 = 0x1021;

const fn table(bytes_after: u32) -> Table {
    let mut table = [0; 256];
    let mut entries: &mut [u16] = &mut table;
    let mut byte = 0_u16;
    while let [entry, others @ ..] = entries {
        *entry = passed_by(byte << 8, (1 + bytes_after) * u8::BITS);
        byte += 1;
        entries = others;
    }
    table
}

/// The checksum after some more bits, which are 0.
const fn passed_by(mut sum: u16, bits: u32) -> u16 {
    let mut bit = 0;
    while bit < bits {
        let carry = sum & 0x8000 != 0;
        sum <<= 1;
        if carry {
            sum ^= POLYNOMIAL;
        }
        bit += 1;
    }
    sum
}

/// The checksum of some bytes.
#[inline]
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let [none, one, two, three] = &TABLES;
    let (steps, rest) = bytes.as_chunks();
    let mut sum = 0_u16;
    for [first, second, third, last] in steps {
        let [high, low] = sum.to_be_bytes();
        sum = added(three, first ^ high)
            ^ added(two, second ^ low)
            ^ added(one, *third)
            ^ added(none, *last);
    }
    for byte in rest {
        let [high, low] = sum.to_be_bytes();
        sum = u16::from_be_bytes([low, 0]) ^ added(none, byte ^ high);
    }
    sum
}

#[inline]
fn added(table: &Table, byte: u8) -> u16 {
    // It is always there; the compiler sees that.
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
