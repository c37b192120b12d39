//! The collected commands of a chain or batch, as one payload.

use std::time::Duration;

use crate::args::Args;
use crate::chain::Outcomes;
use crate::chunk::Chunk;
use crate::command::CommandInfo;
use crate::error::{CommandName, Error, Result};
use crate::exchange::Patience;
use crate::frame::FrameRef;
use crate::from_redis::FromRedis;
use crate::inflight::{Delivery, Parts, Payload, Terms};
use crate::outgoing::Outgoing;
use crate::resp::encode::Output;
use crate::script::{Loaded, Text, is_unknown};

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Commands in order, encoded.
#[derive(Debug, Default)]
pub(crate) struct Queued {
    bytes: Outgoing,
    commands: Vec<&'static CommandInfo>,
    /// The names of those that nothing is known of, with their positions, which ascend.
    raw: Vec<(usize, CommandName)>,
    atomic: bool,
    idempotent: bool,
    /// The scripts that its commands call, each once.
    scripts: Vec<Text>,
    /// The numbers of those that are loaded before the commands.
    loads: Vec<usize>,
    /// The shortest that any of the commands was given; it bounds the whole, which is sent and answered as one.
    deadline: Option<Duration>,
    /// The first command that cannot be sent spoils the whole.
    error: Option<Error>,
}

