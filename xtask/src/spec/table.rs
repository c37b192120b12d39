//! The table of coverage: [`render`], and its place in the README: [`replace`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::outcomes::{Outcome, Outcomes};
use crate::Result;

const BEGIN: &str = "<!-- coverage: written by cargo xtask spec -->";
const END: &str = "<!-- coverage ends -->";

/// A command, or an option of one, that can be proved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    pub(crate) command: String,
    /// The method of a command and of its option.
    pub(crate) option: Option<(String, String)>,
}

/// A server and a protocol.
pub(crate) type Place = (String, String);

/// How an item was proved.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    pub(crate) live: BTreeSet<Place>,
    recorded: bool,
    /// Where it was tried without success, with the reasons.
    pub(crate) tried: BTreeMap<Place, String>,
}

pub(crate) type Items = BTreeMap<Item, Proof>;

/// The table: a row for each group, and one for all.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let groups = collect(outcomes);
    let servers: BTreeSet<&String> = groups.values().flat_map(servers).collect();
    let mut text = String::from("| group | commands | options |");
    for server in &servers {
        let _ = write!(text, " {server} |");
    }
    text += " live | recorded only | unverified |\n| --- |";
    text += &" ---: |".repeat(servers.len() + 5);
    text.push('\n');
    for (group, items) in &groups {
        row(
            &mut text,
            group,
            &items.iter().collect::<Vec<_>>(),
            &servers,
        );
    }
    let all: Vec<_> = groups.values().flatten().collect();
    row(&mut text, "**all**", &all, &servers);
    text
}

/// What was proved, for each group.
pub(crate) fn collect(outcomes: &[Outcome]) -> BTreeMap<&str, Items> {
    let mut groups: BTreeMap<&str, Items> = BTreeMap::new();
    for outcome in outcomes {
        let group = groups.entry(&outcome.group).or_default();
        for item in items(outcome) {
            let proof = group.entry(item).or_default();
            let server = outcome.server.trim_end_matches(" with modules");
            let place = (server.to_owned(), outcome.protocol.clone());
            match outcome.result {
                Outcomes::Live => drop(proof.live.insert(place)),
                Outcomes::Recorded => proof.recorded = true,
                Outcomes::Nothing if server.is_empty() => {}
                Outcomes::Nothing => drop(proof.tried.insert(place, outcome.reason.clone())),
            }
        }
    }
    groups
}

/// The items of a call: its command, and each of its options.
fn items(outcome: &Outcome) -> impl Iterator<Item = Item> {
    let options = outcome.options.iter();
    let options = options.map(|option| Some((outcome.method.clone(), option.clone())));
    [None].into_iter().chain(options).map(|option| Item {
        command: outcome.command.clone(),
        option,
    })
}

fn servers(items: &Items) -> impl Iterator<Item = &String> {
    let places = items.values().flat_map(|proof| &proof.live);
    places.map(|(server, _)| server)
}

fn row(text: &mut String, group: &str, items: &[(&Item, &Proof)], servers: &BTreeSet<&String>) {
    let count = |wanted: &dyn Fn(&Item, &Proof) -> bool| {
        let items = items.iter();
        items.filter(|(item, proof)| wanted(item, proof)).count()
    };
    let commands = count(&|item, _| item.option.is_none());
    let options = items.len() - commands;
    let _ = write!(text, "| {group} | {commands} | {options} |");
    for server in servers {
        let within = |protocol: &str| {
            let place = ((*server).clone(), protocol.to_owned());
            count(&|_, proof| proof.live.contains(&place))
        };
        let _ = write!(text, " {} |", both(within("RESP2"), within("RESP3")));
    }
    let live = count(&|_, proof| !proof.live.is_empty());
    let recorded = count(&|_, proof| proof.live.is_empty() && proof.recorded);
    let unverified = items.len() - live - recorded;
    let _ = writeln!(
        text,
        " {live} | {} | {} |",
        number(recorded),
        number(unverified)
    );
}

/// What was proved in RESP2 and in RESP3: one number if they are equal.
fn both(resp2: usize, resp3: usize) -> String {
    if resp2 == resp3 {
        number(resp2)
    } else {
        format!("{resp2} / {resp3}")
    }
}

/// A number, or nothing for none.
fn number(number: usize) -> String {
    match number {
        0 => String::new(),
        number => number.to_string(),
    }
}

/// A table without the columns of servers that another table does not have.
pub(crate) fn without_absent(table: &str, other: &str) -> String {
    let headers = |table: &str| -> Vec<String> {
        let header = table.lines().next().unwrap_or_default();
        header.split('|').map(str::to_owned).collect()
    };
    let others = headers(other);
    let kept: Vec<bool> = headers(table)
        .iter()
        .map(|header| others.contains(header))
        .collect();
    let line = |line: &str| {
        let cells = line.split('|').zip(&kept).filter(|(_, kept)| **kept);
        let cells: Vec<&str> = cells.map(|(cell, _)| cell).collect();
        cells.join("|") + "\n"
    };
    table.lines().map(line).collect()
}

/// The table between the marks of a text.
pub(crate) fn find(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (table, _) = rest.split_once(END)?;
    Some(table.trim_start())
}

/// A text with another table between its marks.
pub(crate) fn replace(text: &str, table: &str) -> Result<String> {
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("README.md lacks the marks {BEGIN} and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn outcome(command: &str, options: &[&str], place: (&str, &str), result: Outcomes) -> Outcome {
        Outcome {
            group: "string".to_owned(),
            command: command.to_owned(),
            method: command.to_lowercase(),
            options: options.iter().copied().map(str::to_owned).collect(),
            server: place.0.to_owned(),
            protocol: place.1.to_owned(),
            result,
            reason: String::new(),
        }
    }

    #[test]
    fn commands_and_options_are_counted_once_by_their_best_proof() {
        let (resp2, resp3) = (("Redis 8", "RESP2"), ("Redis 8 with modules", "RESP3"));
        let table = render(&[
            outcome("SET", &[], ("", ""), Outcomes::Nothing),
            outcome("SET", &[], resp2, Outcomes::Live),
            outcome("SET", &["nx"], resp2, Outcomes::Live),
            outcome("SET", &[], resp3, Outcomes::Live),
            outcome("SET", &["nx"], resp3, Outcomes::Nothing),
            outcome("SET", &["ifeq"], resp3, Outcomes::Nothing),
            outcome("GET", &[], ("redis-7", "RESP2"), Outcomes::Recorded),
            outcome("SET", &[], ("redis-7", "RESP2"), Outcomes::Recorded),
        ]);
        let expected = "\
| group | commands | options | Redis 8 | live | recorded only | unverified |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| string | 2 | 2 | 2 / 1 | 2 | 1 | 1 |
| **all** | 2 | 2 | 2 / 1 | 2 | 1 | 1 |
";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_server_that_is_not_here_has_no_column() {
        let table = "| group | A | B | live |\n| --- | --- | --- | --- |\n| set | 1 | 2 | 3 |\n";
        let other = "| group | B | live |\n| --- | --- | --- |\n| set | 2 | 3 |\n";
        assert_eq!(without_absent(table, other), other);
        assert_eq!(without_absent(other, table), other);
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let fresh = replace(&text, "new\n").unwrap();
        assert_eq!(fresh, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace(&fresh, "new\n").unwrap(), fresh);
        replace("no marks", "new\n").unwrap_err();
    }
}
