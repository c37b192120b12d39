//! The problems found in a spec: collected while it is read, reported together, each with its line.

use std::cell::RefCell;
use std::fmt::Display;

/// The faults of a spec. A step that found something goes on as far as it can, so that one build shows everything.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<Problem>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    line: usize,
    /// The table that it is in: `string.set`; empty if it concerns the whole file.
    table: String,
    text: String,
}

impl Problems {
    /// Notes a problem; `text` says what was found, and what was expected.
    pub(crate) fn note(&self, line: usize, table: impl Display, text: impl Into<String>) {
        self.found.borrow_mut().push(Problem {
            line,
            table: table.to_string(),
            text: text.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The problems in the order of their lines, each as `file:LINE: [table] text`.
    pub(crate) fn into_messages(self, file: &str) -> Vec<String> {
        let mut found = self.found.into_inner();
        found.sort();
        found.dedup();
        found.iter().map(|problem| problem.message(file)).collect()
    }
}

impl Problem {
    fn message(&self, file: &str) -> String {
        let Self { line, table, text } = self;
        if table.is_empty() {
            format!("{file}:{line}: {text}")
        } else {
            format!("{file}:{line}: [{table}] {text}")
        }
    }
}
