//! The names of the markers that stand for an option in the type of its builder.

use crate::model::states::State;
use crate::model::{Command, names};

/// The name of an option's marker.
pub(super) fn marker(command: &Command, state: State) -> Option<String> {
    let State::Option(id) = state else {
        return None;
    };
    Some(names::camel(&command.options.get(id)?.method))
}
