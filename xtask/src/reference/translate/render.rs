//! Words as arguments in Rust, and the whole statement.

use super::super::spec::{Command, Kind, Param, Spec};
use super::Translation;
use super::reading::Reading;

/// An argument in Rust.
pub(super) struct Argument {
    pub(super) rust: String,
    /// Whether its type has to be written by hand: it is only named.
    pub(super) by_hand: bool,
}

/// The words of a parameter as an argument; the error says what was expected.
pub(super) fn argument(spec: &Spec, param: &Param, words: &[String]) -> Result<Argument, String> {
    let plain = |rust: String| Argument {
        rust,
        by_hand: false,
    };
    if words == param.wire.as_slice() {
        return Ok(plain(param.rust.clone()));
    }
    let rust = match (param.kind, words) {
        (Kind::Key, [word]) => text(word),
        (Kind::Value, [word]) => value(word),
        (Kind::Number, [word]) => {
            number(&param.ty, word).ok_or_else(|| format!("a number for `{}`", param.name))?
        }
        (Kind::Enum, [word]) => variant(spec, &param.ty, word)?,
        (Kind::Named, words) => return named(param, words),
        (Kind::Records | Kind::Columns, words) => return records(param, words).map(plain),
        (_, words) => array(words.iter().map(|word| text(word))),
    };
    Ok(plain(rust))
}

