//! What a read is to bring: [`Wanted`], in [`Part`]s that are kept by themselves.

use crate::cache::changes::Subject;
use crate::cache::store::Stamp;

/// What a read is to bring.
pub(super) enum Wanted {
    /// Nothing that anybody waits for: it only turns tracking on.
    Nothing,
    /// Its whole reply.
    Whole(Part),
    /// The elements of its reply, one for each key, in their order.
    Each(Vec<Part>),
}

/// A reply that is kept by itself.
pub(super) struct Part {
    /// The hash of the command that it is the reply to.
    pub(super) id: u64,
    pub(super) subject: Subject,
    pub(super) stamp: Stamp,
    /// Where its key begins among the encoded words, if it is one of several parts.
    pub(super) word: usize,
}

/// A key of a read whose elements are wanted.
pub(in crate::cache) struct WantedKey {
    /// The hash of the command with this key alone.
    pub(in crate::cache) id: u64,
    pub(in crate::cache) subject: Subject,
    /// How often its slot had moved before its socket was chosen.
    pub(in crate::cache) moves: u32,
    /// Where it begins among the encoded words.
    pub(in crate::cache) word: usize,
}

impl Wanted {
    pub(super) fn parts(&self) -> &[Part] {
        match self {
            Self::Nothing => &[],
            Self::Whole(part) => std::slice::from_ref(part),
            Self::Each(parts) => parts,
        }
    }

    /// The hashes of the commands.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        self.parts().iter().map(|part| part.id)
    }
}
