//! The words of a line by the row of a command: which options, and what stands for each parameter.

use std::cell::RefCell;

use super::super::spec::{Command, Kind, Opt, Param, Spec, Write};
use super::reading::Reading;
use super::{near, render};

/// Why a line is none of this row.
#[derive(Debug)]
pub(super) struct Failure {
    /// The number of the word that is wrong.
    pub(super) at: usize,
    pub(super) text: String,
}

/// Readings beyond this are not looked at: a line of words that could each be anything.
const MOST: usize = 20_000;

/// Reads a line.
pub(super) fn read(spec: &Spec, row: &Command, words: &[String]) -> Result<Reading, Failure> {
    let parser = Parser {
        spec,
        row,
        words,
        furthest: RefCell::new((0, Vec::new())),
    };
    let start = Reading {
        at: row.name.split(' ').count(),
        ..Reading::default()
    };
    let mut readings = vec![start];
    for item in items(row) {
        readings = readings
            .into_iter()
            .flat_map(|reading| match &item {
                Item::Run(writes) => parser.body(writes, reading),
                Item::Options(ids) => parser.options(ids, reading),
            })
            .take(MOST)
            .collect();
    }
    let whole = readings
        .into_iter()
        .filter(|reading| reading.at == words.len() || parser.fails_at(reading))
        .filter(|reading| parser.has_all_choices(reading));
    // Of equals the first: it takes as many words as it can for the first list.
    let best = whole.reduce(|best, next| {
        if next.rank() > best.rank() {
            next
        } else {
            best
        }
    });
    best.ok_or_else(|| parser.failure())
}

/// A part of the row: what is always there, or options that may come in any order.
enum Item<'a> {
    Run(&'a [Write]),
    Options(Vec<usize>),
}

fn items(row: &Command) -> Vec<Item<'_>> {
    let runs = row
        .body
        .iter()
        .map(|run| (run.order, Item::Run(run.writes.as_slice())));
    let options = row.options.iter().enumerate().map(|(id, option)| {
        let order = option.body.first().map_or(0, |run| run.order);
        (order, Item::Options(vec![id]))
    });
    let mut all: Vec<(u8, Item<'_>)> = runs.chain(options).collect();
    all.sort_by_key(|(order, _)| *order);
    let mut items: Vec<Item<'_>> = Vec::new();
    for (_, item) in all {
        match (items.last_mut(), item) {
            (Some(Item::Options(ids)), Item::Options(more)) => ids.extend(more),
            (_, item) => items.push(item),
        }
    }
    items
}

struct Parser<'a> {
    spec: &'a Spec,
    row: &'a Command,
    words: &'a [String],
    /// The furthest word that did not fit, and what was expected there.
    furthest: RefCell<(usize, Vec<String>)>,
}

