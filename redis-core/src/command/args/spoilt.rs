//! The error of a command that cannot be sent.

use super::{Args, Spoilt};
use crate::error::Error;

impl Spoilt {
    /// The error, or one in its place.
    fn take(&mut self) -> Error {
        self.0.take().unwrap_or_else(|| {
            Error::usage("an argument cannot be sent, as the first error of this command said")
        })
    }
}

impl Clone for Spoilt {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl Args {
    /// Makes the command fail with this error when it is executed, unless it has an error already.
    pub fn refuse(&mut self, error: Error) {
        if !self.is_spoilt() {
            self.rare_mut().error = Some(Spoilt(Some(error)));
        }
    }

    /// Takes the error of the command, with the name of the command added. After that, and for each copy of the command, it is one
    /// that only says that there was one: such a command is never sent.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let error = self.rare.as_mut()?.error.as_mut()?.take();
        Some(error.of_command(self.name()))
    }

    /// Whether it cannot be sent.
    #[inline]
    pub(crate) fn is_spoilt(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.error.is_some())
    }

    /// Writes what `write` writes. An error that is noted meanwhile gets `name` as the name of the argument.
    #[inline(always)]
    pub(in crate::command) fn named(&mut self, name: &'static str, write: impl FnOnce(&mut Self)) {
        let spoilt = self.is_spoilt();
        write(self);
        if !spoilt
            && let Some(rare) = &mut self.rare
            && let Some(Spoilt(error)) = &mut rare.error
        {
            *error = error.take().map(|error| error.of_argument(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::info::{CommandInfo, command_info};
    use crate::command::{ArgWriter, Keys, ToArg};
    use crate::error::ArgError;

    static SET: CommandInfo = command_info!("SET");

    /// Is begun, and then cannot be sent.
    struct Begun;

    impl ToArg for Begun {
        fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
            out.text("half of it");
            Err(ArgError::fixed("the other half is missing"))
        }
    }

    #[test]
    fn of_an_argument_that_fails_nothing_stays() {
        let mut args = Args::new(&SET, Keys::Slots);
        args.key("key", "k");
        args.arg("value", &Begun);
        args.word("NX");
        let expected = ["SET", "k", "NX"].map(|word| word.as_bytes().to_vec());
        assert_eq!((args.to_words(), args.words), (expected.to_vec(), 3));
    }

    #[test]
    fn a_command_that_cannot_be_sent_stays_so_and_its_copies_too() {
        let mut args = Args::new(&SET, Keys::Ignored);
        args.arg("value", &Begun);
        let text = |args: &mut Args| args.take_error().map(|error| error.to_string());
        let mut copy = args.again();
        let first = text(&mut args).unwrap_or_default();
        assert!(first.contains("the other half is missing"), "{first}");
        for spoilt in [&mut copy.again(), &mut copy, &mut args] {
            let later = text(spoilt).unwrap_or_default();
            assert!(later.contains("as the first error"), "{later}");
        }
    }
}
