//! From a line of redis-cli to the call in Rust. `site/translate.js` does the same in the browser; a test compares the two.
//!
//! # Layout
//!
//! - [`translate`]: a line as a call, or what is wrong with it
//! - `line`: the words of a line; `program`: the program before a command; `channels`: SUBSCRIBE and its like; `parse`: the words by the row of a command; `reading`: what they mean; `render`: words as Rust

use super::spec::{Command, Spec};

mod channels;
mod line;
mod parse;
mod program;
mod reading;
mod render;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translation {
    /// The statement in Rust.
    pub(super) rust: String,
    /// What else is to be known.
    pub(super) notes: Vec<String>,
}

/// Translates a line; the error is a sentence that says what is wrong with it.
pub(super) fn translate(spec: &Spec, line: &str) -> Result<Translation, String> {
    let mut words = line::words(line)?;
    let program = program::read(&words)?;
    words.drain(..program.words);
    let mut translation = command(spec, &words)?;
    let (handle, _) = handle_of(&translation.rust);
    if let Some(connecting) = program.connecting(handle) {
        translation.rust = format!("{connecting}\n{}", translation.rust);
    }
    Ok(translation)
}

/// The handle that a statement calls, and what follows it.
fn handle_of(statement: &str) -> (&str, &str) {
    let call = statement
        .split_once(" = ")
        .map_or(statement, |(_, call)| call);
    call.split_once('.').unwrap_or((call, ""))
}

/// Translates the words of a command.
fn command(spec: &Spec, words: &[String]) -> Result<Translation, String> {
    if words.is_empty() {
        return Err("the line is empty: write a command, such as SET key value EX 10".to_owned());
    }
    if let Some(translation) = channels::translate(words) {
        return translation;
    }
    let rows = rows(spec, words)?;
    let mut furthest: Option<parse::Failure> = None;
    let mut best: Option<(&Command, reading::Reading)> = None;
    for row in rows {
        match parse::read(spec, row, words) {
            Ok(reading) => {
                let is_better = best
                    .as_ref()
                    .is_none_or(|(_, other)| reading.rank() > other.rank());
                if is_better {
                    best = Some((row, reading));
                }
            }
            Err(failure) => {
                if furthest.as_ref().is_none_or(|other| failure.at > other.at) {
                    furthest = Some(failure);
                }
            }
        }
    }
    match (best, furthest) {
        (Some((row, reading)), _) => Ok(render::statement(row, &reading)),
        (None, Some(failure)) => Err(failure.text),
        (None, None) => Err(format!("nothing is known of `{}`", words.join(" "))),
    }
}

/// The rows of a command: those with the longest name that the line begins with.
fn rows<'a>(spec: &'a Spec, words: &[String]) -> Result<Vec<&'a Command>, String> {
    let begins = |command: &&Command| is_begin(words, &command.name);
    let found: Vec<&Command> = spec.commands.iter().filter(begins).collect();
    let longest = found.iter().map(|row| row.name.len()).max();
    if let Some(longest) = longest {
        return Ok(found
            .into_iter()
            .filter(|row| row.name.len() == longest)
            .collect());
    }
    if let Some(refused) = spec
        .refused
        .iter()
        .find(|refused| is_begin(words, &refused.name))
    {
        return Err(format!(
            "{} has no method: {}",
            refused.name, refused.advice
        ));
    }
    let first = words.first().map(|word| word.to_ascii_uppercase());
    let first = first.unwrap_or_default();
    let mut inner: Vec<&str> = spec
        .commands
        .iter()
        .filter_map(|row| row.name.strip_prefix(&format!("{first} ")))
        .collect();
    inner.dedup();
    if !inner.is_empty() {
        let inner = inner.join(", ");
        return Err(format!("{first} needs one of these words next: {inner}"));
    }
    let near = near(&first, spec.commands.iter().map(|row| row.name.as_str()));
    Err(format!("there is no command {first}{near}"))
}

/// Whether a line begins with the name of a command.
fn is_begin(words: &[String], name: &str) -> bool {
    let name: Vec<&str> = name.split(' ').collect();
    let own = words.get(..name.len());
    own.is_some_and(|own| {
        own.iter()
            .zip(&name)
            .all(|(word, name)| word.eq_ignore_ascii_case(name))
    })
}

/// `: did you mean SET?`, where a name is near.
fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let word = word.to_ascii_uppercase();
    let mut nearest: Option<(usize, &str)> = None;
    for name in names {
        let distance = distance(&word, name);
        if distance <= 2 && nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, name));
        }
    }
    nearest
        .map(|(_, name)| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// How many insertions, deletions and replacements of a letter lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((other, pair), left) in to.iter().zip(row.windows(2)).zip(1..) {
            let [diagonal, above] = pair else { continue };
            let replaced = diagonal + usize::from(*other != letter);
            let before = next.get(left - 1).copied().unwrap_or(usize::MAX);
            next.push(replaced.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::examples;
