//! Commands without a row in `commands.toml`, on purpose, with the reasons. Commands that are refused altogether are
//! in the table `[refused]` of that file.

/// Commands, separated by ` | `; a `*` stands for the rest of a name.
const COMMANDS: &[(&str, &str)] = &[
    ("* HELP", "a text for people at a terminal"),
    ("_* | FT._*", "for the modules themselves"),
    ("TIMESERIES.*", "only for the nodes of a cluster"),
    (
        "RESTORE-ASKING | SENTINEL IS-*-DOWN-BY-ADDR",
        "servers send them to each other",
    ),
    (
        "PFDEBUG | PFSELFTEST | BF.DEBUG | CF.DEBUG | FT.DEBUG*",
        "for the developers of the server",
    ),
    ("FT.SYNADD", "the module has refused it since version 2.0"),
    ("GCRA", "it was left out of the release of Redis 8.8"),
    ("CF.COMPACT", "the module does not document it"),
];

/// Words of commands, separated in the same way.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "CLIENT KILL",
        "PRIMARY | SLAVE",
        "other names of MASTER and REPLICA",
    ),
    (
        "COMMANDLOG GET",
        "RECENCY | MAGNITUDE",
        "proposed, but in no release of Valkey yet",
    ),
    ("XADD | XTRIM", "=", "it is the default"),
];

/// Why a command is left out, if it is.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    let entry = COMMANDS.iter().find(|(patterns, _)| any(patterns, name));
    entry.map(|(_, reason)| *reason)
}

/// Everything that is left out, and why: commands, and words of commands.
pub(crate) fn all() -> impl Iterator<Item = (String, &'static str)> {
    let commands = COMMANDS
        .iter()
        .map(|(names, reason)| ((*names).to_owned(), *reason));
    let words = WORDS
        .iter()
        .map(|(names, words, reason)| (format!("{names}: {words}"), *reason));
    commands.chain(words)
}

/// Why a word of a command is left out, if it is.
pub(crate) fn reason_for_word(name: &str, word: &str) -> Option<&'static str> {
    let entry = WORDS
        .iter()
        .find(|(commands, words, _)| any(commands, name) && any(words, word));
    entry.map(|(.., reason)| *reason)
}

fn any(patterns: &str, name: &str) -> bool {
    patterns.split(" | ").any(|pattern| matches(pattern, name))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => name
            .strip_prefix(start)
            .is_some_and(|rest| rest.ends_with(end)),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_the_rest() {
        assert!(reason("OBJECT HELP").is_some());
        assert!(reason("_FT.CONFIG").is_some());
        assert!(reason("RESTORE-ASKING").is_some());
        assert_eq!(reason("GET"), None);
        assert!(reason_for_word("XTRIM", "=").is_some());
        assert_eq!(reason_for_word("XTRIM", "MAXLEN"), None);
    }
}
