//! A set of slots: [`SlotSet`].

use std::fmt;
use std::str::FromStr;

use crate::command::SLOTS;

/// The slots that something is true of. As text: `0-5460,7000`, or `-` if there is none.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SlotSet(Box<[bool]>);

impl SlotSet {
    pub(super) fn new() -> Self {
        Self(vec![false; usize::from(SLOTS)].into())
    }

    pub(super) fn all() -> Self {
        Self(vec![true; usize::from(SLOTS)].into())
    }

    pub(super) fn insert(&mut self, slot: u16) {
        self.set(slot, true);
    }

    pub(super) fn remove(&mut self, slot: u16) {
        self.set(slot, false);
    }

    fn set(&mut self, slot: u16, is_in: bool) {
        if let Some(known) = self.0.get_mut(usize::from(slot)) {
            *known = is_in;
        }
    }

    pub(super) fn has(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot)).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|is_in| **is_in).count()
    }

    /// The first slot from `from` on that is in it.
    pub(super) fn next_from(&self, from: u16) -> Option<u16> {
        (from..SLOTS).find(|slot| self.has(*slot))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        (0..SLOTS).filter(|slot| self.has(*slot))
    }

    /// Keeps those for which this is true.
    pub(super) fn retain(&mut self, keep: impl Fn(u16) -> bool) {
        for slot in 0..SLOTS {
            if self.has(slot) && !keep(slot) {
                self.remove(slot);
            }
        }
    }

    /// The ranges that it consists of.
    fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        ranges
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |(first, last)| match first == last {
            true => format!("{first}"),
            false => format!("{first}-{last}"),
        };
        let ranges: Vec<String> = self.ranges().into_iter().map(range).collect();
        f.write_str(if ranges.is_empty() { "-" } else { "" })?;
        f.write_str(&ranges.join(","))
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for SlotSet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut set = Self::new();
        for range in text.split(',').filter(|_| text != "-") {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first: u16 = first.parse().map_err(drop)?;
            let last: u16 = last.parse().map_err(drop)?;
            if first > last || last >= SLOTS {
                return Err(());
            }
            (first..=last).for_each(|slot| set.insert(slot));
        }
        Ok(set)
    }
}
