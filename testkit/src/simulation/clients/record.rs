//! Notes what callers were told.

use typedis_core::{Error, ErrorKind, Result, Value};

use super::Scene;
use super::call::{Call, token_of};
use super::errors;
use crate::simulation::answer::decoded;
use crate::simulation::keys;
use crate::simulation::ledger::{Ledger, Outcome};
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

/// Whether a value was written to this text at any time.
pub(super) fn is_of(scene: &Scene, text: usize, value: &Value) -> bool {
    place_of(&scene.world.ledger(), text, value).is_some()
}

/// The place of the write that this value of a text shows; 0 stands for none, and nil is shown before the first and since the key
/// was lost. `None` if nobody has written it: a value names its key, and the command that wrote it.
pub(super) fn place_of(ledger: &Ledger, text: usize, value: &Value) -> Option<usize> {
    let key = keys::text(text);
    let writes = ledger.writes_of(&key);
    if value.is_nil() {
        return writes.map_or(Some(0), |writes| writes.place_of(None));
    }
    let token = token_of(value)?;
    let names_both = value.as_str() == Some(format!("{key}#{token}").as_str());
    writes
        .filter(|_| names_both)
        .and_then(|writes| writes.place_of(Some(token)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_its_key_and_a_command_that_wrote_it() {
        let mut ledger = Ledger::default();
        let key = keys::text(0);
        let [token, other] = [(); 2].map(|()| ledger.issue(0, "SET", true));
        let shown = |ledger: &Ledger, text: &str| {
            let value = Value::Bulk(text.to_owned().into());
            place_of(ledger, 0, &value)
        };
        let written = format!("{key}#{token}");
        assert_eq!(place_of(&ledger, 0, &Value::Nil), Some(0));
        assert_eq!(shown(&ledger, &written), None);
        ledger.wrote(key.as_bytes(), token);
        // Now its absence is among what has happened to the key, but no text stands for it.
        ledger.forgot_all();
        assert_eq!(place_of(&ledger, 0, &Value::Nil), Some(2));
        assert_eq!(shown(&ledger, &written), Some(1));
        for wrong in [
            String::new(),
            key.clone(),
            format!("{key}#"),
            format!("{key}#{other}"),
            format!("{key}x#{token}"),
            format!("{}#{token}", keys::text(1)),
        ] {
            assert_eq!(shown(&ledger, &wrong), None, "{wrong}");
        }
    }
}
