//! Reading a call by the rows of the spec: which row, and which of its options.

use std::collections::BTreeSet;

use crate::cases::{Decoder, Part, Row, rows};

/// How a call can be read up to some word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reading {
    /// How many words are words of the spec, not arguments: the more, the likelier it is what was meant.
    literals: usize,
    /// How many words have been read.
    end: usize,
    /// The numbers of the options.
    pub(crate) options: BTreeSet<usize>,
}

impl Row {
    /// The likeliest reading of a call, if it can be read by this row.
    pub(crate) fn read(&self, words: &[String]) -> Option<Reading> {
        let name: Vec<&str> = self.command.split(' ').collect();
        let own = words.get(..name.len())?;
        let is_named = own
            .iter()
            .zip(&name)
            .all(|(word, name)| word.eq_ignore_ascii_case(name));
        let start = Reading {
            literals: 0,
            end: name.len(),
            options: BTreeSet::new(),
        };
        let all = is_named.then(|| sequence(&self.parts, words, start))?;
        all.into_iter()
            .filter(|reading| reading.end == words.len())
            .max()
    }

    /// The reply type when these options are chosen.
    pub(crate) fn decoder(&self, reading: &Reading) -> Option<Decoder> {
        let holds = |term: &Vec<usize>| term.iter().all(|option| reading.options.contains(option));
        let mut replies = self.replies.iter();
        let reply = replies.find(|(terms, _)| terms.iter().any(holds))?;
        Some(reply.1)
    }
}

/// The row by which a call is read, with the reading: the likeliest of all.
pub(crate) fn read<'a>(rows: &'a [Row], words: &[String]) -> Option<(&'a Row, Reading)> {
    let readings = rows.iter().filter_map(|row| Some((row, row.read(words)?)));
    // Of equals the first, while `max_by_key` gives the last.
    readings.rev().max_by_key(|(_, reading)| reading.literals)
}

/// The readings of parts that follow one another. Options that stand side by side may come in any order, and a word
/// before them anywhere among them.
fn sequence(parts: &[Part], words: &[String], start: Reading) -> BTreeSet<Reading> {
    let mut readings = BTreeSet::from([start]);
    let goes_with = |part: &Part, next: &Part| {
        matches!(part, Part::Options(..) | Part::Word(_)) && matches!(next, Part::Options(..))
    };
    for run in parts.chunk_by(goes_with) {
        let run: Vec<&Part> = run.iter().collect();
        readings = readings
            .into_iter()
            .flat_map(|reading| any_order(&run, words, reading))
            .collect();
    }
    readings
}

fn any_order(parts: &[&Part], words: &[String], start: Reading) -> BTreeSet<Reading> {
    let mut readings = BTreeSet::new();
    if parts
        .iter()
        .all(|part| matches!(part, Part::Options(false, _)))
    {
        readings.insert(start.clone());
    }
    for (index, part) in parts.iter().enumerate() {
        let mut rest = parts.to_vec();
        rest.remove(index);
        for reading in one(part, words, &start) {
            readings.extend(any_order(&rest, words, reading));
        }
    }
    readings
}

/// The readings of a part that is there.
fn one(part: &Part, words: &[String], start: &Reading) -> BTreeSet<Reading> {
    let word = words.get(start.end);
    let read = |literals: usize| Reading {
        literals: start.literals + literals,
        end: start.end + 1,
        ..start.clone()
    };
    let is = |text: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(text));
    match part {
        Part::Word(text) => is(text).then(|| read(1)).into_iter().collect(),
        Part::OneOf(texts) => {
            let found = texts.iter().any(|text| is(text));
            found.then(|| read(1)).into_iter().collect()
        }
        Part::One => word.map(|_| read(0)).into_iter().collect(),
        Part::Any => {
            let ends = start.end..=words.len();
            ends.map(|end| Reading {
                end,
                ..start.clone()
            })
            .collect()
        }
        Part::List(item) => repeated(item, words, start)
            .into_iter()
            .map(|(_, reading)| reading)
            .collect(),
        Part::Counted(in_words, item) => counted(*in_words, item, words, start),
        Part::Options(_, alternatives) => {
            let readings = alternatives.iter().flat_map(|(number, parts)| {
                let mut start = start.clone();
                start.options.insert(*number);
                sequence(parts, words, start)
            });
            // Something has to be there, or the search would not end.
            readings.filter(|reading| reading.end > start.end).collect()
        }
    }
}

/// The readings of a number, and of that many items or words.
fn counted(in_words: bool, item: &[Part], words: &[String], start: &Reading) -> BTreeSet<Reading> {
    let count = words
        .get(start.end)
        .and_then(|word| word.parse::<usize>().ok());
    let Some(count) = count else {
        return BTreeSet::new();
    };
    let mut first = start.clone();
    first.end += 1;
    let end = first.end + count;
    let mut readings = repeated(item, words, &first);
    readings.insert((0, first));
    let fits = |(items, reading): &(usize, Reading)| match in_words {
        true => reading.end == end,
        false => *items == count,
    };
    let readings = readings.into_iter().filter(fits);
    readings.map(|(_, reading)| reading).collect()
}

/// The readings of an item that comes once or more often, with how often.
fn repeated(item: &[Part], words: &[String], start: &Reading) -> BTreeSet<(usize, Reading)> {
    let mut readings = BTreeSet::new();
    let mut next = BTreeSet::from([(0, start.clone())]);
    while !next.is_empty() {
        let reached = next.into_iter().flat_map(|(items, start)| {
            let read = sequence(item, words, start);
            read.into_iter().map(move |reading| (items + 1, reading))
        });
        next = reached
            .filter(|reading| !readings.contains(reading))
            .filter(|(items, _)| *items <= words.len())
            .collect();
        readings.extend(next.iter().cloned());
    }
    readings
}

#[test]
fn options_are_read_in_any_order_and_counts_bound_lists() {
    let rows = rows();
    let options = |call: &str| -> Option<Vec<&str>> {
        let words: Vec<String> = call.split(' ').map(str::to_owned).collect();
        let (row, reading) = read(&rows, &words)?;
        let options = reading.options.iter();
        Some(options.map(|number| row.options[*number]).collect())
    };
    let set = options("set key value EX 5 get NX");
    assert_eq!(set, Some(vec!["nx", "return_old", "ex"]));
    let union = options("ZUNION 2 a WEIGHTS WEIGHTS 1 2");
    assert_eq!(union, Some(vec!["weights"]));
    assert_eq!(options("GET"), None);
    assert_eq!(options("GET key NX"), None);
}
