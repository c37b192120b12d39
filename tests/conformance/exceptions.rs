//! Lists of calls of which something is not expected, each with its reason; an entry that nothing needs is a failure too.

use crate::cases::Case;

/// Calls, where the exception holds, and why.
///
/// The place is empty for everywhere, or words of `Valkey 9.1.2 in RESP2`.
pub(crate) type Exception = (&'static str, &'static str, &'static str);

/// A list in use.
pub(crate) struct Exceptions {
    here: Vec<(Exception, bool)>,
}

impl Exceptions {
    /// The entries that hold in a place.
    pub(crate) fn of(list: &[Exception], place: &str) -> Self {
        let here = list
            .iter()
            .filter(|(_, words, _)| words.split(' ').all(|word| place.contains(word)));
        Self {
            here: here.map(|exception| (*exception, false)).collect(),
        }
    }

    /// Whether an entry excuses the call; call it only for what needs an excuse.
    pub(crate) fn excuse(&mut self, case: &Case) -> bool {
        let entry = self.here.iter_mut().find(|((calls, ..), _)| case.is(calls));
        entry.is_some_and(|(_, used)| {
            *used = true;
            true
        })
    }

    /// The entries that excused nothing.
    pub(crate) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.here.iter().filter(|(_, used)| !used);
        unused.map(|((calls, ..), _)| format!("the exception for {calls} is not needed"))
    }
}
