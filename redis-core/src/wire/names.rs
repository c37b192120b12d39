//! Where names stand in a reply: [`Step`], of which a few make a path to them.

/// One step on the way from a whole reply to the names in it. No step at all means that the reply is a name itself.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The element with this number, from 0.
    Nth(u64),
    /// Each element.
    Each,
    /// The key of each pair of a map, which RESP2 sends as an array: the first member of each element.
    Heads,
    /// Every other element, from the first: the keys of a map that is written as a flat list.
    Alternate,
    /// The value of this field of a map, or of a flat list of fields and values.
    Field(&'static str),
}
