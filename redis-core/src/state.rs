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
