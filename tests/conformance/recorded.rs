//! Replies that were recorded from many servers and versions, against the types that the spec declares for such calls.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use typedis::Frame;

use crate::cases::{Case, cases};
use crate::outcomes::{Outcome, Outcomes};

/// A line each: the server, the protocol, the reply, and the words of the call; divided by tabs, with the escapes of
/// Rust's byte strings.
const RECORDS: &str = include_str!("../data/replies.tsv");

struct Record {
    server: &'static str,
    protocol: &'static str,
    reply: Bytes,
    call: Vec<&'static str>,
}

impl Record {
    fn read(line: &'static str) -> Self {
        let mut fields = line.split('\t');
        let mut field = || fields.next().expect("three fields stand before the call");
        let (server, protocol, reply) = (field(), field(), field());
        Self {
            server,
            protocol,
            reply: unescape(reply).into(),
            call: fields.collect(),
        }
    }

    /// Whether the call has the shape of a case: as many words, the same ones where that has no arguments, and no
    /// option among the arguments.
    fn has_the_shape_of(&self, case: &Case, options: &BTreeSet<Vec<u8>>) -> bool {
        let fits = |(position, (word, here)): (usize, (&Vec<u8>, &&str))| {
            if case.literals.contains(&position) {
                word.eq_ignore_ascii_case(here.as_bytes())
            } else {
                !options.contains(&here.to_ascii_uppercase().into_bytes())
            }
        };
        let words = case.words.iter().zip(&self.call);
        self.call.len() == case.words.len() && words.enumerate().all(fits)
    }
}

/// The words of all options of each command.
fn options(cases: &[Case]) -> BTreeMap<&'static str, BTreeSet<Vec<u8>>> {
    let mut options: BTreeMap<_, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for case in cases {
        let literals = case
            .literals
            .iter()
            .map(|position| case.words[*position].clone());
        options.entry(case.command).or_default().extend(literals);
    }
    options
}

#[test]
fn recorded_replies_decode_into_the_declared_types() {
    let cases = cases();
    let options = options(&cases);
    let mut outcomes = Outcomes::new("recorded");
    let mut checked = 0;
    let mut wrong = Vec::new();
    for record in RECORDS.lines().map(Record::read) {
        let mut shapes = cases.iter();
        let Some(case) = shapes.find(|case| record.has_the_shape_of(case, &options[case.command]))
        else {
            continue;
        };
        checked += 1;
        let frame = Frame::parse(record.reply.clone()).expect("the record is one reply");
        match (case.decode)(&frame) {
            Ok(()) => outcomes.add(
                case,
                (record.server, record.protocol),
                (Outcome::Recorded, ""),
            ),
            Err(error) => {
                let (server, call) = (record.server, record.call.join(" "));
                wrong.push(format!("{server}: {call} as {}: {error}", case.reply));
            }
        }
    }
    outcomes.write();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        checked > 600,
        "only {checked} records are of a call of the spec"
    );
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (_, true) => escaped(&mut rest),
            (byte, false) => byte,
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
