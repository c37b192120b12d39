//! Which words are keys, against COMMAND GETKEYS.

use typedis::prelude::*;
use typedis::{ErrorKind, Protocol};

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::server::{Edition, USUAL};

/// Calls whose servers are wrong about their keys, or silent.
pub(crate) const UNLIKE_THE_SERVER: &[Exception] = &[
    (
        "SPUBLISH",
        "",
        "its channel is routed as a key is, but the servers do not call it one",
    ),
    (
        "@search !FT.SUGADD !FT.SUGDEL !FT.SUGGET !FT.SUGLEN",
        "modules",
        "the module calls the name of an index a key, which lives on every node",
    ),
    (
        "JSON.MGET | CMS.MERGE | TDIGEST.MERGE | TS.CREATERULE | TS.DELETERULE",
        "modules",
        "the modules tell of the first key only",
    ),
    (
        "STRALGO LCS STRINGS | OBJECT HELP | MEMORY DOCTOR | MEMORY MALLOC-STATS | MEMORY PURGE | MEMORY STATS",
        "6.2.5",
        "without keys the server answers with an error",
    ),
    (
        "ZDIFFSTORE | ZINTERSTORE | ZUNIONSTORE",
        "6.2.5",
        "the server names the destination last",
    ),
    ("QUIT", "6.2.5", "the server does not call it a command"),
];

#[tokio::test]
async fn key_positions_are_those_of_every_server() {
    for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
        compare(edition).await;
    }
}

async fn compare(edition: &'static Edition) {
    let server = edition.start();
    let conn = server.connect(Protocol::Newest).await;
    let all = cases();
    let made: Vec<&Case> = all.iter().filter(|case| server.makes(case)).collect();
    let mut exceptions = Exceptions::of(UNLIKE_THE_SERVER, server.name(), &made);
    let mut wrong = Vec::new();
    for case in made {
        let spec = keys_by_spec(case);
        let known = keys_by_server(&conn, case).await;
        if known.as_ref() != Ok(&spec) && !exceptions.excuse(case) {
            wrong.push(format!("{}: {spec:?}, but there {known:?}", case.line()));
        }
    }
    wrong.extend(exceptions.unused());
    assert!(wrong.is_empty(), "{}:\n{}", server.name(), wrong.join("\n"));
}

fn keys_by_spec(case: &Case) -> Vec<String> {
    let words = case.text();
    case.keys
        .iter()
        .map(|position| words[*position].clone())
        .collect()
}

pub(crate) async fn keys_by_server(conn: &Exclusive, case: &Case) -> Result<Vec<String>, String> {
    let command = raw("COMMAND GETKEYS").args(&case.words);
    let keys = conn.run(command.reply::<Vec<String>>()).await;
    keys.or_else(|error| match error.kind() {
        ErrorKind::Server(refusal) if is_without_keys(refusal.message()) => Ok(Vec::new()),
        _ => Err(error.to_string()),
    })
}

/// Whether the refusal means that there are no keys: Redis 7.0 refuses to be asked about a single word.
fn is_without_keys(message: &str) -> bool {
    ["no key arguments", "arguments for 'command|getkeys'"]
        .iter()
        .any(|text| message.contains(text))
}
