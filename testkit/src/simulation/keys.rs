//! The names of the keys, lists and channels. Those with the same place have the same slot.

/// How many places there are; each has a slot of its own.
pub(crate) const PLACES: usize = 4;

/// Two texts have the same slot.
pub(crate) fn text(number: usize) -> String {
    format!("text:{{{}}}:{number}", number % PLACES)
}

/// The texts that there are.
pub(crate) const TEXTS: usize = 2 * PLACES;

pub(crate) fn counter(number: usize) -> String {
    format!("counter:{{{number}}}")
}

pub(crate) fn list(number: usize) -> String {
    format!("list:{{{number}}}")
}

/// The name of a call for an element of a list, as a key of its slot.
pub(crate) fn call(list: usize, number: u64) -> String {
    format!("call:{{{list}}}:#{number}")
}

pub(crate) fn channel(number: usize) -> String {
    format!("channel:{number}")
}

/// A shard channel.
pub(crate) fn shard(number: usize) -> String {
    format!("shard:{{{number}}}")
}

/// Keys that nobody changes. They come first in the order of names.
pub(crate) fn stable() -> impl Iterator<Item = String> {
    (0..12).map(|number| format!("a-stable:{number:02}"))
}
