//! Notes what callers were told.

use typedis_core::{Error, ErrorKind, Result, Value};

use super::Scene;
use super::call::{Call, token_of};
use super::errors;
use crate::simulation::answer::decoded;
use crate::simulation::keys;
use crate::simulation::ledger::Outcome;
use crate::simulation::plan::CallKind;

/// Notes what the caller of a command was told.
pub(super) fn record(scene: &Scene, call: Call, result: Result<Value>) {
    let outcome = match result {
        Ok(value) => answered(scene, call, &value),
        Err(error) => {
            scene.world.note(9, call.token, || {
                format!("{call}: {error} ({:?})", error.phase())
            });
            Some(errors::outcome(scene, &error))
        }
    };
    if let Some(outcome) = outcome {
        let ended = scene.world.ledger().ended(call.token, outcome);
        scene.world.judge(ended);
    }
}

fn answered(scene: &Scene, call: Call, value: &Value) -> Option<Outcome> {
    let Some(answer) = decoded(value) else {
        let text = format!("{call} got {value:?}");
        scene.world.violate("replies belong to their callers", text);
        return None;
    };
    scene
        .world
        .note(10, call.token, || format!("{call} is answered"));
    if let CallKind::Get(key) = call.kind {
        if !is_of(scene, key, value) {
            let text = format!("{call} got {value:?}");
            scene.world.violate("replies belong to their callers", text);
        }
        return None;
    }
    Some(Outcome::Answered(answer))
}

/// Whether a value was written to this text at any time. It names its key, and the command that wrote it.
pub(super) fn is_of(scene: &Scene, text: usize, value: &Value) -> bool {
    let name = keys::text(text);
    let names_it = value.as_str().is_some_and(|text| text.starts_with(&name));
    let ledger = scene.world.ledger();
    let writes = ledger.writes_of(&name);
    let token = token_of(value);
    value.is_nil()
        || (names_it
            && writes.is_some_and(|writes| writes.place_of(token).is_some_and(|at| at > 0)))
}

/// Notes the outcomes of commands that were sent together.
pub(super) fn record_all(scene: &Scene, calls: &[Call], result: Result<Vec<Result<Value>>>) {
    match result {
        Ok(replies) => {
            for (call, reply) in calls.iter().zip(replies) {
                record(scene, *call, reply);
            }
        }
        Err(error) => record_failure(scene, calls, &error),
    }
}

/// Notes the outcomes of the commands of a transaction, which are carried out together.
pub(super) fn record_transaction(scene: &Scene, calls: &[Call], result: Result<Vec<Value>>) {
    match result {
        Ok(values) => record_all(scene, calls, Ok(values.into_iter().map(Ok).collect())),
        Err(error) if is_of_all(&error) => {
            let outcome = errors::outcome(scene, &error);
            calls
                .iter()
                .for_each(|call| fails(scene, *call, &error, outcome.clone()));
        }
        Err(error) => record_failure(scene, calls, &error),
    }
}

/// Whether a transaction failed as a whole, and not only one of its commands when EXEC carried them out.
fn is_of_all(error: &Error) -> bool {
    error.index().is_none() || matches!(error.kind(), ErrorKind::TransactionAborted(_))
}

/// Notes the failure of several commands. If it names one of them, what became of the others is not known.
pub(super) fn record_failure(scene: &Scene, calls: &[Call], error: &Error) {
    let outcome = errors::outcome(scene, error);
    for (index, call) in calls.iter().enumerate() {
        let outcome = match (&outcome, error.index()) {
            (Outcome::NotSent, None) => Outcome::NotSent,
            (outcome, Some(failed)) if failed == index => outcome.clone(),
            _ => Outcome::Unknown,
        };
        fails(scene, *call, error, outcome);
    }
}

fn fails(scene: &Scene, call: Call, error: &Error, outcome: Outcome) {
    scene.world.note(9, call.token, || {
        format!("{call}: {error} ({:?})", error.phase())
    });
    let ended = scene.world.ledger().ended(call.token, outcome);
    scene.world.judge(ended);
}
