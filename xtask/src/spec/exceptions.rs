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
    (
        "TRIMSLOTS | XIDMPRECORD",
        "what a server says to itself, in its append-only file and to its replicas",
    ),
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

/// What newer servers have, and `commands.toml` lacks until such a server can be asked: what, and what is not certain.
const UNCERTAIN: &[(&str, &str)] = &[
    (
        "Redis 8.12: SADDEX",
        "what it replies with; Dragonfly has another command of this name",
    ),
    (
        "Redis 8.12: CMS.INITBYDIM CELL_SIZE, CMS.INITBYPROB CELL_SIZE",
        "which sizes there are",
    ),
    (
        "Redis 8.12: HNSW COMPRESSION SQ8",
        "the place of the words among the attributes of a vector field",
    ),
    ("Redis 8.12: the CPU time in SLOWLOG GET", "its unit"),
    (
        "Redis 8.12: the progress in CLUSTER MIGRATION STATUS",
        "the names of the fields; those that are known are read",
    ),
    (
        "Redis 8.10: TS.NRANGE, TS.NREVRANGE",
        "whether each key has an aggregation of its own, and what stands for a sample that is not there",
    ),
    (
        "Redis 8.10: FT.HYBRID EXPLAINSCORE; Redis 8.8: FT.PROFILE HYBRID, SHARD_K_RATIO, YIELD_SCORE_AS, POLICY, NOSORT, WITHCURSOR",
        "the place of the words, and what they do to the reply",
    ),
    (
        "Valkey 9.2: PHSET, PHGET, PHDEL, PHCARD, PHLONGEST, PHPREFIXES and the other commands on path hashes",
        "the release changed them after the documentation that is known",
    ),
    (
        "Valkey 9.2: HOTKEYS GET, HOTKEYS RESET",
        "the reply is another one than that of Redis, and is known from a proposal only",
    ),
    (
        "Valkey 9.2: ACL SETROLE, ACL GETROLE, ACL DELROLE, ACL ROLES",
        "their arguments and replies",
    ),
    (
        "Valkey 9.2: EXEC with IFEQ, IFNE, NX and XX; SET IFNE; XDELEX, XACKDEL; MOVE REPLACE; SISMEMBER XX; ZRANGE XX",
        "which release has them",
    ),
];

/// What is not certain enough to be in `commands.toml`, and why.
pub(crate) fn uncertain() -> impl Iterator<Item = (&'static str, &'static str)> {
    UNCERTAIN.iter().copied()
}

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