impl Parser<'_> {
    fn body(&self, writes: &[Write], reading: Reading) -> Vec<Reading> {
        let states = self.writes(writes, (reading, Vec::new()));
        states
            .into_iter()
            .map(|(mut reading, arguments)| {
                reading.arguments.extend(arguments);
                reading
            })
            .collect()
    }

    /// All readings with any of these options, the readings with more of them first.
    fn options(&self, ids: &[usize], start: Reading) -> Vec<Reading> {
        let mut found = Vec::new();
        let mut open = vec![start];
        while let Some(reading) = open.pop() {
            if found.len() > MOST {
                break;
            }
            for id in ids {
                open.extend(self.option(*id, &reading));
            }
            found.push(reading);
        }
        found.reverse();
        found
    }

    fn option(&self, id: usize, reading: &Reading) -> Vec<Reading> {
        let Some(option) = self
            .row
            .options
            .get(id)
            .filter(|_| self.allows(id, reading))
        else {
            return Vec::new();
        };
        let writes = option.body.iter().flat_map(|run| &run.writes);
        let mut states = vec![(reading.clone(), Vec::new())];
        for write in writes {
            states = states
                .into_iter()
                .flat_map(|state| self.write(write, state))
                .collect();
        }
        let moved = states
            .into_iter()
            .filter(|(next, _)| next.at > reading.at)
            .map(|(mut next, arguments)| {
                next.options.entry(id).or_default().push(arguments);
                next
            });
        moved.collect()
    }

    /// Whether an option may be chosen after what was chosen before.
    fn allows(&self, id: usize, reading: &Reading) -> bool {
        let Some(option) = self.row.options.get(id) else {
            return false;
        };
        let has_parent = option
            .parent
            .is_none_or(|parent| reading.options.contains_key(&parent));
        let siblings = self.row.choices.get(option.choice);
        let is_free = siblings.is_none_or(|choice| {
            choice.options.iter().all(|other| {
                !reading.options.contains_key(other) || (*other == id && option.repeatable)
            })
        });
        has_parent && is_free
    }

    fn writes(
        &self,
        writes: &[Write],
        start: (Reading, Vec<String>),
    ) -> Vec<(Reading, Vec<String>)> {
        let mut states = vec![start];
        for write in writes {
            states = states
                .into_iter()
                .flat_map(|state| self.write(write, state))
                .take(MOST)
                .collect();
        }
        states
    }

    fn write(
        &self,
        write: &Write,
        (reading, arguments): (Reading, Vec<String>),
    ) -> Vec<(Reading, Vec<String>)> {
        if let Some(word) = &write.word {
            let mut next = reading;
            let fits = self
                .words
                .get(next.at)
                .is_some_and(|found| found.eq_ignore_ascii_case(word));
            if !fits {
                self.expect(next.at, word.clone());
                return Vec::new();
            }
            next.at += 1;
            next.literals += 1;
            return vec![(next, arguments)];
        }
        let Some(param) = &write.param else {
            return Vec::new();
        };
        let mut start = reading.at;
        let lengths = match write.per {
            None => self.lengths(param, start),
            Some(per) => {
                let count = self.words.get(start).and_then(|word| word.parse().ok());
                let Some(count) = count else {
                    self.expect(start, format!("the number of `{}`", param.name));
                    return Vec::new();
                };
                start += 1;
                let end: usize = per.saturating_mul(count);
                if end > self.words.len().saturating_sub(start) {
                    self.expect(self.words.len(), format!("{count} `{}`", param.name));
                    return Vec::new();
                }
                vec![end]
            }
        };
        let mut states = Vec::new();
        for len in lengths {
            let words = self.words.get(start..start + len).unwrap_or_default();
            match render::argument(self.spec, param, words) {
                Ok(argument) => {
                    let mut next = reading.clone();
                    next.at = start + len;
                    if argument.by_hand {
                        next.by_hand.push(param.ty.clone());
                    }
                    let arguments = [arguments.clone(), vec![argument.rust]].concat();
                    states.push((next, arguments));
                }
                Err(expected) => self.expect(start, expected),
            }
        }
        states
    }

    /// How many words a parameter may take, the most first.
    fn lengths(&self, param: &Param, start: usize) -> Vec<usize> {
        let left = self.words.len().saturating_sub(start);
        let (step, least) = match param.kind {
            Kind::Key | Kind::Value | Kind::Number | Kind::Enum => (0, 1),
            Kind::Named if param.wire.len() == 1 => (0, 1),
            Kind::Named => (1, 1),
            Kind::Args => (1, 0),
            Kind::List | Kind::Records | Kind::Columns => {
                (param.width, if param.required { param.width } else { 0 })
            }
        };
        if left < least {
            self.expect(self.words.len(), format!("`{}`", param.name));
            return Vec::new();
        }
        match step {
            0 => vec![least],
            _ => (least..=left)
                .rev()
                .filter(|len| (len - least) % step == 0)
                .collect(),
        }
    }

    fn has_all_choices(&self, reading: &Reading) -> bool {
        for choice in self.row.choices.iter().filter(|choice| choice.required) {
            if choice
                .options
                .iter()
                .all(|id| !reading.options.contains_key(id))
            {
                for option in choice
                    .options
                    .iter()
                    .filter_map(|id| self.row.options.get(*id))
                {
                    self.expect(self.words.len(), option.syntax.clone());
                }
                return false;
            }
        }
        true
    }

    /// Notes that a reading ends too early; it is none.
    fn fails_at(&self, reading: &Reading) -> bool {
        self.expect(reading.at, "the end of the line".to_owned());
        false
    }

    fn expect(&self, at: usize, what: String) {
        let mut furthest = self.furthest.borrow_mut();
        if at > furthest.0 {
            *furthest = (at, Vec::new());
        }
        if at == furthest.0 && !furthest.1.contains(&what) {
            furthest.1.push(what);
        }
    }

    fn failure(&self) -> Failure {
        let (at, expected) = &*self.furthest.borrow();
        let row = self.row;
        let expected = expected.join(", ");
        let text = match self.words.get(*at) {
            None => format!(
                "{} is not complete: expected {expected}. Its syntax: {}",
                row.name, row.syntax
            ),
            Some(word) => match self.misplaced(word) {
                Some(why) => why,
                None => {
                    let labels = row.options.iter().map(|option| first_word(&option.label));
                    let near = near(word, labels);
                    format!(
                        "{}: `{word}` does not fit{near} Expected {expected}. The syntax: {}",
                        row.name, row.syntax
                    )
                    .replace("fit Expected", "fit. Expected")
                }
            },
        };
        Failure { at: *at, text }
    }

    /// What is wrong with a word that is an option of the command.
    fn misplaced(&self, word: &str) -> Option<String> {
        let name = &self.row.name;
        let is_it = |option: &&Opt| first_word(&option.label).eq_ignore_ascii_case(word);
        let option = self.row.options.iter().find(is_it)?;
        let used = |id: &usize| {
            let other = self.row.options.get(*id)?;
            let label = first_word(&other.label);
            let mut words = self.words.iter();
            (words.any(|word| word.eq_ignore_ascii_case(label))).then_some(other)
        };
        let choice = self.row.choices.get(option.choice)?;
        let mut others = choice.options.iter().filter_map(used);
        if let Some(other) = others.find(|other| other.label != option.label) {
            return Some(format!(
                "{name}: {} and {} exclude each other: only one of them can be given",
                other.label, option.label
            ));
        }
        let count = self
            .words
            .iter()
            .filter(|found| found.eq_ignore_ascii_case(word))
            .count();
        if count > 1 && !option.repeatable {
            return Some(format!("{name}: {} is given twice", option.label));
        }
        let parent = option
            .parent
            .and_then(|parent| self.row.options.get(parent));
        parent.map(|parent| {
            format!(
                "{name}: {} is only possible after {}",
                option.label, parent.label
            )
        })
    }
}

fn first_word(label: &str) -> &str {
    label.split(' ').next().unwrap_or_default()
}
