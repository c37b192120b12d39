//! What cannot be sent because `None` was given for an argument of an option.

use super::Args;
use crate::error::Error;

impl Args {
    /// Refuses the command: of the arguments of an option, some are `None` and some are not.
    #[cold]
    pub fn refuse_half(&mut self, option: &'static str) {
        let text = format!(
            "`{option}`: some of its arguments are `None`, others are not; give all of them or none"
        );
        self.refuse(Error::usage(text));
    }

    /// Refuses the command unless the option at this place was written, which `option` cannot be without.
    pub fn needs_part(&mut self, order: u8, option: &'static str, needed: &'static str) {
        if !self.parts.iter().any(|part| part.order() == order) {
            let text = format!(
                "`{option}` is only sent together with `{needed}`, which was left out (`None`)"
            );
            self.refuse(Error::usage(text));
        }
    }
}
