//! Arguments of options that may be left out: `None` sends nothing of the option.

use super::arg::ToArg;

/// One argument of an option: a value that can be sent as one argument, or an `Option` of it, whose `None` leaves the option
/// out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as one argument",
    note = "strings, bytes, numbers and `Json<T>` can, and an `Option` of them, whose `None` leaves the option out"
)]
pub trait OptionalArg {
    /// What is sent.
    type Arg: ToArg;

    /// The value, unless the option is left out.
    fn given(self) -> Option<Self::Arg>;
}

impl<T: ToArg> OptionalArg for T {
    type Arg = T;

    fn given(self) -> Option<T> {
        Some(self)
    }
}

impl<T: ToArg> OptionalArg for Option<T> {
    type Arg = T;

    fn given(self) -> Self {
        self
    }
}

/// An argument of an option, of the type `T`: whatever can be turned into it, or an `Option` of that, whose `None` leaves the
/// option out.
///
/// `How` is found by the compiler: [`Given`] for a value, [`Perhaps`] for an `Option`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be turned into `{T}`",
    label = "expected what `{T}` can be made from, or an `Option` of that",
    note = "a time is a `Duration` or a whole number, not a text or a fraction; the documentation of `{T}` lists all that it can be made from (`From`)",
    note = "`None` leaves the option out"
)]
pub trait Optional<T, How> {
    /// The value, unless the option is left out.
    fn given(self) -> Option<T>;
}

/// How a value is an [`Optional`].
#[derive(Debug)]
pub enum Given {}

/// How an `Option` is an [`Optional`].
#[derive(Debug)]
pub enum Perhaps {}

// Errors are to speak of `Optional`, not of the `From` that is behind it.
#[diagnostic::do_not_recommend]
impl<T, V: Into<T>> Optional<T, Given> for V {
    fn given(self) -> Option<T> {
        Some(self.into())
    }
}

impl<T, V: Into<T>> Optional<T, Perhaps> for Option<V> {
    fn given(self) -> Option<T> {
        self.map(Into::into)
    }
}
