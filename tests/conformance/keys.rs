//! Which words are keys, against COMMAND GETKEYS.

use typedis::prelude::*;
use typedis::{ErrorKind, Protocol};

use crate::cases::{Case, cases};
use crate::server::Known;

/// Commands whose servers are wrong about them, or silent.
const UNLIKE_THE_SERVER: [(&str, &str); 0] = [];

#[tokio::test]
async fn key_positions_are_those_of_valkey() {
    compare(&Known::valkey()).await;
}

#[tokio::test]
async fn key_positions_are_those_of_redis() {
    compare(&Known::redis()).await;
}

async fn compare(server: &Known) {
    let conn = server.connect(Protocol::Newest).await;
    let mut wrong = Vec::new();
    for case in cases().iter().filter(|case| server.has(case)) {
        if UNLIKE_THE_SERVER
            .iter()
            .any(|(command, _)| *command == case.command)
        {
            continue;
        }
        match keys_by_server(&conn, case).await {
            Ok(keys) if keys == keys_by_spec(case) => {}
            other => wrong.push(format!(
                "{}: the spec says {:?}, {} says {other:?}",
                case.line(),
                text(&keys_by_spec(case)),
                server.name()
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn keys_by_spec(case: &Case) -> Vec<Vec<u8>> {
    case.keys
        .iter()
        .filter_map(|position| case.words.get(*position).cloned())
        .collect()
}

async fn keys_by_server(conn: &Exclusive, case: &Case) -> Result<Vec<Vec<u8>>, String> {
    let keys = conn
        .run(
            raw("COMMAND GETKEYS")
                .args(&case.words)
                .reply::<Vec<Vec<u8>>>(),
        )
        .await;
    keys.or_else(|error| match error.kind() {
        ErrorKind::Server(refusal) if refusal.message().contains("no key arguments") => {
            Ok(Vec::new())
        }
        _ => Err(error.to_string()),
    })
}

fn text(words: &[Vec<u8>]) -> Vec<String> {
    words
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}
