//! What an error may be, and what it says about its command.

use typedis_core::{ClusterCause, Error, ErrorKind, Phase};

use super::Scene;
use crate::simulation::ledger::Outcome;

/// What the callers of a world may be told, and what they may not.
pub(super) fn outcome(scene: &Scene, error: &Error) -> Outcome {
    if let (ErrorKind::Timeout, Some(early)) = (error.kind(), scene.excuses.time_left()) {
        let text = format!("{error}: {early:?} too early");
        scene
            .world
            .violate("nothing times out before its deadline", text);
    } else if matches!(error.kind(), ErrorKind::Closed) && !scene.may_close {
        scene
            .world
            .violate("what nobody closed stays open", error.to_string());
    } else if !is_possible(scene, error) {
        let text = format!("{error}: {:?}", error.kind());
        scene
            .world
            .violate("no error that has no cause in the world", text);
    } else if scene.knobs.calm && !is_expected(scene, error) {
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
fn is_expected(scene: &Scene, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::WatchedKeyChanged | ErrorKind::Closed => true,
        ErrorKind::Timeout => scene.excuses.may_time_out(),
        ErrorKind::Server(refusal) | ErrorKind::TransactionAborted(refusal) => {
            scene.excuses.sees_redirects() && ["MOVED", "ASK", "TRYAGAIN"].contains(&refusal.code())
        }
        _ => false,
    }
}

/// The caller of an open transaction did not wait for the command that was refused within it. Other transactions say
/// themselves which of their commands it was.
fn is_abort_of_open(scene: &Scene, error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Server(refusal) if refusal.code() == "EXECABORT" && !scene.knobs.calm)
}

/// Whether something in such a world can be its cause.
fn is_possible(scene: &Scene, error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Connect(_)
        | ErrorKind::ConnectionLost(_)
        | ErrorKind::Timeout
        | ErrorKind::Closed => true,
        ErrorKind::WatchedKeyChanged => scene.watches,
        ErrorKind::Sentinel(_) => scene.knobs.kind.service().is_some(),
        ErrorKind::Server(refusal) | ErrorKind::TransactionAborted(refusal) => {
            let is_cluster = scene.knobs.kind.cluster().is_some();
            let is_group = is_cluster || scene.knobs.kind.service().is_some();
            let of_cluster = ["CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK"];
            ["LOADING", "READONLY"].contains(&refusal.code())
                || is_abort_of_open(scene, error)
                || (is_cluster && of_cluster.contains(&refusal.code()))
                || (is_group && refusal.message().starts_with("force unblock"))
        }
        // The nodes did not agree for as long as a scan may wait.
        ErrorKind::Cluster(reason) => reason.cause() == ClusterCause::Unsettled,
        ErrorKind::Handshake(refusal) => refusal.message().contains("max number of clients"),
        _ => false,
    }
}
