//! SUBSCRIBE and its like: they have no rows, because their replies are pushes, but methods of the handles.

use super::{Translation, render};

/// The commands, what one name gives, and what several give.
const COMMANDS: [(&str, &str); 3] = [
    ("SUBSCRIBE", "Channel"),
    ("PSUBSCRIBE", "PatternChannel"),
    ("SSUBSCRIBE", "Channel"),
];

/// The call for a line that subscribes; `None` for any other line.
pub(super) fn translate(words: &[String]) -> Option<Result<Translation, String>> {
    let (first, names) = words.split_first()?;
    let (name, reader) = COMMANDS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(first))?;
    let method = name.to_ascii_lowercase();
    let statement = match names {
        [] => {
            return Some(Err(format!(
                "{name} is not complete: expected a name of a channel"
            )));
        }
        [one] => format!(
            "let mut channel = conn.{method}({}).await?; // {reader}",
            render::text(one)
        ),
        several => format!(
            "let mut channels = conn.{method}({}).await?; // [{reader}; {}]",
            render::array(several.iter().map(|name| render::text(name))),
            several.len()
        ),
    };
    let which = if names.len() == 1 {
        "`channel`"
    } else {
        "each of them"
    };
    let note = format!(
        "To read from {which}: `get::<String>().await?` waits for the next message, `next().await` also tells of lost connections. Dropping it unsubscribes."
    );
    Some(Ok(Translation {
        rust: statement,
        notes: vec![note],
    }))
}
