//! Replies that were recorded from many servers and versions, against the types that the spec declares for such calls.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::{env, fs};

use bytes::Bytes;
use serde::Deserialize;
use typedis::{ErrorKind, Frame};

use crate::cases::{Row, rows};
use crate::outcomes::Outcomes;
use crate::reading::read;

/// A file of further records.
const VARIABLE: &str = "TYPEDIS_REPLIES";

/// A call, and what a server replied in both protocols, with the escapes of byte strings.
#[derive(Deserialize)]
struct Record {
    argv: Vec<String>,
    server: String,
    #[serde(default)]
    resp2: Option<String>,
    #[serde(default)]
    resp3: Option<String>,
    /// Whether the record breaks off.
    #[serde(default)]
    truncated: bool,
    /// What was peculiar.
    #[serde(default)]
    kind: String,
}

/// Records that are no reply to a call of the spec: `tests/data/no-replies.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoReplies {
    no_reply: Vec<NoReply>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoReply {
    calls: Vec<String>,
    #[serde(default)]
    text: String,
    why: String,
}

impl NoReply {
    /// Which of the calls, by its place, a record is of.
    fn call_of(&self, call: &str, reply: &str, record: &Record) -> Option<usize> {
        let is_said = reply.contains(&self.text) || record.kind.contains(&self.text);
        let place = self.calls.iter().position(|calls| is_like(calls, call));
        place.filter(|_| is_said)
    }
}

#[test]
fn recorded_replies_decode_into_the_declared_types() {
    let no_replies: NoReplies =
        toml::from_str(include_str!("../data/no-replies.toml")).expect("the file is as it says");
    let mut check = Check {
        rows: rows(),
        outcomes: Outcomes::new("recorded"),
        no_replies: no_replies.no_reply,
        needed: BTreeSet::new(),
        checked: 0,
        wrong: Vec::new(),
    };
    check.all(include_str!("../data/replies.json"));
    check.all(include_str!("../data/replies-8.10.json"));
    let unneeded = check.unneeded();
    assert!(unneeded.is_empty(), "not needed: {}", unneeded.join("\n"));
    if let Some(path) = env::var_os(VARIABLE) {
        let text = fs::read_to_string(&path);
        let own = check.checked;
        check.all(&text.unwrap_or_else(|error| panic!("{VARIABLE}: {}: {error}", path.display())));
        // Past the harness, which shows the output of failed tests only.
        let further = check.checked - own;
        let _ = writeln!(
            io::stderr(),
            "{VARIABLE}: {further} further replies are checked"
        );
    }
    check.outcomes.write();
    assert!(check.wrong.is_empty(), "{}", check.wrong.join("\n"));
    assert!(
        check.checked > 4_000,
        "only {} are replies to calls of the spec",
        check.checked
    );
}

/// What was found out.
struct Check {
    rows: Vec<Row>,
    outcomes: Outcomes,
    no_replies: Vec<NoReply>,
    /// Which of their calls were needed: the place of the entry, and of the call in it.
    needed: BTreeSet<(usize, usize)>,
    checked: usize,
    wrong: Vec<String>,
}

impl Check {
    fn all(&mut self, text: &str) {
        let records: Vec<Record> = serde_json::from_str(text).expect("the records are JSON");
        for record in records.iter().filter(|record| !record.truncated) {
            for (protocol, reply) in [("RESP2", &record.resp2), ("RESP3", &record.resp3)] {
                // Some calls have none.
                let reply = reply.as_deref().filter(|reply| !reply.is_empty());
                if let Some(reply) = reply
                    && let Err(why) = self.one(record, protocol, reply)
                {
                    let (call, server) = (record.argv.join(" "), &record.server);
                    self.wrong
                        .push(format!("{server} in {protocol}: {call}: {why}: {reply}"));
                }
            }
        }
    }

    /// The calls among those without a reply that no record is of.
    fn unneeded(&self) -> Vec<String> {
        let entries = self.no_replies.iter().enumerate();
        let all = entries.flat_map(|(entry, no_reply)| {
            let calls = no_reply.calls.iter().enumerate();
            calls.map(move |(place, call)| ((entry, place), format!("{call}: {}", no_reply.why)))
        });
        all.filter(|(place, _)| !self.needed.contains(place))
            .map(|(_, text)| text)
            .collect()
    }

    fn one(&mut self, record: &Record, protocol: &str, reply: &str) -> Result<(), String> {
        let call = record.argv.join(" ");
        let mut entries = self.no_replies.iter().enumerate();
        let known = entries
            .find_map(|(entry, no_reply)| Some((entry, no_reply.call_of(&call, reply, record)?)));
        if let Some(known) = known {
            self.needed.insert(known);
            return Ok(());
        }
        let frame =
            Frame::parse(Bytes::from(unescape(reply))).map_err(|error| error.to_string())?;
        let Some((row, reading)) = read(&self.rows, &record.argv) else {
            // A call that nobody can make by the spec may be refused.
            let is_refused = reply.starts_with('-');
            return is_refused
                .then_some(())
                .ok_or_else(|| "it is no call of the spec".to_owned());
        };
        self.checked += 1;
        let decoder = row
            .decoder(&reading)
            .expect("the last reply has no condition");
        match (decoder.decode)(&frame) {
            Ok(()) => {
                let place = (record.server.as_str(), protocol);
                self.outcomes.add_read(row, &reading.options, place);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => Ok(()),
            Err(error) => Err(format!("as {} of {}: {error}", decoder.text, row.method)),
        }
    }
}

fn is_like(pattern: &str, call: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => call
            .strip_prefix(start)
            .is_some_and(|rest| rest.ends_with(end)),
        None => pattern == call,
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => escaped(&mut rest),
            byte => byte,
        });
    }
    bytes
}

/// The byte that an escape stands for.
fn escaped(rest: &mut std::str::Bytes<'_>) -> u8 {
    match rest.next() {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'x') => {
            let digits: Vec<u8> = rest.take(2).collect();
            let digits = std::str::from_utf8(&digits).expect("digits are text");
            u8::from_str_radix(digits, 16).expect("two digits follow")
        }
        Some(other) => other,
        None => panic!("an escape at the end"),
    }
}
