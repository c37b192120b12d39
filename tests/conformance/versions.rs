//! What a server is too old for: its refusal says what is needed, and what is there.

use typedis::prelude::*;
use typedis::{Detached, ErrorKind, Protocol, Request, Value};

use crate::cases::{Case, cases};
use crate::exceptions::{Exception, Exceptions};
use crate::own::arrangement;
use crate::seeds::{Found, seeds};
use crate::server::{Edition, USUAL};

/// Calls of the future that a server of today answers, or refuses for another reason.
const NOT_REFUSED: &[Exception] = &[];

/// Every command and option that came after a server is called there, alone and in a pipeline.
#[tokio::test]
async fn what_a_server_is_too_old_for_is_named_with_what_it_needs() {
    let mut wrong = Vec::new();
    for edition in USUAL.into_iter().filter(|edition| edition.is_here()) {
        for edition in [Edition::clone(edition), edition.node()] {
            wrong.extend(compare(&edition).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn compare(edition: &Edition) -> Vec<String> {
    let server = edition.builder().start().expect("the server starts");
    let conn = crate::moments::connect(&server, Protocol::Newest).await;
    let all = cases();
    let later: Vec<&Case> = all
        .iter()
        .filter(|case| edition.is_too_old_for(case) && arrangement(case).is_none())
        .collect();
    let mut exceptions = Exceptions::of(NOT_REFUSED, edition.name(), &later);
    let mut wrong = Vec::new();
    for case in later {
        // Where there is nothing, an old server may not look at the options.
        conn.flushall().await.expect("nothing is in the way");
        for words in seeds(case, Found::Hit) {
            let seed = raw(&words[0]).args(&words[1..]).reply::<Value>();
            // It may be too old for that as well.
            let _ = conn.run(seed).await;
        }
        let request = || Request::<_, Value>::from_args(Detached, (case.build)());
        let alone = conn.run(request()).await;
        let mut batch = conn.batch();
        let handle = batch.push(request());
        let together = match batch.execute().await {
            Ok(mut replies) => replies.take(handle),
            // What needs a socket of its own has no place in a batch.
            Err(_) => continue,
        };
        for outcome in [alone, together] {
            let text = match outcome {
                Ok(reply) => format!("{reply:?}"),
                Err(error) if is_explained(&error, case, edition) => continue,
                Err(error) => error.to_string(),
            };
            if !exceptions.excuse(case) {
                wrong.push(format!("{}: {}: {text}", edition.name(), case.line()));
            }
        }
    }
    wrong.extend(exceptions.unused());
    wrong
}

/// Whether an error says what the command needs, and which server this is.
fn is_explained(error: &typedis::Error, case: &Case, edition: &Edition) -> bool {
    let Some(requirement) = error.requirement() else {
        return false;
    };
    let text = error.to_string();
    let since = requirement.since().to_string();
    let server = edition.name().trim_end_matches(" with modules");
    matches!(error.kind(), ErrorKind::Server(_))
        && requirement.command() == case.command
        && text.contains(&format!("{} needs ", case.command))
        && (text.contains(&since) || text.contains("a module"))
        && text.ends_with(&format!("; this server is {server}"))
}
