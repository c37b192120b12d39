//! The names of the keys, lists and channels.

pub(crate) fn text(number: usize) -> String {
    format!("text:{number}")
}

pub(crate) fn counter(number: usize) -> String {
    format!("counter:{number}")
}

pub(crate) fn list(number: usize) -> String {
    format!("list:{number}")
}

pub(crate) fn channel(number: usize) -> String {
    format!("channel:{number}")
}

/// Keys that nobody changes. They come first in the order of names.
pub(crate) fn stable() -> impl Iterator<Item = String> {
    (0..12).map(|number| format!("a-stable:{number:02}"))
}
