//! The states that option builders keep in their types.

/// A choice that has not been made, and need not be.
#[derive(Debug, Clone, Copy)]
pub enum Unset {}

/// A choice that must still be made before the builder can be awaited.
#[derive(Debug, Clone, Copy)]
pub enum Missing {}

/// A state in which a required choice has been made: [`Chosen`], or the marker of the option that was chosen.
#[diagnostic::on_unimplemented(
    message = "this command needs one more choice before it can be sent",
    note = "the type of the builder names it (`Missing`): call one of the methods for it"
)]
pub trait Made {}

impl<By> Made for Chosen<By> {}

/// A choice that has been made, by this option.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<By>(std::marker::PhantomData<By>);
