//! What changed a key: [`Writes`].

use super::Token;

/// What changed a key, in order.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// When, by the clock of the ledger, and which command; `None` if the key was lost.
    list: Vec<(u64, Option<Token>)>,
    /// How often something of it was lost, so that older values came back.
    pub(crate) rollbacks: u64,
}

impl Writes {
    /// Something has changed the key at this moment.
    pub(super) fn add(&mut self, clock: u64, token: Option<Token>) {
        self.list.push((clock, token));
    }

    /// The place of the write that was the last one at a moment; 0 before the first.
    pub(crate) fn place_at(&self, clock: u64) -> usize {
        self.list.iter().take_while(|(at, _)| *at <= clock).count()
    }

    /// The place of a write; `None` stands for the absence of the key.
    pub(crate) fn place_of(&self, token: Option<Token>) -> Option<usize> {
        let place = self.list.iter().rposition(|(_, known)| *known == token);
        match place {
            Some(place) => Some(place + 1),
            None => token.is_none().then_some(0),
        }
    }
}
