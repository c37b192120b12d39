//! Lists of calls of which something is not expected, each with its reason; an entry that nothing needs is a failure too.

use crate::cases::{Case, cases};

/// Calls, where the exception holds, and why.
///
/// The place is empty for everywhere, or words that `Valkey 9.1.2 in RESP2` contains, or lacks (`!`).
pub(crate) type Exception = (&'static str, &'static str, &'static str);

/// A list in use.
pub(crate) struct Exceptions {
    /// Patterns, each for itself, and whether it was needed.
    here: Vec<(&'static str, bool)>,
}

impl Exceptions {
    /// The entries that hold in a place where these calls are made. Those that name no call at all are kept, so that
    /// they are found not to be needed.
    pub(crate) fn of(list: &[Exception], place: &str, made: &[&Case]) -> Self {
        let all = cases();
        let concerns = |pattern: &str| {
            made.iter().any(|case| case.is(pattern)) || !all.iter().any(|case| case.is(pattern))
        };
        let here = list
            .iter()
            .filter(|(_, words, _)| is_of(place, words))
            .flat_map(|(calls, ..)| calls.split(" | "))
            .filter(|pattern| concerns(pattern));
        Self {
            here: here.map(|pattern| (pattern, false)).collect(),
        }
    }

    /// Whether an entry excuses the call; call it only for what needs an excuse.
    pub(crate) fn excuse(&mut self, case: &Case) -> bool {
        let entry = self.here.iter_mut().find(|(pattern, _)| case.is(pattern));
        entry.is_some_and(|(_, used)| {
            *used = true;
            true
        })
    }

    /// The entries that excused nothing.
    pub(crate) fn unused(&self) -> impl Iterator<Item = String> {
        let unused = self.here.iter().filter(|(_, used)| !used);
        unused.map(|(pattern, _)| format!("the exception for {pattern} is not needed"))
    }
}

/// Why a call is an exception in a place, if it is.
pub(crate) fn reason(list: &[Exception], place: &str, case: &Case) -> Option<&'static str> {
    let mut here = list.iter().filter(|(_, words, _)| is_of(place, words));
    let entry = here.find(|(calls, ..)| case.is(calls))?;
    Some(entry.2)
}

fn is_of(place: &str, words: &str) -> bool {
    words.split(' ').all(|word| match word.strip_prefix('!') {
        Some(word) => !place.contains(word),
        None => place.contains(word),
    })
}
