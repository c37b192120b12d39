//! The keys that the commands of a chain change and read: [`Touched`], for a handle that wants to know ([`Witness`]).

use std::fmt;

use crate::command::Args;

/// What a chain changes and reads.
pub(crate) struct Touched {
    /// The keys that its commands name and may change.
    pub(crate) written: Vec<Vec<u8>>,
    /// Whether one of its commands names no key, and may change any.
    pub(crate) writes_any: bool,
    /// Whether one of its commands may change other keys than those that it names.
    pub(crate) writes_more: bool,
    /// The keys that its commands name and read; `None` if the handle does not want to know.
    pub(crate) read: Option<Vec<Vec<u8>>>,
    /// Whether one of its commands names no key, and may read any.
    pub(crate) reads_any: bool,
}

impl Touched {
    /// `with_reads` says whether the handle wants to know what is read, too.
    pub(super) fn new(with_reads: bool) -> Self {
        Self {
            written: Vec::new(),
            writes_any: false,
            writes_more: false,
            read: with_reads.then(Vec::new),
            reads_any: false,
        }
    }

    /// Notes what a command changes or reads.
    pub(super) fn note(&mut self, args: &Args) {
        if args.info().readonly {
            self.note_read(args);
        } else {
            self.note_write(args);
        }
    }

    fn note_read(&mut self, args: &Args) {
        let Some(read) = &mut self.read else {
            return;
        };
        let names_none = push_keys(read, args) == 0;
        self.reads_any |= names_none && args.may_touch_unnamed();
    }

    fn note_write(&mut self, args: &Args) {
        let names_none = push_keys(&mut self.written, args) == 0;
        if args.may_touch_unnamed() {
            self.writes_any |= names_none;
            self.writes_more |= !names_none;
        }
    }
}

/// Without the keys, which may be secrets.
impl fmt::Debug for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Touched")
            .field("written", &self.written.len())
            .field("writes_any", &self.writes_any)
            .field("writes_more", &self.writes_more)
            .field("read", &self.read.as_ref().map(Vec::len))
            .field("reads_any", &self.reads_any)
            .finish()
    }
}

/// Appends the keys that a command names; returns how many these are.
fn push_keys(keys: &mut Vec<Vec<u8>>, args: &Args) -> usize {
    let before = keys.len();
    args.each_key(|key| keys.push(key.to_vec()));
    keys.len() - before
}

/// A handle that wants to know which keys its chains touch.
pub(crate) trait Witness: fmt::Debug + Sync {
    /// Whether it wants to know what is read, too.
    fn hears_reads(&self) -> bool;

    /// A chain is about to be sent.
    fn begins(&self, touched: &Touched);

    /// A chain has ended, in whatever way; nobody has seen its replies yet.
    fn ended(&self, touched: &Touched);
}

/// Tells a handle what is touched, when the chain is sent and once more when it ends.
#[derive(Debug)]
pub(super) struct Told<'a> {
    witness: &'a dyn Witness,
    touched: Touched,
}

impl<'a> Told<'a> {
    pub(super) fn new(witness: &'a dyn Witness, touched: Touched) -> Self {
        witness.begins(&touched);
        Self { witness, touched }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.witness.ended(&self.touched);
    }
}

#[cfg(test)]
mod tests {
    use super::Touched;
    use crate::command::{Args, CommandInfo, Keys, command_info};

    static GET: CommandInfo = command_info!("GET").readonly();
    static SET: CommandInfo = command_info!("SET");

    #[test]
    fn debug_shows_how_many_keys_there_are_and_not_which() {
        let mut touched = Touched::new(true);
        for info in [&GET, &SET] {
            let mut args = Args::new(info, Keys::Noted);
            args.key("key", "hunter2");
            touched.note(&args);
        }
        let shown = "Touched { written: 1, writes_any: false, writes_more: false, read: Some(1), reads_any: false }";
        assert_eq!(format!("{touched:?}"), shown);
    }
}
