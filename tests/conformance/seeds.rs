//! What a server holds before a call: `tests/data/seeds.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::cases::Case;

/// What a call finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Keys of the right type that hold what the call asks for.
    Hit,
    /// No key at all.
    Miss,
    /// Keys of the right type that hold nothing of what the call asks for.
    Empty,
    /// Keys of another type.
    WrongType,
}

impl Found {
    /// The states that a call is made in.
    pub(crate) fn states(case: &Case) -> &'static [Self] {
        match case {
            // It would go to whatever listens at the example's port.
            case if case.keys.is_empty() || case.is("MIGRATE") => {
                &[Self::Hit, Self::Miss, Self::Empty]
            }
            _ => &[Self::Hit, Self::Miss, Self::Empty, Self::WrongType],
        }
    }
}

/// The commands that prepare the keys for a call.
pub(crate) fn seeds(case: &Case, found: Found) -> Vec<Vec<String>> {
    if found == Found::WrongType {
        return of_another_type(case);
    }
    let Some(seed) = DATA.seed.iter().find(|seed| names(&seed.calls, case)) else {
        return Vec::new();
    };
    match found {
        Found::Hit => commands(&seed.hit),
        Found::Empty => commands(&seed.empty),
        Found::Miss | Found::WrongType => Vec::new(),
    }
}

/// The commands that make each key of a call a list where it should be a string, and a string where it should not;
/// scripts are there, which take keys of any type.
fn of_another_type(case: &Case) -> Vec<Vec<String>> {
    let words = case.text();
    let command = match case.group {
        "string" | "bitmap" | "hyperloglog" => "RPUSH",
        _ => "SET",
    };
    let make = |key: &usize| [command, &words[*key], "other"].map(str::to_owned).to_vec();
    let mut seeds = match case.group {
        "scripting" => seeds(case, Found::Hit),
        _ => Vec::new(),
    };
    seeds.extend(case.keys.iter().map(make));
    seeds.dedup();
    seeds
}

/// What the connection of a call does before it, and after it.
pub(crate) fn around(case: &Case) -> [Vec<Vec<String>>; 2] {
    let around = DATA.around.iter().find(|around| names(&around.calls, case));
    around.map_or([Vec::new(), Vec::new()], |around| {
        [commands(&around.before), commands(&around.after)]
    })
}

/// What a command of a seed begins with if it may be refused.
pub(crate) const MAY_FAIL: char = '?';

static DATA: LazyLock<Data> = LazyLock::new(|| {
    toml::from_str(include_str!("../data/seeds.toml")).expect("the file is as it says")
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    seed: Vec<Seed>,
    around: Vec<Around>,
}

/// What the keys of some calls hold, for a hit and for an empty reply.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    calls: Vec<String>,
    #[serde(default)]
    hit: Vec<String>,
    #[serde(default)]
    empty: Vec<String>,
}

/// What is done on the connection of some calls before them, and after them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Around {
    calls: Vec<String>,
    #[serde(default)]
    before: Vec<String>,
    #[serde(default)]
    after: Vec<String>,
}

fn names(calls: &[String], case: &Case) -> bool {
    calls.iter().any(|call| case.is(call))
}

/// The words of commands.
fn commands(lines: &[String]) -> Vec<Vec<String>> {
    let word = |word: &str| match word {
        "\"\"" => String::new(),
        word => word.replace("%20", " ").replace("%0A", "\n"),
    };
    lines
        .iter()
        .map(|line| line.split(' ').map(word).collect())
        .collect()
}
