//! What the derives do: types there and back again.
//!
//! # Layout
//!
//! - this file: what a type is sent as, and what a server would give back
//! - `pairs`: structs as pairs; `arrays`: structs as arrays; `values`: newtypes, enums, generic items
//! - `hygiene`: expansions where the usual names mean other things

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use typedis::__core::{Keys, Text};
use typedis::{Args, CommandInfo, Frame, FromRedis, ToArgs, ToRecords};

mod arrays;
mod hygiene;
mod pairs;
mod values;

static HSET: CommandInfo = CommandInfo::new("HSET", b"$4\r\nHSET\r\n", 1);

fn words(write: impl FnOnce(&mut Args)) -> Vec<String> {
    let mut args = Args::new(&HSET, Keys::Ignored);
    write(&mut args);
    args.to_words()
        .into_iter()
        .skip(1)
        .map(|word| String::from_utf8(word).unwrap())
        .collect()
}

fn records(records: &impl ToRecords<(Text, Text)>) -> Vec<String> {
    words(|out| out.records("records", records))
}

fn arguments(arguments: &impl ToArgs) -> Vec<String> {
    words(|out| out.args("arguments", arguments))
}

/// The words as a server gives them back: a flat array in RESP2, a map in RESP3.
fn replies(words: &[String]) -> [Frame; 2] {
    let bulks: String = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()))
        .collect();
    [
        format!("*{}\r\n{bulks}", words.len()),
        format!("%{}\r\n{bulks}", words.len() / 2),
    ]
    .map(|wire| Frame::parse(wire).unwrap())
}

fn frame(wire: &str) -> Frame {
    Frame::parse(wire.replace(' ', "\r\n") + "\r\n").unwrap()
}

fn error<T: FromRedis + std::fmt::Debug>(wire: &str) -> String {
    frame(wire)
        .decode::<T>()
        .unwrap_err()
        .to_string()
        .replace("the reply does not fit: ", "")
}

fn there_and_back<T: ToRecords<(Text, Text)> + FromRedis + PartialEq + std::fmt::Debug>(
    value: &T,
    sent: &[&str],
) {
    let words = records(value);
    assert_eq!(words, sent);
    for reply in replies(&words) {
        assert_eq!(reply.decode::<T>().unwrap(), *value);
    }
}
