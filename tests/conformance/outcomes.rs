//! What came of the calls, in files that `cargo xtask spec` makes its table of: a line each, divided by tabs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use crate::cases::{Case, Row, cases};
use crate::exceptions::{self, Exception};

/// What came of a call on a server, in a protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// A reply was of the declared type.
    Decoded,
    /// The call is an exception here, because a test of its own makes it succeed.
    ElsewhereDecoded,
    /// A server answered with errors only, or with something else than the declared type.
    Refused,
    /// A recorded reply was of the declared type.
    Recorded,
    /// The call is one of the spec; nothing is known of it yet.
    Listed,
}

impl Outcome {
    /// What came of a live call, where a list says why some are only answered with errors; and why.
    pub(crate) fn live(
        case: &Case,
        decoded: bool,
        place: &str,
        only_errors: &[Exception],
    ) -> (Self, &'static str) {
        match (decoded, exceptions::reason(only_errors, place, case)) {
            (true, _) => (Self::Decoded, ""),
            (false, Some(reason)) if reason.contains(": see `") => (Self::ElsewhereDecoded, reason),
            (false, reason) => (Self::Refused, reason.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decoded => "decoded",
            Self::ElsewhereDecoded => "decoded elsewhere",
            Self::Refused => "refused",
            Self::Recorded => "recorded",
            Self::Listed => "listed",
        })
    }
}

/// One file of outcomes.
pub(crate) struct Outcomes {
    path: PathBuf,
    lines: String,
}

impl Outcomes {
    /// A file of this name.
    pub(crate) fn new(name: &str) -> Self {
        let name: String = name
            .chars()
            .map(|letter| match letter {
                ' ' | '/' => '-',
                letter => letter.to_ascii_lowercase(),
            })
            .collect();
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let target = temporary.parent().expect("cargo's folder is in another");
        let path = target.join("conformance").join(name + ".tsv");
        let lines = String::new();
        Self { path, lines }
    }

    /// The file of the calls that are made in a place, such as `Valkey 9.1.2 in RESP2`.
    pub(crate) fn of(place: &str, made: &[&Case]) -> Self {
        let group = made.first().map_or("none", |case| case.group);
        Self::new(&format!("{place} from {group}"))
    }

    /// Adds what came of a call on a server, in a protocol, and why.
    pub(crate) fn add(
        &mut self,
        case: &Case,
        (server, protocol): (&str, &str),
        (outcome, reason): (Outcome, &str),
    ) {
        let options = case.options.join(",");
        self.line([
            case.group,
            case.command,
            case.method,
            &options,
            server,
            protocol,
            &outcome.to_string(),
            reason,
        ]);
    }

    /// Adds that a recorded reply was of the declared type.
    pub(crate) fn add_read(
        &mut self,
        row: &Row,
        options: &BTreeSet<usize>,
        (server, protocol): (&str, &str),
    ) {
        let options: Vec<&str> = options.iter().map(|option| row.options[*option]).collect();
        self.line([
            row.group,
            row.command,
            row.method,
            &options.join(","),
            server,
            protocol,
            &Outcome::Recorded.to_string(),
            "",
        ]);
    }

    fn line(&mut self, fields: [&str; 8]) {
        self.lines += &fields.join("\t");
        self.lines.push('\n');
    }

    pub(crate) fn write(self) {
        let folder = self.path.parent().expect("the file is in a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(&self.path, self.lines).expect("the file can be written");
    }
}

#[test]
fn every_option_of_the_spec_is_listed() {
    let mut outcomes = Outcomes::new("cases");
    let all = cases();
    for case in &all {
        outcomes.add(case, ("", ""), (Outcome::Listed, ""));
    }
    let lines = outcomes.lines.lines();
    assert!(lines.clone().all(|line| line.split('\t').count() == 8));
    assert_eq!(lines.count(), all.len());
    outcomes.write();
}
