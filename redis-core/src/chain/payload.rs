//! The collected commands of a chain or batch, as one payload.

use std::sync::Arc;
use std::time::Duration;

use super::commands::Commands;
use super::gathered::Gathered;
use super::noting::{Names, Noting};
use super::outcomes::{Outcomes, refusal_of_all, refused_loads};
use super::routing::Routing;
use super::touched::Touched;
use crate::command::prefix::Prefix;
use crate::command::script_text::{Loaded, ScriptTextRef, is_unknown};
use crate::command::{ASKING, Args, Keys};
use crate::engine::inflight::{Delivery, Hold, Parts, Patience, Payload, Terms};
use crate::error::{Error, Result, ServerError, ServerVersion};
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;
use crate::wire::{Chunk, fixed_command};

const MULTI: &[u8] = fixed_command!("MULTI");
const EXEC: &[u8] = fixed_command!("EXEC");

/// Commands in order, encoded.
#[derive(Debug, Default)]
pub(crate) struct ChainPayload {
    bytes: Outgoing,
    commands: Commands,
    /// Whether sending all of it twice has the same effect and the same replies as sending it once.
    idempotent: bool,
    /// Whether its commands only read.
    only_reads: bool,
    /// The scripts that its commands call, each once.
    scripts: Vec<ScriptTextRef>,
    /// The shortest deadline of any of the commands. It applies to all of them, because they are sent and
    /// answered together.
    deadline: Option<Duration>,
    /// Whether that is what is left of the usual time.
    is_rest: bool,
    /// The error of the first command that cannot be sent; then nothing is sent.
    error: Option<Error>,
    /// What is noted about the commands for the handle, and done to them; `None` on most sockets.
    noting: Option<Box<Noting>>,
    /// Whether ASKING is sent before MULTI.
    asking: bool,
    /// Whether it may have to be written again, whatever its replies are.
    stays: bool,
    /// Whether it may be a transaction that depends on watched keys, so that it must not be sent twice.
    watched: bool,
}

impl ChainPayload {
    pub(crate) fn new(atomic: bool) -> Self {
        Self {
            commands: Commands::new(atomic),
            idempotent: !atomic,
            only_reads: !atomic,
            ..Self::default()
        }
    }

    /// The same for a carrier that has to know more about its commands.
    pub(super) fn noting(self, noting: Option<Box<Noting>>) -> Self {
        Self { noting, ..self }
    }

    /// The same for a handle that puts a prefix before names.
    pub(crate) fn prefixed(mut self, prefix: &Arc<Prefix>) -> Self {
        self.noting.get_or_insert_default().names = Some(Names::new(prefix.clone()));
        self
    }

    /// What has to be noted about the keys of its commands.
    pub(super) fn keys(&self) -> Keys {
        self.noting
            .as_ref()
            .map_or(Keys::Ignored, |noting| noting.keys())
    }

