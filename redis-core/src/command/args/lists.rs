//! Arguments in any number: [`ToArgs`], and how a command takes them.

use super::Args;

/// A value that is sent as any number of arguments, perhaps none: a single value, an array, a slice, a `Vec`, a set,
/// or [`each`](crate::each) of an iterator.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as arguments",
    note = "single values, arrays, slices, `Vec`s, sets and `each(iterator)` can"
)]
pub trait ToArgs {
    /// Writes the arguments in order, each with [`Args::item`].
    fn write_args(&self, out: &mut Args);

    /// Whether there is something to send: `None` leaves out the option that it is an argument of.
    #[doc(hidden)]
    fn is_given(&self) -> bool {
        true
    }
}

impl Args {
    /// Writes any number of arguments, perhaps none.
    pub fn args<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        self.named(name, |args| values.write_args(args));
    }

    /// Writes a list of arguments, with at least one item.
    pub fn list<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        self.at_least_one(name, |args| args.args(name, values));
    }

    /// Writes a list of keys, with at least one key.
    pub fn keys<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        self.noting(|args| args.list(name, values));
    }

    /// Writes a list of keys that may be empty.
    pub fn any_keys<A: ToArgs + ?Sized>(&mut self, name: &'static str, values: &A) {
        self.noting(|args| args.args(name, values));
    }
}
