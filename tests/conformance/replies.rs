//! Live replies, against the declared types: every call, where it finds something, nothing, and too little.

use std::collections::BTreeMap;

use typedis::prelude::*;
use typedis::{ErrorKind, Protocol};

use crate::cases::{Case, cases};
use crate::seeds::{Found, seeds};
use crate::server::Known;

/// Calls that no server answers with anything but an error here, and why.
const ONLY_ERRORS: [(&str, &str); 0] = [];

/// Calls that are not made at all, and why.
const NOT_CALLED: [(&str, &str); 0] = [];

#[tokio::test]
async fn replies_of_valkey_decode_in_resp2() {
    decode_all(&Known::valkey(), Protocol::Resp2).await;
}

#[tokio::test]
async fn replies_of_valkey_decode_in_resp3() {
    decode_all(&Known::valkey(), Protocol::Newest).await;
}

#[tokio::test]
async fn replies_of_redis_decode_in_resp2() {
    decode_all(&Known::redis(), Protocol::Resp2).await;
}

#[tokio::test]
async fn replies_of_redis_decode_in_resp3() {
    decode_all(&Known::redis(), Protocol::Newest).await;
}

async fn decode_all(server: &Known, protocol: Protocol) {
    let mut wrong = Vec::new();
    // Per call: the errors that the server answered, until it answers something else.
    let mut unanswered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut conn = server.connect(protocol).await;
    for case in cases()
        .iter()
        .filter(|case| server.has(case) && !is_listed(&NOT_CALLED, case))
    {
        let mut errors = Vec::new();
        let mut answered = false;
        for found in Found::ALL {
            if conn.is_closed() {
                conn = server.connect(protocol).await;
            }
            prepare(&conn, case, found).await;
            match outcome(server, protocol, &conn, case).await {
                Outcome::Decoded => answered = true,
                Outcome::Refused(error) => errors.push(error),
                Outcome::Unfit(error) => wrong.push(format!(
                    "{} ({found:?}) as {}: {error}",
                    case.line(),
                    case.reply
                )),
            }
        }
        if !answered && !is_listed(&ONLY_ERRORS, case) {
            unanswered.insert(case.line(), errors);
        }
    }
    let name = server.name();
    assert!(
        wrong.is_empty(),
        "{name} in {protocol:?}: {} replies do not fit:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        unanswered.is_empty(),
        "{name} in {protocol:?} answers only errors: {unanswered:#?}"
    );
}

fn is_listed(list: &[(&str, &str)], case: &Case) -> bool {
    list.iter().any(|(command, _)| *command == case.command)
}

async fn prepare(conn: &Exclusive, case: &Case, found: Found) {
    let flush: Result<(), _> = conn.run(raw("FLUSHALL").reply()).await;
    flush.expect("the server can be flushed");
    for line in seeds(case.group, case.command, found) {
        let words = line
            .split(' ')
            .map(|word| if word == "\"\"" { "" } else { word });
        let mut words = words.map(str::to_owned);
        let command = raw(&words.next().unwrap_or_default()).args(words.collect::<Vec<_>>());
        let seeded = conn.run(command.reply::<typedis::Value>()).await;
        seeded.unwrap_or_else(|error| panic!("the seed {line} is refused: {error}"));
    }
}

enum Outcome {
    Decoded,
    Refused(String),
    Unfit(String),
}

async fn outcome(server: &Known, protocol: Protocol, conn: &Exclusive, case: &Case) -> Outcome {
    let own = if case.changes_its_connection() {
        Some(server.connect(protocol).await)
    } else {
        None
    };
    let reply = own.as_ref().unwrap_or(conn).execute((case.build)()).await;
    let decoded = reply.and_then(|frame| (case.decode)(&frame));
    match decoded {
        Ok(()) => Outcome::Decoded,
        Err(error) if matches!(error.kind(), ErrorKind::Server(_)) => {
            Outcome::Refused(error.to_string())
        }
        Err(error) => Outcome::Unfit(error.to_string()),
    }
}
