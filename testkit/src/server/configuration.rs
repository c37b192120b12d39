//! How words are written in a configuration file.

/// A word of a configuration file that keeps its spaces.
pub(super) fn quote(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
