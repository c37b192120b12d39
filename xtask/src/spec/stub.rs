//! A first version of a row of `commands.toml`, made from what a server says about a command: [`command`], [`options`].

use std::fmt::Write as _;

use typedis_testkit::{Argument, CommandDocs, ServerCommands};

/// Flags of a server that the spec has, too.
const FLAGS: [&str; 6] = ["readonly", "write", "fast", "admin", "noscript", "no_auth"];

/// The row of a command.
pub(crate) fn command(
    server: &ServerCommands,
    group: &str,
    name: &str,
    command: &CommandDocs,
) -> String {
    let method = name.to_lowercase().replace([' ', '.', '-'], "_");
    let method = method.strip_prefix("json_json_").unwrap_or(&method);
    let mut row = format!("[{group}.{method}]\n");
    let summary = command.summary.as_deref().unwrap_or("TODO: one sentence.");
    let _ = writeln!(row, "doc = {}", quoted(summary));
    let _ = writeln!(row, "syntax = {}", quoted(&syntax(name, command)));
    row += "reply = \"Value\" # TODO: the type of the reply\n";
    let flags: Vec<&str> = FLAGS
        .into_iter()
        .filter(|flag| command.flags.contains(*flag))
        .collect();
    if !flags.is_empty() {
        let _ = writeln!(row, "flags = {}", quoted(&flags.join(" ")));
    }
    if let Some(since) = &command.since {
        let _ = writeln!(row, "since = {}", versions(server, since));
    }
    if let Some(complexity) = &command.complexity {
        let _ = writeln!(row, "complexity = {}", quoted(complexity));
    }
    row
}

/// The notes on some options of a command that has a row already, below the server's syntax of the command.
pub(crate) fn options(
    server: &ServerCommands,
    (group, method): (&str, &str),
    (name, command): (&str, &CommandDocs),
    words: &[String],
) -> String {
    let mut rows = format!("# {}\n[{group}.{method}.options]\n", syntax(name, command));
    for word in words {
        let since = since(&command.arguments, word).unwrap_or(&server.version);
        let since = versions(server, since);
        let _ = writeln!(
            rows,
            "{} = {{ doc = \"TODO\", since = {since} }}",
            key(word)
        );
    }
    rows
}

/// The syntax in the notation of the spec.
fn syntax(name: &str, command: &CommandDocs) -> String {
    let parts = command.arguments.iter().map(argument);
    let parts: Vec<String> = [name.to_owned()].into_iter().chain(parts).collect();
    parts.join(" ")
}

fn argument(argument: &Argument) -> String {
    let body = body(argument);
    let token = argument.token.as_deref().map(word);
    let full = |body: &str| match &token {
        Some(token) if body.is_empty() => token.clone(),
        Some(token) => format!("{token} {body}"),
        None => body.to_owned(),
    };
    let text = match (argument.multiple, argument.multiple_token) {
        (false, _) => full(&body),
        (true, false) => full(&format!("{body} [{body} ...]")),
        (true, true) => format!("{0} [{0} ...]", full(&body)),
    };
    if !argument.optional {
        return text;
    }
    // An optional choice needs no second pair of brackets.
    let inner = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    format!(
        "[{}]",
        inner.filter(|inner| !inner.contains('<')).unwrap_or(&text)
    )
}

/// An argument without its token.
fn body(argument: &Argument) -> String {
    let parts = |between: &str| {
        let parts: Vec<String> = argument.arguments.iter().map(self::argument).collect();
        parts.join(between)
    };
    match argument.kind.as_str() {
        "pure-token" => String::new(),
        "oneof" => format!("<{}>", parts(" | ")),
        "block" => parts(" "),
        _ => argument.name.to_lowercase().replace(['_', ' ', ':'], "-"),
    }
}

/// A word, in quotes if it would not count as a word without them.
fn word(token: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_plain = |word: &str| !word.is_empty() && word.chars().all(plain);
    let words = token.trim_matches('"').to_uppercase();
    if words.split(' ').all(is_plain) {
        words
    } else {
        format!("\"{words}\"")
    }
}

/// The version that introduced a word, if the server says it.
fn since<'a>(arguments: &'a [Argument], word: &str) -> Option<&'a str> {
    arguments.iter().find_map(|argument| {
        let token = argument.token.as_deref().unwrap_or_default();
        let here = token.eq_ignore_ascii_case(word);
        let own = argument.since.as_deref().filter(|_| here);
        own.or_else(|| since(&argument.arguments, word))
    })
}

fn versions(server: &ServerCommands, since: &str) -> String {
    format!("{{ {} = {} }}", server.name, quoted(since))
}

fn key(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        quoted(word)
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn leaf(name: &str, kind: &str, token: Option<&str>) -> Argument {
        Argument {
            name: name.to_owned(),
            kind: kind.to_owned(),
            token: token.map(str::to_owned),
            ..Argument::default()
        }
    }

    fn new_command() -> (ServerCommands, CommandDocs) {
        let choice = Argument {
            optional: true,
            arguments: vec![
                leaf("nx", "pure-token", Some("NX")),
                Argument {
                    since: Some("9.0.0".to_owned()),
                    ..leaf("seconds", "integer", Some("EX"))
                },
            ],
            ..leaf("condition", "oneof", None)
        };
        let pairs = Argument {
            multiple: true,
            arguments: vec![leaf("field", "string", None), leaf("Value", "string", None)],
            ..leaf("data", "block", Some("FIELDS"))
        };
        let command = CommandDocs {
            flags: ["write", "denyoom"].map(str::to_owned).into(),
            summary: Some("Sets a \"thing\".".to_owned()),
            since: Some("9.9.0".to_owned()),
            arguments: vec![leaf("key", "key", None), choice, pairs],
            ..CommandDocs::default()
        };
        let server = ServerCommands {
            name: "valkey".to_owned(),
            version: "9.9.0".to_owned(),
            ..ServerCommands::default()
        };
        (server, command)
    }

    #[test]
    fn a_row_says_what_the_server_knows() {
        let (server, new) = new_command();
        let row = command(&server, "hash", "HNEW THING", &new);
        let row: toml::Table = row.parse().unwrap();
        let row = &row["hash"]["hnew_thing"];
        assert_eq!(row["doc"].as_str(), Some("Sets a \"thing\"."));
        let syntax = "HNEW THING key [NX | EX seconds] FIELDS field value [field value ...]";
        assert_eq!(row["syntax"].as_str(), Some(syntax));
        assert_eq!(row["flags"].as_str(), Some("write"));
        assert_eq!(row["since"]["valkey"].as_str(), Some("9.9.0"));
    }

    #[test]
    fn an_option_has_the_version_of_its_word() {
        let (server, new) = new_command();
        let words = ["EX".to_owned(), "NX".to_owned()];
        let rows = options(&server, ("hash", "hset"), ("HSET", &new), &words);
        let rows: toml::Table = rows.parse().unwrap();
        let options = &rows["hash"]["hset"]["options"];
        assert_eq!(options["EX"]["since"]["valkey"].as_str(), Some("9.0.0"));
        assert_eq!(options["NX"]["since"]["valkey"].as_str(), Some("9.9.0"));
    }

    #[test]
    fn what_is_no_word_is_quoted() {
        assert_eq!(word("WITHSCORES"), "WITHSCORES");
        assert_eq!(word("="), "\"=\"");
        assert_eq!(word("\"\""), "\"\"");
    }
}
