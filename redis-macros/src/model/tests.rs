//! What the model makes of rows, and what is wrong with them.
//!
//! # Layout
//!
//! - this file: rows for tests, and all problems at once
//! - `rows`: placeholders, words, enums, parameters; `options`; `replies`
//! - `calls`: scripts and functions, raw commands, names beside the keys

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::states::State;
use super::*;
use crate::commands::check;

mod calls;
mod options;
mod replies;
mod rows;

/// Types for the rows of these tests.
const HEAD: &str = r#"
[types]
key = "key"
value = "value"
field = "value"
numkeys = "count"
count = "u64"
timeout = "Timeout"
arg = "args"
[enums]
ListEnd = ["LEFT", "RIGHT"]
[examples]
Timeout = "1"
"#;

/// The line of a row's table within its file.
const FIRST: usize = 14;

/// The messages for rows after the head, with the lines counted from the first row's table, which is line 1.
fn messages(rows: &str) -> Vec<String> {
    let Err(messages) = check(&format!("{HEAD}{rows}"), "f") else {
        return Vec::new();
    };
    let relative = |message: String| {
        let (line, text) = message
            .strip_prefix("f:")
            .unwrap()
            .split_once(": ")
            .unwrap();
        format!("{}: {text}", line.parse::<usize>().unwrap() - (FIRST - 1))
    };
    messages.into_iter().map(relative).collect()
}

/// A row of this syntax; `more` are further keys.
fn row(syntax: &str, more: &str) -> String {
    format!("[g.m]\ndoc = 'd'\nsyntax = '{syntax}'\nreply = '()'\n{more}\n")
}

/// The one message for a row.
#[track_caller]
fn one(syntax: &str, more: &str) -> String {
    let found = messages(&row(syntax, more));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn command(syntax: &str, more: &str) -> Command {
    let (_, model) = check(&format!("{HEAD}{}", row(syntax, more)), "f")
        .unwrap_or_else(|found| panic!("{found:#?}"));
    model
        .groups
        .into_iter()
        .next()
        .unwrap()
        .commands
        .into_iter()
        .next()
        .unwrap()
}

#[test]
fn a_sound_row_has_no_problems() {
    assert_eq!(
        messages(&row(
            "SET key value [NX | XX]",
            "names = { NX = 'if_absent' }"
        )),
        [""; 0]
    );
}

#[test]
fn everything_is_reported_at_once() {
    let rows = "[g.a]\ndoc = 'd'\nsyntax = 'A zzz'\nreply = '()'\nflags = 'fats'\n[g.b]\nsyntax = 'B ['\nreply = '()'\n\
                [g.c]\ndoc = 'd'\nsyntax = 'C ['\nreply = '()'\n";
    assert_eq!(
        messages(rows),
        [
            "3: [g.a] unknown placeholder `zzz`; expected an entry in [types] or an inline type such as `zzz:u64`",
            "5: [g.a] unknown flag `fats`; did you mean `fast`?",
            "6: [g.b] `doc` is missing; every command has one",
            "11: [g.c] syntax, column 4: found the end; expected a word or a placeholder",
        ]
    );
}
