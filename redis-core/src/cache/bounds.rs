//! Where and until when a kept reply is current: [`Bounds`].

use crate::command::SLOTS;

/// The place of the socket that a reply was read over, the slot of its key, and the millisecond from which on it is not served.
///
/// They share one number, since there is one for each reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds(u64);

const SLOT_BITS: u32 = 14;
const PLACE_BITS: u32 = 12;
const TIME_BITS: u32 = u64::BITS - SLOT_BITS - PLACE_BITS;

/// It is served for ever. Times end before it: more than eight years after the cache was made.
const NEVER: u64 = (1 << TIME_BITS) - 1;

const _: () = assert!(SLOTS as u32 == 1 << SLOT_BITS);

impl Bounds {
    /// How many places there may be.
    pub(super) const PLACES: u16 = 1 << PLACE_BITS;

    /// `expires` is [`u64::MAX`] for a reply that is served for ever. Where keys have no slots, the slot is `None`.
    pub(super) fn new(place: u16, slot: Option<u16>, expires: u64) -> Self {
        let expires = match expires {
            u64::MAX => NEVER,
            expires => expires.min(NEVER - 1),
        };
        let slot = u64::from(slot.unwrap_or_default());
        Self(expires << (SLOT_BITS + PLACE_BITS) | u64::from(place) << SLOT_BITS | slot)
    }

    #[inline]
    pub(super) fn place(self) -> u16 {
        low_bits(self.0 >> SLOT_BITS, PLACE_BITS)
    }

    /// The slot of the key; 0 where keys have none.
    #[inline]
    pub(super) fn slot(self) -> u16 {
        low_bits(self.0, SLOT_BITS)
    }

    /// The millisecond from which on it is not served; `None` if there is none.
    #[inline]
    pub(super) fn expires(self) -> Option<u64> {
        let expires = self.0 >> (SLOT_BITS + PLACE_BITS);
        (expires != NEVER).then_some(expires)
    }
}

#[inline]
fn low_bits(number: u64, bits: u32) -> u16 {
    u16::try_from(number & ((1 << bits) - 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_are_told_as_they_were_given() {
        for place in [0, 1, Bounds::PLACES - 1] {
            for slot in [None, Some(0), Some(1), Some(SLOTS - 1)] {
                for expires in [0, 1, NEVER - 1] {
                    let bounds = Bounds::new(place, slot, expires);
                    let told = (bounds.place(), bounds.slot(), bounds.expires());
                    assert_eq!(told, (place, slot.unwrap_or(0), Some(expires)));
                }
                assert_eq!(Bounds::new(place, slot, u64::MAX).expires(), None);
                let late = Bounds::new(place, slot, u64::MAX - 1);
                assert_eq!(late.expires(), Some(NEVER - 1));
            }
        }
    }
}
