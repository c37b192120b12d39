//! Which command an error is of: [`Blame`].

use super::args::Args;
use super::info::CommandInfo;
use crate::error::{CommandName, Error, ServerVersion};

/// What an error says of its command. It is kept while the command is on its way, whose arguments are gone by then.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    name: CommandName,
    info: &'static CommandInfo,
    /// Its newer options: see [`CommandInfo::newer`].
    needed: u32,
}

impl Blame {
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            name: args.name(),
            info: args.info(),
            needed: args.needed(),
        }
    }

    /// The name of the command.
    pub(crate) fn name(&self) -> &CommandName {
        &self.name
    }

    /// Puts to an error which command it is of, and what that needs of the server that refused it.
    #[cold]
    pub(crate) fn explain(&self, error: Error, server: Option<ServerVersion>) -> Error {
        let error = self.info.explain(self.needed, server, error);
        error.of_command(self.name.clone())
    }
}
