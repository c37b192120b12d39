//! From a key to its slot; and the slots of several keys: [`Slots`].

use memchr::memchr;

use super::checksum::checksum;
use crate::error::Error;
use crate::wire::fixed_command;

/// The number of slots in a cluster.
pub const SLOTS: u16 = 16_384;

/// What comes right before a command whose slot is only about to come to the node.
pub(crate) const ASKING: &[u8] = fixed_command!("ASKING");

/// The slot of a key: the same for all keys with the same hash tag.
///
/// A hash tag is the text between the first `{` and the first `}` after it, if it is not empty. A command with
/// several keys needs all of them in one slot, and so do transactions and scripts.
///
/// ```
/// use typedis_core::cluster::slot;
///
/// assert_eq!(slot("{user:1}.name"), slot("{user:1}.cart"));
/// assert_eq!(slot("123456789"), 12_739);
/// ```
#[must_use]
pub fn slot(key: impl AsRef<[u8]>) -> u16 {
    slot_of(key.as_ref())
}

#[inline]
pub(super) fn slot_of(key: &[u8]) -> u16 {
    if has_brace(key) {
        slot_of_tag(key)
    } else {
        checksum(key) % SLOTS
    }
}

/// Whether there is an opening brace in a key. Most keys have none, and are short: so eight bytes are looked at in one
/// step, which ends before a vectorised search has begun.
#[inline]
fn has_brace(key: &[u8]) -> bool {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const BRACES: u64 = u64::from_ne_bytes([b'{'; 8]);
    let (steps, rest) = key.as_chunks();
    let has_brace = |step: &[u8; 8]| {
        // A byte that is a brace is 0 now. The subtraction gives a high bit to such bytes, and to others only behind one.
        let others = u64::from_ne_bytes(*step) ^ BRACES;
        others.wrapping_sub(LOW) & !others & HIGH != 0
    };
    steps.iter().any(has_brace) || rest.contains(&b'{')
}

/// The slot of a key with a brace: that of its hash tag, if it has one that is not empty.
#[cold]
#[inline(never)]
fn slot_of_tag(key: &[u8]) -> u16 {
    checksum(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let rest = key.get(memchr(b'{', key)? + 1..)?;
    let tag = rest.get(..memchr(b'}', rest)?)?;
    (!tag.is_empty()).then_some(tag)
}

/// The error of what is carried out by one node, and has keys with two slots; each key is given as text.
#[cold]
pub(crate) fn crossing((first, slot): (&str, u16), (second, other_slot): (&str, u16)) -> Error {
    Error::usage(format!(
        "its keys have several slots: `{first}` has slot {slot}, `{second}` has slot {other_slot}; keys with one hash \
         tag, as in `{{tag}}a` and `{{tag}}b`, have one slot"
    ))
}

/// Which slots of a cluster the keys of a command have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Slots {
    /// There is no key.
    #[default]
    None,
    /// All keys have this one.
    One(u16),
    /// The keys have at least two slots; these are the first two.
    Several(u16, u16),
}

impl Slots {
    #[inline]
    pub(super) fn with(self, slot: u16) -> Self {
        match self {
            Self::None => Self::One(slot),
            Self::One(known) if known != slot => Self::Several(known, slot),
            known => known,
        }
    }

    pub(super) fn join(self, other: Self) -> Self {
        match other {
            Self::None => self,
            Self::One(slot) => self.with(slot),
            Self::Several(first, second) => self.with(first).with(second),
        }
    }
}

/// The slot that a word leads to which is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordSlot {
    /// That of the channel that a message is published to. Any node can publish.
    OfChannel(u16),
    /// The word is its number: only its node can answer.
    Named(u16),
}

impl WordSlot {
    pub(crate) fn slot(self) -> u16 {
        match self {
            Self::OfChannel(slot) | Self::Named(slot) => slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition of the checksum, bit by bit.
    fn bit_by_bit(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0, |sum, byte| {
            (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
                (sum << 1) ^ if sum & 0x8000 == 0 { 0 } else { 0x1021 }
            })
        })
    }

    #[test]
    fn slots_are_those_that_servers_compute() {
        // As CLUSTER KEYSLOT replied.
        let seen: [(&[u8], u16); 12] = [
            (b"", 0),
            (b"{}a", 10_875),
            (b"{}{a}", 13_650),
            (b"a{b}c", 3_300),
            (b"{a", 10_276),
            (b"a}", 5_921),
            (b"{a}{b}", 15_495),
            (b"a{{b}}c", 6_215),
            (b"foo{}{bar}", 8_363),
            (b"foo{bar}{zap}", 5_061),
            (b"\xc3\xbf", 5_427),
            (b"{\r\n}x", 5_910),
        ];
        for (key, expected) in seen {
            assert_eq!(slot(key), expected, "{}", key.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn the_checksum_is_the_one_that_is_defined(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(checksum(&bytes), bit_by_bit(&bytes));
        }

        #[test]
        fn a_brace_is_found_wherever_it_is(key in prop::collection::vec(0x78_u8..=0x7f, 0..24)) {
            prop_assert_eq!(has_brace(&key), key.contains(&b'{'));
        }

        #[test]
        fn a_key_without_braces_is_hashed_whole(key in "[^{}]{0,40}") {
            prop_assert_eq!(slot(&key), bit_by_bit(key.as_bytes()) % SLOTS);
        }

        #[test]
        fn a_tag_alone_decides(before in "[^{}]{0,9}", tag in "[^}]{1,9}", after in ".{0,9}") {
            let key = format!("{before}{{{tag}}}{after}");
            prop_assert_eq!(slot(key), bit_by_bit(tag.as_bytes()) % SLOTS);
        }

        #[test]
        fn any_bytes_have_a_slot(key in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(slot(key) < SLOTS);
        }
    }
}
