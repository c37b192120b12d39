//! The names of the markers that stand for an option in the type of its builder.

use crate::model::{Command, OptionId, names};

/// The name of an option's marker.
pub(super) fn marker(command: &Command, id: OptionId) -> Option<String> {
    Some(names::camel(&command.options.get(id)?.method))
}
