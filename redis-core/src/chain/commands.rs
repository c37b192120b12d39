//! The list of the commands of a chain or batch: [`Commands`].

use crate::command::CommandInfo;
use crate::error::{CommandName, Error, Requirement, Result, ServerError, ServerVersion};
use crate::reply::{FrameRef, FromRedis};

/// What is known about the commands of a chain once they are encoded.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    infos: Vec<&'static CommandInfo>,
    /// The names of raw commands, with their positions, which ascend.
    raw: Vec<(usize, CommandName)>,
    /// The newer options of the commands that have some, with their positions, which ascend.
    needed: Vec<(usize, u32)>,
    /// The server that answered, if it introduced itself.
    server: Option<ServerVersion>,
    atomic: bool,
    /// The numbers of the scripts that are loaded before the commands.
    loads: Vec<usize>,
    /// Whether ASKING comes right before MULTI.
    asking: bool,
}

impl Commands {
    pub(super) fn new(atomic: bool) -> Self {
        Self {
            atomic,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.infos.len()
    }

    /// Reserves room for `more` commands.
    pub(super) fn reserve(&mut self, more: usize) {
        self.infos.reserve(more);
    }

    /// Adds a command.
    pub(super) fn push(&mut self, info: &'static CommandInfo, needed: u32) {
        if needed != 0 {
            self.needed.push((self.infos.len(), needed));
        }
        self.infos.push(info);
    }

    /// Notes which server answered.
    pub(super) fn answered_by(&mut self, server: Option<ServerVersion>) {
        self.server = server;
    }

    /// Notes that the command that comes next is a raw one.
    pub(super) fn note_raw(&mut self, name: CommandName) {
        self.raw.push((self.infos.len(), name));
    }

    /// Whether any of the commands is a raw one.
    pub(crate) fn has_raw(&self) -> bool {
        !self.raw.is_empty()
    }

    /// Whether any of the commands may run code.
    pub(super) fn may_run_code(&self) -> bool {
        self.infos.iter().any(|info| info.may_run_code())
    }

    /// Whether the server executes all of them as one.
    pub(crate) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// Sets which scripts are loaded before the commands.
    pub(super) fn load_first(&mut self, loads: Vec<usize>) {
        self.loads = loads;
    }

    /// The numbers of the scripts that are loaded before the commands.
    pub(super) fn loaded_first(&self) -> &[usize] {
        &self.loads
    }

    /// Says whether ASKING comes right before MULTI.
    pub(super) fn set_asking(&mut self, asking: bool) {
        self.asking = asking;
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking
    }

    /// How many replies come before those of MULTI and of the commands.
    pub(super) fn replies_before(&self) -> usize {
        self.loads.len() + usize::from(self.asking)
    }

    /// How many of these replies are to the loading of scripts; they come first.
    pub(super) fn replies_of_loads(&self) -> usize {
        self.loads.len()
    }

    /// Decodes the outcome of one command; its failure gets position and name.
    pub(crate) fn decode_one<R: FromRedis>(
        &self,
        index: usize,
        outcome: Result<FrameRef<'_>>,
    ) -> Result<R> {
        self.located(index, R::from_outcome(outcome))
    }

    /// Adds the position and name of the command to its failure, if the reply is one or holds one.
    #[inline]
    pub(super) fn located<R: FromRedis>(&self, index: usize, reply: Result<R>) -> Result<R> {
        match reply {
            Ok(mut reply) => {
                reply.describe_failure(|error| self.named(index, error));
                Ok(reply)
            }
            Err(error) => Err(self.named(index, error)),
        }
    }

    /// Adds the position and name of a command to its error.
    pub(super) fn named(&self, index: usize, error: Error) -> Error {
        let error = error.at_index(index);
        let error = error.explained(|refusal| self.requirement(index, refusal));
        match self.name(index) {
            Some(name) => error.of_command(name),
            None => error,
        }
    }

    /// What explains that the server refused a command.
    fn requirement(&self, index: usize, refusal: &ServerError) -> Option<Requirement> {
        let needed = self
            .needed
            .binary_search_by_key(&index, |(index, _)| *index);
        let needed = needed.ok().and_then(|place| self.needed.get(place));
        let needed = needed.map_or(0, |(_, needed)| *needed);
        let info = self.infos.get(index)?;
        info.requirement(needed, self.server, refusal)
    }

    /// The name of a command.
    pub(super) fn name(&self, index: usize) -> Option<CommandName> {
        let raw = self.raw.binary_search_by_key(&index, |(index, _)| *index);
        match raw.ok().and_then(|place| self.raw.get(place)) {
            Some((_, name)) => Some(name.clone()),
            None => self.infos.get(index).map(|info| info.name.into()),
        }
    }
}
