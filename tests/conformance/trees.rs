//! The words of every call, against the tree of arguments that servers document: each call is read by the tree as by a
//! grammar, word by word.

use std::collections::BTreeSet;

use typedis_testkit::{Argument, CommandDocs, ServerCommands};

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::server::{Edition, since};

/// Calls that the documented trees do not allow, while the servers take them.
const UNLIKE_THE_TREE: &[Exception] = &[
    (
        "ZINCRBY | ZINTER WEIGHTS | ZINTERSTORE WEIGHTS | ZUNION WEIGHTS | ZUNIONSTORE WEIGHTS",
        "",
        "an integer is documented, any number is taken",
    ),
    (
        "BITFIELD_RO GET",
        "",
        "an integer is documented for the offset, `#1` is taken, too: one in units of the type",
    ),
    (
        "SPUBLISH | CLUSTERSCAN",
        "",
        "the channel and the cursor are routed as keys are, but the servers do not call them so",
    ),
    (
        "COMMAND GETKEYS | COMMAND GETKEYSANDFLAGS",
        "7.0.15",
        "no argument is documented",
    ),
    (
        "SENTINEL DEBUG !info-period",
        "7.0.15",
        "to ask for the times is not documented",
    ),
    (
        "SENTINEL SIMULATE-FAILURE",
        "",
        "the documented words are not those that are taken",
    ),
    (
        "COMMAND",
        "",
        "it is documented as a container of others only",
    ),
    ("DEBUG", "", "no argument is documented"),
    (
        "@vector_set",
        "8.2.3",
        "modules document no arguments, the one that is built in neither",
    ),
    (
        "VADD",
        "8.10.2",
        "how many numbers follow VALUES is not documented",
    ),
];

#[test]
fn every_call_is_one_that_its_servers_document() {
    let mut wrong = Vec::new();
    // Servers before 7.0 document no arguments; modules do not either.
    for edition in since("7.0.0") {
        for edition in [edition.clone(), edition.node(), edition.sentinel()] {
            wrong.extend(compare(&edition));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(edition: &Edition) -> Vec<String> {
    let builder = match edition.holds_data() {
        true => edition.builder(),
        false => edition.builder().sentinel(),
    };
    let server = builder.start().expect("the server starts");
    let mut conn = server.connect().expect("the server lets us in");
    let known = ServerCommands::ask(&mut conn).expect("it tells of its commands");
    let all = cases();
    let made: Vec<&Case> = all.iter().filter(|case| edition.makes(case)).collect();
    let mut exceptions = Exceptions::of(UNLIKE_THE_TREE, edition.name(), &made);
    let mut wrong = Vec::new();
    for case in made {
        let documented = documented(&known, case);
        let fits = documented.is_some_and(|(docs, name)| fits(case, name, &docs.arguments));
        if !fits && !exceptions.excuse(case) {
            let documented = documented.map(|(docs, _)| &docs.arguments);
            wrong.push(format!(
                "{}: {} is not of {documented:?}",
                edition.name(),
                case.line()
            ));
        }
    }
    wrong.extend(exceptions.unused());
    wrong
}

/// What the server says of the command of a call, and how many words its name has: it may take the second word of ours
/// for an argument.
fn documented<'a>(known: &'a ServerCommands, case: &Case) -> Option<(&'a CommandDocs, usize)> {
    let first = case.command.split(' ').next()?;
    let names = [case.command, first].into_iter();
    names
        .filter_map(|name| Some((known.commands.get(name)?, name.split(' ').count())))
        .next()
}

/// Whether a tree allows a call whose command's name has this many words.
fn fits(case: &Case, name: usize, arguments: &[Argument]) -> bool {
    let words = case.text();
    let call = Call {
        words: &words,
        keys: &case.keys,
    };
    call.sequence(arguments, name).contains(&words.len())
}

/// The words of a call. A position is the number of words that have been read.
struct Call<'a> {
    words: &'a [String],
    keys: &'a [usize],
}

impl Call<'_> {
    /// Where arguments that follow one another may end, from a position on.
    fn sequence(&self, arguments: &[Argument], start: usize) -> BTreeSet<usize> {
        let from = BTreeSet::from([start]);
        arguments.iter().fold(from, |ends, argument| {
            ends.into_iter()
                .flat_map(|start| self.argument(argument, start))
                .collect()
        })
    }

    /// Where an argument may end.
    fn argument(&self, argument: &Argument, start: usize) -> BTreeSet<usize> {
        let mut ends = match (argument.multiple, argument.multiple_token) {
            (false, _) => self.with_token(argument, start),
            (true, true) => repeated(start, |start| self.with_token(argument, start)),
            (true, false) => self
                .token(argument, start)
                .map(|start| repeated(start, |start| self.body(argument, start)))
                .unwrap_or_default(),
        };
        if argument.optional {
            ends.insert(start);
        }
        ends
    }

    fn with_token(&self, argument: &Argument, start: usize) -> BTreeSet<usize> {
        let start = self.token(argument, start);
        start
            .map(|start| self.body(argument, start))
            .unwrap_or_default()
    }

    /// Where the word before an argument ends, if it has one.
    fn token(&self, argument: &Argument, start: usize) -> Option<usize> {
        let Some(token) = &argument.token else {
            return Some(start);
        };
        // `""` is documented in quotes.
        let parts: Vec<&str> = token.trim_matches('"').split(' ').collect();
        let words = self.words.get(start..start + parts.len())?;
        let same = words
            .iter()
            .zip(&parts)
            .all(|(word, part)| word.eq_ignore_ascii_case(part));
        same.then_some(start + parts.len())
    }

    /// Where an argument without its word may end.
    fn body(&self, argument: &Argument, start: usize) -> BTreeSet<usize> {
        match argument.kind.as_str() {
            "pure-token" => BTreeSet::from([start]),
            "block" => self.sequence(&argument.arguments, start),
            "oneof" => {
                let alternatives = argument.arguments.iter();
                alternatives
                    .flat_map(|argument| self.argument(argument, start))
                    .collect()
            }
            kind => self.value(kind, start).into_iter().collect(),
        }
    }

    /// Where a value ends: it is one word, a key if and only if the server says so.
    fn value(&self, kind: &str, start: usize) -> Option<usize> {
        let word = self.words.get(start)?;
        let fits = match kind {
            "integer" | "unix-time" => word.parse::<i128>().is_ok(),
            "double" => word.parse::<f64>().is_ok(),
            _ => true,
        };
        let is_key = self.keys.contains(&start);
        (fits && is_key == (kind == "key")).then_some(start + 1)
    }
}

/// Where something may end that comes once or more often.
fn repeated(start: usize, once: impl Fn(usize) -> BTreeSet<usize>) -> BTreeSet<usize> {
    let mut ends = BTreeSet::new();
    let mut next = BTreeSet::from([start]);
    while !next.is_empty() {
        let reached: BTreeSet<usize> = next.iter().flat_map(|start| once(*start)).collect();
        next = reached.difference(&ends).copied().collect();
        ends.extend(reached);
    }
    ends
}
