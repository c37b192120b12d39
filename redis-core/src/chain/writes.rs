//! The keys that the commands of a chain may change: [`Writes`], for a handle that wants to know.

use crate::command::Args;
use crate::engine::link::Lane;

/// What a chain changes.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) keys: Vec<Vec<u8>>,
    /// Whether one of its commands changes keys that it does not name, or is not known.
    pub(crate) unnamed: bool,
}

impl Writes {
    /// Notes what a command changes.
    pub(super) fn note(&mut self, args: &Args) {
        let info = args.info();
        if info.readonly {
            return;
        }
        let before = self.keys.len();
        args.each_key(|key| self.keys.push(key.to_vec()));
        let names_none = self.keys.len() == before;
        self.unnamed |= names_none && (info.writes_unnamed || args.is_raw());
    }
}

/// Tells a handle what was changed, when the chain is sent and once more when it ends, in whatever way.
#[derive(Debug)]
pub(super) struct Told<'a> {
    lane: &'a dyn Lane,
    writes: Writes,
}

impl<'a> Told<'a> {
    pub(super) fn new(lane: &'a dyn Lane, writes: Writes) -> Self {
        lane.wrote(&writes.keys, writes.unnamed);
        Self { lane, writes }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.lane.wrote(&self.writes.keys, self.writes.unnamed);
    }
}
