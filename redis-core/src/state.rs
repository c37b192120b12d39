//! The states that option builders keep in their types.

/// A choice that has not been made, and need not be.
#[derive(Debug, Clone, Copy)]
pub enum Unset {}

/// A choice that must still be made before the builder can be awaited.
#[derive(Debug, Clone, Copy)]
pub enum Missing {}

/// A choice that has been made.
#[derive(Debug, Clone, Copy)]
pub enum Chosen {}

/// A required choice that has been made: [`Chosen`], or the marker of one of its options where it matters which.
#[diagnostic::on_unimplemented(
    message = "this command is not complete: a choice that it requires has not been made",
    label = "a required option is missing here",
    note = "the documentation of the command's builder names the methods of which one must be called"
)]
pub trait Made {}

impl Made for Chosen {}
