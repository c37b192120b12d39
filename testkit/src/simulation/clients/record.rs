//! Notes what callers were told.

use typedis_core::{Error, Result, Value};

use super::Scene;
use super::call::Call;
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
        // The value names its key.
        let name = keys::text(key);
        if !value.is_nil() && !value.as_str().is_some_and(|text| text.starts_with(&name)) {
            let text = format!("{call} got {value:?}");
            scene.world.violate("replies belong to their callers", text);
        }
        return None;
    }
    Some(Outcome::Answered(answer))
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

/// Notes the failure of several commands: of which one it is may not be known.
pub(super) fn record_failure(scene: &Scene, calls: &[Call], error: &Error) {
    let outcome = errors::outcome(scene, error);
    for call in calls {
        scene.world.note(9, call.token, || {
            format!("{call}: {error} ({:?})", error.phase())
        });
        let outcome = match outcome {
            Outcome::NotSent if error.index().is_none() => Outcome::NotSent,
            _ => Outcome::Unknown,
        };
        let ended = scene.world.ledger().ended(call.token, outcome);
        scene.world.judge(ended);
    }
}
