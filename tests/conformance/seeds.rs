//! What keys hold before a call. The names are those of `[examples]` in the spec.

/// What a call finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Keys of the right type that hold what the call asks for.
    Hit,
    /// No key at all.
    Miss,
    /// Keys of the right type that hold nothing of what the call asks for.
    Empty,
}

impl Found {
    pub(crate) const ALL: [Self; 3] = [Self::Hit, Self::Miss, Self::Empty];
}

/// The commands that prepare the keys for a call.
pub(crate) fn seeds(group: &str, command: &str, found: Found) -> Vec<&'static str> {
    let by_command = || {
        BY_COMMAND
            .iter()
            .find(|(known, ..)| known.split(' ').any(|known| known == command))
    };
    let by_group = || BY_GROUP.iter().find(|(known, ..)| *known == group);
    let Some((_, hit, empty)) = by_command().or_else(by_group) else {
        return Vec::new();
    };
    let lines = match found {
        Found::Hit => *hit,
        Found::Empty => *empty,
        Found::Miss => "",
    };
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

/// Group, what makes a hit, what makes an empty reply.
const BY_GROUP: [(&str, &str, &str); 13] = [
    (
        "string",
        "SET key 5\nSET other text",
        "SET key \"\"\nSET other \"\"",
    ),
    ("generic", "SET key 5", "SET key \"\""),
    ("hash", "HSET key field 5", "HSET key none none"),
    (
        "list",
        "RPUSH key element 1 element\nRPUSH other element",
        "RPUSH key none",
    ),
    (
        "set",
        "SADD key member 1 2\nSADD other member 3",
        "SADD key none\nSADD other nothing",
    ),
    (
        "sorted_set",
        "ZADD key 1 member 1.5 a 2 b\nZADD other 3 member",
        "ZADD key 99 none\nZADD other 99 nothing",
    ),
    ("bitmap", "SET key ab", "SET key \"\""),
    (
        "hyperloglog",
        "PFADD key element\nPFADD other element",
        "PFADD key",
    ),
    (
        "geo",
        "GEOADD key 13.361389 38.115556 member 15.087269 37.502669 other",
        "GEOADD key -100 -50 none",
    ),
    (
        "stream",
        "XADD key 1-1 field value\nXADD key 2-1 field value\nXGROUP CREATE key group 0\n\
         XREADGROUP GROUP group consumer COUNT 1 STREAMS key >",
        "XADD key 1-1 field value\nXDEL key 1-1\nXGROUP CREATE key group $",
    ),
    ("json", "JSON.SET key $ {\"a\":1}", "JSON.SET key $ {}"),
    (
        "timeseries",
        "TS.CREATE key LABELS sensor 1\nTS.ADD key 1000 1.5",
        "TS.CREATE key LABELS sensor 1",
    ),
    (
        "vector_set",
        "VADD key VALUES 3 1 2 3 element",
        "VADD key VALUES 3 9 9 9 none",
    ),
];

/// The same for commands that need something else than their group; several at once, divided by blanks.
const BY_COMMAND: [(&str, &str, &str); 1] = [("SORT SORT_RO", "RPUSH key 3 1 2", "SADD key 1")];
