//! What the commands print: headings and marks, coloured on a terminal if `NO_COLOR` is not set.

use console::style;

/// Prints a step that begins now.
pub(crate) fn step(text: &str) {
    println!("{} {text}", style("▸").cyan().bold());
}

/// Prints something that went well.
pub(crate) fn success(text: &str) {
    println!("{} {text}", style("✓").green().bold());
}

/// Prints a piece of information.
pub(crate) fn note(text: &str) {
    println!("{} {text}", style("·").dim());
}

/// Prints something that failed.
pub(crate) fn failure(text: &str) {
    eprintln!("{} {text}", style("✗").for_stderr().red().bold());
}