    pub(super) fn take_touched(&mut self) -> Option<Touched> {
        self.noting.as_mut()?.touched.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// The list of the commands.
    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Reserves room for `more` commands, of the average size of those that are there.
    pub(crate) fn reserve(&mut self, more: usize) {
        /// The most that a size hint reserves, because a caller's iterator may give a wrong one.
        const MOST: usize = 64 * 1024;
        let more = more.min(MOST);
        self.commands.reserve(more);
        if let Some(noting) = &mut self.noting
            && let Some(Routing::Each(singles)) = &mut noting.routing
        {
            singles.reserve(more);
        }
        if let Some(each) = self.bytes.len().checked_div(self.commands.len()) {
            self.bytes.reserve(each.saturating_mul(more).min(MOST * 64));
        }
    }

    /// Adds a command.
    pub(crate) fn push(&mut self, mut args: Box<Args>) {
        if self.noting.is_some() {
            return self.push_noted(args);
        }
        self.enlist(&mut args);
        args.write_to(&mut self.bytes);
        args.retire();
    }

    /// Adds a command to the list.
    #[inline]
    fn enlist(&mut self, args: &mut Args) {
        if !args.is_plain() {
            self.note(args);
        }
        self.note_repeatable(args);
        self.commands.push(args.info(), args.needed());
    }

    /// Notes whether all may still be repeated. Only the first command may be one that writes: a second write may change what a
    /// command before it sees when that is repeated, even if each of them alone could be.
    #[inline]
    fn note_repeatable(&mut self, args: &Args) {
        let (reads, repeatable) = (args.info().readonly, args.is_idempotent());
        if reads && repeatable {
            return;
        }
        self.only_reads = false;
        self.idempotent &= repeatable && (reads || self.commands.len() == 0);
    }

    /// Adds a command of which something is noted.
    fn push_noted(&mut self, mut args: Box<Args>) {
        let index = self.commands.len();
        if let Some(noting) = &mut self.noting
            && let Some(names) = &mut noting.names
        {
            names.enter(index, &mut args);
        }
        self.enlist(&mut args);
        let Some(noting) = &mut self.noting else {
            return;
        };
        if let Some(touched) = &mut noting.touched {
            touched.note(&args);
        }
        match &mut noting.routing {
            Some(Routing::Each(singles)) => return singles.push(args),
            Some(Routing::Together(slot)) => {
                if let Err(error) = slot.join(&args) {
                    let error = error.of_command(args.name()).at_index(index);
                    self.error.get_or_insert(error);
                }
            }
            None => {}
        }
        args.write_to(&mut self.bytes);
        args.retire();
    }

    /// Takes what a cluster has to know about the commands.
    pub(crate) fn take_routing(&mut self) -> Option<Routing> {
        self.stays = true;
        self.noting.as_mut()?.routing.take()
    }

    /// How long its commands may take together.
    pub(crate) fn patience(&self) -> Patience {
        match self.deadline {
            None => Patience::Default,
            Some(left) if self.is_rest => Patience::Rest(left),
            Some(deadline) => Patience::Only(deadline),
        }
    }

    /// Some of its time has passed before it is sent.
    pub(crate) fn end_within(&mut self, left: Duration) {
        self.is_rest |= self.deadline.is_none();
        self.deadline = Some(left);
    }

    /// Says whether the transaction is for a node that is about to get the slot of its keys.
    pub(crate) fn set_asking(&mut self, asking: bool) {
        self.asking = asking;
        self.commands.set_asking(asking);
    }

    /// Notes what is special about the next command.
    #[cold]
    fn note(&mut self, args: &mut Args) {
        let index = self.commands.len();
        if self.error.is_none() {
            let reason = args.conduct().unfit_for_shared();
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
            self.commands.note_raw(args.name());
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

    /// Whether any of the commands calls a script by its SHA-1.
    pub(super) fn calls_scripts(&self) -> bool {
        !self.scripts.is_empty()
    }

    /// Notes whether keys may be watched on its socket.
    pub(super) fn set_watched(&mut self, watched: bool) {
        self.watched = watched && self.commands.is_atomic();
    }

    /// Makes the server load the scripts first that it may not have. A watched transaction brings all of its scripts: if
    /// one were missing, EXEC would have ended the watch, and what is sent again would be carried out without it.
    pub(crate) fn load_scripts(&mut self, loaded: &Loaded) {
        let missing = self.scripts.iter().enumerate();
        let loads = missing
            .filter(|(_, script)| self.watched || !loaded.contains(script))
            .map(|(number, _)| number)
            .collect();
        self.commands.load_first(loads);
    }

    fn loaded_first(&self) -> impl Iterator<Item = &ScriptTextRef> {
        self.commands
            .loaded_first()
            .iter()
            .filter_map(|number| self.scripts.get(*number))
    }

    /// Notes which server answered.
    pub(crate) fn answered_by(&mut self, server: Option<ServerVersion>) {
        self.commands.answered_by(server);
    }

    /// Makes all of it fail with this error; nothing is sent.
    pub(crate) fn refuse(&mut self, text: &'static str) {
        self.error.get_or_insert_with(|| Error::usage(text));
    }

    /// Whether there is something to send, and it may be sent.
    pub(crate) fn is_sendable(&self) -> bool {
        self.error.is_none() && self.commands.len() > 0
    }

    /// The result of a chain that was not sent: its error, or the empty tuple.
    pub(crate) fn without_sending<T>(
        &mut self,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.error.take() {
            Some(error) => Err(error),
            None => decode(&mut Outcomes::none(&self.commands)),
        }
    }

    /// Decodes the replies with `decode`.
    pub(crate) fn decode<T>(
        &self,
        delivery: Delivery,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Result<T> {
        decode(&mut self.named(Outcomes::new(&self.commands, delivery)?))
    }

    /// The outcomes as the handle shows them: without a prefix in the names.
    fn named<'q>(&'q self, outcomes: Outcomes<'q>) -> Outcomes<'q> {
        match self
            .noting
            .as_ref()
            .and_then(|noting| noting.names.as_ref())
        {
            Some(names) => names.leave(outcomes),
            None => outcomes,
        }
    }
}

impl ChainPayload {
    /// Why the server executed nothing of a transaction, according to its replies.
    pub(crate) fn refusal_of_all(&self, replies: &[Chunk]) -> Option<ServerError> {
        refusal_of_all(&self.commands, replies)
    }

    /// Decodes what came from the nodes of a cluster.
    pub(crate) fn decode_gathered<T>(
        &self,
        gathered: Gathered,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Result<T> {
        match gathered {
            Gathered::Each(each) => {
                decode(&mut self.named(Outcomes::of_each(&self.commands, each)))
            }
            Gathered::Together(delivery) => self.decode(delivery, decode),
            Gathered::Refused(error) => Err(error),
        }
    }

    /// How many commands were carried out or failed for another reason, and how many failed because a script was
    /// missing.
    fn count_unknown(&self, replies: &[Chunk]) -> (usize, usize) {
        let parts = Parts {
            chunks: replies.to_vec(),
            ..Parts::default()
        };
        let Ok(mut outcomes) = Outcomes::new(&self.commands, Delivery::Parts(Box::new(parts)))
        else {
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

impl Payload for ChainPayload {
    fn terms(&self) -> Terms {
        let loads = self.loaded_first().map(|script| script.source().len() + 64);
        let (frame, replies) = if self.commands.is_atomic() {
            (MULTI.len() + EXEC.len() + ASKING.len(), 2)
        } else {
            (0, 0)
        };
        Terms {
            bytes: self.bytes.len() + loads.sum::<usize>() + frame,
            replies: self.commands.replies_before() + self.commands.len() + replies,
            idempotent: self.idempotent,
            hold: Hold::None,
            patience: self.patience(),
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        self.loaded_first()
            .for_each(|script| script.write_load(out));
        if self.asking {
            // It holds for the whole transaction.
            out.put(ASKING);
        }
        if self.commands.is_atomic() {
            out.put(MULTI);
        }
        if self.scripts.is_empty() && !self.stays {
            self.bytes.append_to(out);
        } else {
            out.put_all(&mut self.bytes);
        }
        if self.commands.is_atomic() {
            out.put(EXEC);
        }
    }

    fn is_bound(&self) -> bool {
        self.scripts.len() > self.commands.replies_of_loads()
    }

    fn runs_code(&self) -> bool {
        !self.scripts.is_empty() || self.commands.may_run_code()
    }

    fn goes_again_in_part(&self) -> bool {
        self.only_reads
    }

    fn rebind(&mut self, loaded: &Loaded) -> bool {
        if !self.scripts.is_empty() {
            self.load_scripts(loaded);
        }
        !self.scripts.is_empty()
    }

    fn mend(&mut self, loaded: &Loaded, replies: &[Chunk]) -> bool {
        if self.scripts.is_empty() {
            return false;
        }
        let (carried_out, unknown) = self.count_unknown(replies);
        if unknown > 0 {
            loaded.clear();
        } else {
            let refused = refused_loads(&self.commands, replies);
            let scripts = self.loaded_first().zip(refused);
            // One that does not compile is not there, whatever the others are.
            let taken = scripts.filter(|(_, refused)| !refused);
            taken.for_each(|(script, _)| loaded.insert(script));
        }
        // If all scripts were loaded in this same write and one is unknown all the same, sending again would not
        // help.
        let harmless = carried_out == 0 || self.only_reads;
        let again = unknown > 0 && harmless && self.is_bound();
        if again {
            self.load_scripts(loaded);
        }
        again
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        /// The most command names that are listed.
        const SHOWN: usize = 20;
        let shown = 0..self.commands.len().min(SHOWN);
        let names: Vec<String> = shown
            .filter_map(|index| self.commands.name(index))
            .map(|name| name.to_string())
            .collect();
        let more = if self.commands.len() > SHOWN {
            "; …"
        } else {
            ""
        };
        crate::engine::inflight::Summary {
            operation: if self.commands.is_atomic() {
                "MULTI"
            } else {
                "PIPELINE"
            }
            .into(),
            text: names.join("; ") + more,
            batch: Some(self.commands.len()),
        }
    }

    #[cfg(feature = "tracing")]
    fn first_error(&self, replies: &[Chunk]) -> Option<ServerError> {
        let parts = Parts {
            chunks: replies.to_vec(),
            ..Parts::default()
        };
        let first = |mut outcomes: Outcomes<'_>| outcomes.first_failure();
        let delivery = Delivery::Parts(Box::new(parts));
        let failure = Outcomes::new(&self.commands, delivery).map_or_else(Some, first)?;
        failure.server().cloned()
    }
}
