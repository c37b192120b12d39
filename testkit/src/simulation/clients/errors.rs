//! What an error may be, and what it says about its command.

use typedis_core::{Error, ErrorKind, Phase};

use super::Scene;
use crate::simulation::ledger::Outcome;

/// What the callers of a world may be told, and what they may not.
pub(super) fn outcome(scene: &Scene, error: &Error) -> Outcome {
    if !is_possible(error) {
        let text = format!("{error}: {:?}", error.kind());
        scene
            .world
            .violate("no error that has no cause in the world", text);
    } else if scene.knobs.calm && !error.is_timeout() && !is_expected(error) {
        let text = format!("{error}: {:?}", error.kind());
        scene
            .world
            .violate("where nothing breaks, nothing fails", text);
    }
    match error.phase() {
        Phase::NotSent => Outcome::NotSent,
        Phase::Refused => Outcome::Refused,
        _ => Outcome::MaybeApplied,
    }
}

/// Another client changed a watched key: this is no failure.
fn is_expected(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WatchedKeyChanged)
}

/// Whether something in such a world can be its cause.
fn is_possible(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect(_)
        | ErrorKind::ConnectionLost(_)
        | ErrorKind::Timeout
        | ErrorKind::WatchedKeyChanged => true,
        ErrorKind::Server(refusal) | ErrorKind::TransactionAborted(refusal) => {
            ["LOADING", "READONLY"].contains(&refusal.code())
        }
        ErrorKind::Handshake(refusal) => refusal.message().contains("max number of clients"),
        _ => false,
    }
}
