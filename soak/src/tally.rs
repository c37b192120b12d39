//! What was counted: operations, faults, errors, and the rules that were broken.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many broken rules are kept with their text; the others are only counted.
const TEXTS: usize = 100;

/// A promise of the library that this program checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// A reply belongs to its caller.
    Wrong,
    /// What was confirmed is there.
    Lost,
    /// What was sent once is done at most once.
    Repeated,
    /// Nothing waits past its deadline.
    Late,
    /// Nothing times out before its deadline.
    Early,
    /// Each error has a cause among the faults.
    Unexplained,
    /// What was broken works again when the fault is over.
    NotRecovered,
    /// A cache never goes back, and agrees with the server at rest.
    Stale,
    /// Nothing panics.
    Panicked,
}

impl Rule {
    pub(crate) const ALL: [Self; 9] = [
        Self::Wrong,
        Self::Lost,
        Self::Repeated,
        Self::Late,
        Self::Early,
        Self::Unexplained,
        Self::NotRecovered,
        Self::Stale,
        Self::Panicked,
    ];

    /// What the report calls a case in which it was broken.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Lost => "lost",
            Self::Repeated => "repeated",
            Self::Late => "past the deadline",
            Self::Early => "timed out before the deadline",
            Self::Unexplained => "errors without a cause",
            Self::NotRecovered => "not recovered",
            Self::Stale => "stale in a cache",
            Self::Panicked => "panics",
        }
    }
}

/// All counts of a run. They are shared by all tasks.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// The counts as they are at one moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    /// Commands, by the kind of load.
    pub(crate) operations: BTreeMap<&'static str, u64>,
    /// Commands of calls that may have been carried out, and nobody knows.
    pub(crate) unsure: u64,
    /// Calls that their callers dropped.
    pub(crate) dropped: u64,
    /// Those that have happened.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) refused: BTreeMap<&'static str, Refused>,
    /// By kind and phase.
    pub(crate) errors: BTreeMap<String, u64>,
    /// The text of the first error of each kind.
    pub(crate) examples: BTreeMap<String, String>,
    /// Values that were replaced by older ones, whose writes had been sent twice.
    pub(crate) older: u64,
    /// Times in which subscribers were told that messages may be missing.
    pub(crate) gaps: u64,
    pub(crate) broken: BTreeMap<Rule, u64>,
    pub(crate) texts: Vec<String>,
    /// The longest time that a call took.
    pub(crate) longest: Duration,
}

/// A kind of fault that did not happen, or not as a whole.
#[derive(Debug, Default, Clone)]
pub(crate) struct Refused {
    pub(crate) times: u64,
    /// Why, the first time.
    pub(crate) first: String,
}

impl Counts {
    /// All commands.
    pub(crate) fn commands(&self) -> u64 {
        self.operations.values().sum()
    }

    /// How often a rule was broken.
    pub(crate) fn broken(&self, rule: Rule) -> u64 {
        self.broken.get(&rule).copied().unwrap_or(0)
    }
}

impl Tally {
    /// Counts commands that were issued.
    pub(crate) fn commands(&self, load: &'static str, count: u64) {
        *self.lock().operations.entry(load).or_default() += count;
    }

    /// Counts a call that its caller dropped.
    pub(crate) fn dropped(&self) {
        self.lock().dropped += 1;
    }

    /// Counts commands of which nobody knows whether they were carried out.
    pub(crate) fn unsure(&self, commands: u64) {
        self.lock().unsure += commands;
    }

    /// Counts a fault that has happened.
    pub(crate) fn fault(&self, name: &'static str) {
        *self.lock().faults.entry(name).or_default() += 1;
    }

    /// Counts a fault that did not happen, and says why.
    pub(crate) fn refused(&self, name: &'static str, why: &impl fmt::Display) {
        eprintln!("{name}: {why}");
        let mut counts = self.lock();
        let refused = counts.refused.entry(name).or_default();
        refused.times += 1;
        if refused.times == 1 {
            refused.first = why.to_string();
        }
    }

    /// Counts an error of this kind.
    pub(crate) fn error(&self, kind: String, error: &impl fmt::Display) {
        let mut counts = self.lock();
        if !counts.examples.contains_key(&kind) {
            counts.examples.insert(kind.clone(), error.to_string());
        }
        *counts.errors.entry(kind).or_default() += 1;
    }

    pub(crate) fn gap(&self) {
        self.lock().gaps += 1;
    }

    pub(crate) fn took(&self, time: Duration) {
        let mut counts = self.lock();
        counts.longest = counts.longest.max(time);
    }

    /// A rule was broken: prints it at once, and counts it.
    pub(crate) fn broke(&self, rule: Rule, text: impl fmt::Display) {
        let text = format!("{}: {text}", rule.name());
        eprintln!("{text}");
        let mut counts = self.lock();
        *counts.broken.entry(rule).or_default() += 1;
        if counts.texts.len() < TEXTS {
            counts.texts.push(text);
        }
    }

    /// Counts what a check found.
    pub(crate) fn check(&self, checked: Result<(), (Rule, String)>) {
        if let Err((rule, text)) = checked {
            self.broke(rule, text);
        }
    }

    /// A value that was confirmed was seen replaced by an older one, whose write was sent again: see `load::values`.
    pub(crate) fn older(&self) {
        self.lock().older += 1;
    }

    pub(crate) fn now(&self) -> Counts {
        self.lock().clone()
    }

    // A panic of another task does not make the counts unusable.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