impl Queued {
    pub(crate) fn new(atomic: bool) -> Self {
        Self {
            atomic,
            idempotent: !atomic,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// Makes room for so many more commands of the usual size of those that are there.
    pub(crate) fn reserve(&mut self, more: usize) {
        /// A number that nobody stands for makes no more room than this.
        const MOST: usize = 64 * 1024;
        let more = more.min(MOST);
        self.commands.reserve(more);
        if let Some(each) = self.bytes.len().checked_div(self.commands.len()) {
            self.bytes.reserve(each.saturating_mul(more).min(MOST * 64));
        }
    }

    /// Adds a command.
    pub(crate) fn push(&mut self, mut args: Box<Args>) {
        if !args.is_plain() {
            self.note(&mut args);
        }
        self.idempotent &= args.is_idempotent();
        self.commands.push(args.info());
        args.write_to(&mut self.bytes);
        args.retire();
    }

    /// Notes what is uncommon about the command that comes next.
    #[cold]
    fn note(&mut self, args: &mut Args) {
        let index = self.commands.len();
        if self.error.is_none() {
            let reason = args.needs_own_socket();
            self.error = match args.take_error() {
                Some(error) => Some(error.at_index(index)),
                None => reason
                    .map(|reason| Error::usage(reason).of_command(args.name()).at_index(index)),
            };
        }
        if let Some(deadline) = args.deadline() {
            self.deadline = Some(self.deadline.map_or(deadline, |known| known.min(deadline)));
        }
        if args.is_raw() {
            self.raw.push((index, args.name()));
        }
        if let Some(script) = args.called_script()
            && !self
                .scripts
                .iter()
                .any(|known| known.sha1() == script.sha1())
        {
            self.scripts.push(script.clone());
        }
    }

    /// Has the scripts loaded first that the server is not known to have.
    pub(crate) fn load_scripts(&mut self, loaded: &Loaded) {
        let missing = self.scripts.iter().enumerate();
        self.loads = missing
            .filter(|(_, script)| !loaded.contains(script))
            .map(|(number, _)| number)
            .collect();
    }

    fn loaded_first(&self) -> impl Iterator<Item = &Text> {
        self.loads
            .iter()
            .filter_map(|number| self.scripts.get(*number))
    }

    /// How many replies come before those of the commands.
    pub(crate) fn replies_of_loads(&self) -> usize {
        self.loads.len()
    }

    /// Spoils the whole.
    pub(crate) fn refuse(&mut self, text: &'static str) {
        self.error.get_or_insert_with(|| Error::usage(text));
    }

    /// Whether there is something that may be sent.
    pub(crate) fn is_sendable(&self) -> bool {
        self.error.is_none() && !self.commands.is_empty()
    }

    /// Decodes the outcome of one command; its failure gets position and name.
    pub(crate) fn decode_one<R: FromRedis>(
        &self,
        index: usize,
        outcome: Result<FrameRef<'_>>,
    ) -> Result<R> {
        self.located(index, R::from_outcome(outcome))
    }

    /// Puts position and name of a command to the failure that its reply is, or holds.
    #[inline]
    pub(crate) fn located<R: FromRedis>(&self, index: usize, reply: Result<R>) -> Result<R> {
        match reply {
            Ok(reply) => Ok(reply.describe_failure(|error| self.named(index, error))),
            Err(error) => Err(self.named(index, error)),
        }
    }

    /// Puts position and name of a command to its error.
    pub(crate) fn named(&self, index: usize, error: Error) -> Error {
        let error = error.at_index(index);
        match self.name(index) {
            Some(name) => error.of_command(name),
            None => error,
        }
    }

    fn name(&self, index: usize) -> Option<CommandName> {
        let raw = self.raw.binary_search_by_key(&index, |(index, _)| *index);
        match raw.ok().and_then(|place| self.raw.get(place)) {
            Some((_, name)) => Some(name.clone()),
            None => self.commands.get(index).map(|info| info.name.into()),
        }
    }

    /// Whether any of the commands is one that nothing is known of.
    pub(crate) fn has_raw(&self) -> bool {
        !self.raw.is_empty()
    }

    pub(crate) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// What a chain gives that was not sent: its error, or the empty tuple.
    pub(crate) fn without_sending<T>(
        &mut self,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.error.take() {
            Some(error) => Err(error),
            None => decode(&mut Outcomes::none(self)),
        }
    }

    /// Has `decode` make replies of what came back.
    pub(crate) fn decode<T>(
        &self,
        delivery: Delivery,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Result<T> {
        decode(&mut Outcomes::new(self, delivery)?)
    }
}

impl Queued {
    /// How many commands were carried out or failed for a reason of their own, and how many for want of a script.
    fn count_unknown(&self, replies: &[Chunk]) -> (usize, usize) {
        let parts = Parts {
            chunks: replies.to_vec(),
            ..Parts::default()
        };
        let Ok(mut outcomes) = Outcomes::new(self, Delivery::Parts(Box::new(parts))) else {
            return (self.len(), 0);
        };
        let mut counts = (0, 0);
        for outcome in outcomes.all().unwrap_or_default().into_iter().flatten() {
            match outcome {
                Ok(frame) if is_unknown(frame.as_bytes()) => counts.1 += 1,
                _ => counts.0 += 1,
            }
        }
        counts
    }
}

impl Payload for Queued {
    fn terms(&self) -> Terms {
        let loads = self.loaded_first().map(|script| script.source().len() + 64);
        let (frame, replies) = if self.atomic {
            (MULTI.len() + EXEC.len(), 2)
        } else {
            (0, 0)
        };
        Terms {
            bytes: self.bytes.len() + loads.sum::<usize>() + frame,
            replies: self.loads.len() + self.commands.len() + replies,
            idempotent: self.idempotent,
            blocking: false,
            patience: self.deadline.map_or(Patience::Default, Patience::Only),
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        self.loaded_first()
            .for_each(|script| script.write_load(out));
        if self.atomic {
            out.put(MULTI);
        }
        if self.scripts.is_empty() {
            self.bytes.append_to(out);
        } else {
            out.put_all(&mut self.bytes);
        }
        if self.atomic {
            out.put(EXEC);
        }
    }

    fn mend(&mut self, loaded: &Loaded, replies: &[Chunk]) -> bool {
        if self.scripts.is_empty() {
            return false;
        }
        let (carried_out, unknown) = self.count_unknown(replies);
        if unknown > 0 {
            loaded.clear();
        } else {
            self.loaded_first().for_each(|script| loaded.insert(script));
        }
        // What was loaded a moment ago and is unknown all the same is so for a reason that does not pass.
        let again = unknown > 0 && carried_out == 0 && self.loads.is_empty();
        if again {
            self.load_scripts(loaded);
        }
        again
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::trace::Summary {
        /// How many names are worth reading.
        const SHOWN: usize = 20;
        let shown = 0..self.commands.len().min(SHOWN);
        let names: Vec<String> = shown
            .filter_map(|index| self.name(index))
            .map(|name| name.to_string())
            .collect();
        let more = if self.commands.len() > SHOWN {
            "; …"
        } else {
            ""
        };
        crate::trace::Summary {
            operation: if self.atomic { "MULTI" } else { "PIPELINE" }.into(),
            text: names.join("; ") + more,
            batch: Some(self.commands.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EXEC, MULTI};
    use crate::resp::encode;

    #[test]
    fn the_frame_of_a_transaction_is_encoded_as_commands() {
        for (bytes, word) in [(MULTI, "MULTI"), (EXEC, "EXEC")] {
            let mut encoded = Vec::new();
            encode::array_header(&mut encoded, 1);
            encode::bulk(&mut encoded, word.as_bytes());
            assert_eq!(bytes, encoded);
        }
    }
}
