//! The standings of all sockets of a cache: [`Standings`].

use std::sync::{Arc, OnceLock};

use super::standing::Standing;
use crate::runtime::Lock;

/// The standings of all sockets, each in a place. A kept reply names its place, so the standing of its socket is found without
/// a lock.
///
/// When a socket has gone, another one gets its standing, with a new epoch. So nothing that was read over the first one is served.
pub(super) struct Standings {
    places: Box<[OnceLock<Arc<Standing>>]>,
    taken: Lock<Taken>,
}

#[derive(Default)]
struct Taken {
    /// How many places were ever taken; these are the first ones.
    ever: u16,
    /// Those that were given back.
    free: Vec<u16>,
}

impl Standings {
    /// `most` is how many sockets there may be at once.
    pub(super) fn new(most: u16) -> Self {
        Self {
            places: (0..most).map(|_| OnceLock::new()).collect(),
            taken: Lock::default(),
        }
    }

    /// A place for one more socket, which begins in this epoch; `None` if there are too many.
    pub(super) fn take(&self, epoch: u32) -> Option<(u16, Arc<Standing>)> {
        let mut taken = self.taken.lock();
        let place = match taken.free.pop() {
            Some(place) => place,
            None if usize::from(taken.ever) < self.places.len() => {
                taken.ever += 1;
                taken.ever - 1
            }
            None => return None,
        };
        let new = || Arc::new(Standing::new(epoch));
        let standing = self.places.get(usize::from(place))?.get_or_init(new);
        standing.restart(epoch);
        Some((place, standing.clone()))
    }

    /// The socket of this place has gone; nobody knows its standing any more.
    pub(super) fn give_back(&self, place: u16) {
        self.taken.lock().free.push(place);
    }

    #[inline]
    pub(super) fn at(&self, place: u16) -> Option<&Standing> {
        let standing = self.places.get(usize::from(place))?.get()?;
        Some(standing)
    }

    /// The standings of the present sockets, and of some that have gone.
    pub(super) fn all(&self) -> impl Iterator<Item = &Standing> {
        self.places
            .iter()
            .map_while(OnceLock::get)
            .map(|standing| &**standing)
    }

    /// Whether there is at most one socket.
    pub(super) fn is_alone(&self) -> bool {
        let taken = self.taken.lock();
        usize::from(taken.ever) <= taken.free.len() + 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cache::clock::Moment;

    #[test]
    fn a_place_that_was_given_back_begins_anew_in_an_epoch_of_its_own() {
        let standings = Standings::new(2);
        let (place, first) = standings.take(1).unwrap();
        first.hear(Moment(70));
        assert!(standings.is_alone());
        let (other, _) = standings.take(2).unwrap();
        assert!(place != other && !standings.is_alone());
        assert!(standings.take(3).is_none());
        standings.give_back(place);
        assert!(standings.is_alone());
        let (again, second) = standings.take(4).unwrap();
        assert_eq!((again, second.epoch()), (place, 4));
        assert!(!second.was_heard(Moment(75), 10), "the other socket was");
        assert!(standings.at(place).is_some() && standings.at(7).is_none());
    }
}