fn records(param: &Param, words: &[String]) -> Result<String, String> {
    let rows: Vec<Vec<&String>> = if param.kind == Kind::Columns {
        // All the first halves, then all the second ones.
        let (first, second) = words.split_at(words.len() / 2);
        first.iter().zip(second).map(|(a, b)| vec![a, b]).collect()
    } else {
        words
            .chunks(param.width.max(1))
            .map(|row| row.iter().collect())
            .collect()
    };
    // The example tells which columns are numbers.
    let numbers = number_columns(param);
    let record = |row: &Vec<&String>| {
        let columns = row.iter().enumerate().map(|(column, word)| {
            if numbers.contains(&column) {
                number("f64", word)
                    .map(|float| value_of_number(&float, word))
                    .ok_or_else(|| format!("a number in `{}`", param.name))
            } else {
                Ok(text(word))
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(format!("({})", columns.join(", ")))
    };
    let records = rows
        .iter()
        .map(record)
        .collect::<Result<Vec<_>, String>>()?;
    Ok(format!("[{}]", records.join(", ")))
}

/// Which columns of the example's first record are numbers.
fn number_columns(param: &Param) -> Vec<usize> {
    let record = param.rust.trim_start_matches("[(");
    let record = record.split(')').next().unwrap_or_default();
    let columns = record.split(", ").enumerate();
    let numbers = columns.filter(|(_, column)| {
        column.starts_with(|first: char| first.is_ascii_digit() || first == '-')
    });
    numbers.map(|(index, _)| index).collect()
}

/// An integer as it stands, another number as a float.
fn value_of_number(float: &str, word: &str) -> String {
    if is_integer(word) {
        word.to_owned()
    } else {
        float.to_owned()
    }
}

fn named(param: &Param, words: &[String]) -> Result<Argument, String> {
    let plain = |rust: String| {
        Ok(Argument {
            rust,
            by_hand: false,
        })
    };
    let ty = &param.ty;
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic());
    // What begins with an option word in the example does so here.
    let begins_with_word = param.wire.len() > 1
        && param
            .wire
            .first()
            .is_some_and(|word| is_word(word) && *word == word.to_ascii_uppercase());
    if begins_with_word && !words.first().is_some_and(|word| is_word(word)) {
        return Err(format!("an option word of `{ty}`"));
    }
    let by_hand = || {
        Ok(Argument {
            rust: format!("{ty}::…"),
            by_hand: true,
        })
    };
    let [word] = words else {
        return by_hand();
    };
    if param.wire.len() != 1 {
        return by_hand();
    }
    let prefix = format!("{ty}::");
    let is_enum = param.rust.starts_with(&prefix) && !param.rust.contains('(');
    if is_enum {
        if is_word(word) {
            return plain(format!("{prefix}{}", camel(word)));
        }
        return Err(format!("a word for `{}`", param.name));
    }
    if is_integer(word) {
        return plain(word.clone());
    }
    let times = ["econds", "Timeout"];
    if times.iter().any(|time| ty.contains(time)) {
        return match number("f64", word) {
            Some(float) if ty == "Timeout" => plain(float),
            _ => Err(format!("a number for `{}`", param.name)),
        };
    }
    match (ty.as_str(), word.as_str()) {
        ("StreamId", word) if is_word(word) => Err(format!("an id for `{}`", param.name)),
        ("ScoreBound" | "RangeBound", "-inf") => plain("f64::NEG_INFINITY".to_owned()),
        ("ScoreBound" | "RangeBound", "+inf" | "inf") => plain("f64::INFINITY".to_owned()),
        ("ScoreBound", bound) if bound.starts_with('(') => {
            match number("f64", bound.trim_start_matches('(')) {
                Some(float) => plain(format!("ScoreBound::exclusive({float})")),
                None => Err(format!("a number for `{}`", param.name)),
            }
        }
        ("ScoreBound", _) => match number("f64", word) {
            Some(float) => plain(float),
            None => Err(format!("a number for `{}`", param.name)),
        },
        _ => plain(text(word)),
    }
}

fn variant(spec: &Spec, name: &str, word: &str) -> Result<String, String> {
    let ty = spec.enums.iter().find(|ty| ty.name == name);
    let words = ty.map(|ty| ty.words.as_slice()).unwrap_or_default();
    let found = words
        .iter()
        .find(|known| known.word.eq_ignore_ascii_case(word));
    match found {
        Some(found) => Ok(format!("{name}::{}", found.variant)),
        None => {
            let known: Vec<&str> = words.iter().map(|known| known.word.as_str()).collect();
            Err(known.join(" or "))
        }
    }
}

/// A number of this type.
fn number(ty: &str, word: &str) -> Option<String> {
    if !ty.starts_with('f') {
        let is_signed = ty.starts_with('i');
        return (is_integer(word) && (is_signed || !word.starts_with('-')))
            .then(|| word.to_owned());
    }
    match word.to_ascii_lowercase().as_str() {
        "inf" | "+inf" => return Some("f64::INFINITY".to_owned()),
        "-inf" => return Some("f64::NEG_INFINITY".to_owned()),
        _ => {}
    }
    let digits = word.trim_start_matches('-');
    let is_number = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.ends_with(|last: char| last.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1;
    let is_whole = !word.contains('.');
    is_number.then(|| {
        if is_whole {
            format!("{word}.0")
        } else {
            word.to_owned()
        }
    })
}

/// Whether a word is an integer in the one form that is sent for it.
fn is_integer(word: &str) -> bool {
    word.parse::<i64>()
        .is_ok_and(|number| number.to_string() == word)
}

fn value(word: &str) -> String {
    if is_integer(word) {
        word.to_owned()
    } else {
        text(word)
    }
}

/// A literal of Rust.
pub(super) fn text(word: &str) -> String {
    let mut out = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

pub(super) fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn camel(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first
        .into_iter()
        .chain(letters.map(|letter| letter.to_ascii_lowercase()))
        .collect()
}

/// The call as a statement.
pub(super) fn statement(row: &Command, reading: &Reading) -> Translation {
    let chosen = |id: usize| reading.options.contains_key(&id);
    let blocks = row.blocking
        || row
            .options
            .iter()
            .enumerate()
            .any(|(id, option)| option.blocks && chosen(id));
    let receiver = match (row.state, blocks) {
        (true, _) => "exclusive",
        (false, true) => "pool",
        (false, false) => "conn",
    };
    let mut call = format!(
        "{receiver}.{}({})",
        row.method,
        reading.arguments.join(", ")
    );
    for (id, calls) in &reading.options {
        let Some(option) = row.options.get(*id) else {
            continue;
        };
        for arguments in calls {
            call.push_str(&format!(".{}({})", option.method, arguments.join(", ")));
        }
    }
    let rule = row.replies.iter().find(|rule| {
        rule.when
            .iter()
            .any(|term| term.iter().all(|id| chosen(*id)))
    });
    let reply = rule.map_or(row.reply.as_str(), |rule| rule.ty.as_str());
    let shown = shown(row, reply);
    let rust = if shown == reply.replace("std::collections::", "") {
        format!("{call}.await?; // {shown}")
    } else {
        format!("let reply: {shown} = {call}.await?;")
    };
    let mut notes = Vec::new();
    match receiver {
        "pool" => notes.push("It can block: a `Pool` leases a socket for it.".to_owned()),
        "exclusive" => notes.push(
            "It changes its connection: take an `Exclusive` (`pool.exclusive().await?`)."
                .to_owned(),
        ),
        _ => {}
    }
    for ty in &reading.by_hand {
        notes.push(format!(
            "`{ty}` is a type with methods for what stands here: see its documentation in `typedis::args`."
        ));
    }
    if let Some(instead) = &row.deprecated {
        notes.push(format!("Deprecated: use {instead}."));
    }
    Translation { rust, notes }
}

/// A reply type with what examples choose for its parameters.
fn shown(row: &Command, reply: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for letter in reply.chars().chain([' ']) {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        let own = row.shown.iter().find(|shown| shown.param == word);
        match (own, word.as_str()) {
            (Some(shown), _) => out.push_str(&shown.ty),
            (None, "T" | "K" | "V") => out.push_str("String"),
            (None, other) => out.push_str(other),
        }
        word.clear();
        out.push(letter);
    }
    out.trim_end().replace("std::collections::", "")
}
