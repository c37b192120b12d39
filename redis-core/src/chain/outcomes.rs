//! From the replies to a chain to one outcome per command.

use std::cmp::Reverse;

use bytes::Bytes;

use super::commands::Commands;
use super::gathered::{ByNode, EachOutcome, EachReply};
use super::pieces::Pieces;
use crate::command::script_text::is_unknown;
use crate::engine::inflight::{Delivery, Failure};
use crate::error::{Error, ErrorKind, Phase, Result, ServerError};
use crate::reply::{Frame, FrameRef, FromRedis, Reply};
use crate::runtime::planted::Planted;
use crate::wire::Chunk;

/// What stands for a reply that is replaced by an error.
const NIL: &[u8] = b"_\r\n";

/// The outcomes of a chain's commands, taken one after another.
#[derive(Debug)]
pub struct Outcomes<'q> {
    commands: &'q Commands,
    index: usize,
    source: Source,
    /// Why some commands have no reply.
    failure: Option<Failure>,
    /// Why a script could not be loaded.
    not_loaded: Option<ServerError>,
    /// Why single commands have no reply, by their positions; the last comes first.
    failures: Vec<(usize, Error)>,
}

/// Where the replies are.
#[derive(Debug)]
enum Source {
    /// In the order of the commands.
    InOrder(Pieces),
    /// As several nodes sent them.
    ByNode(ByNode),
}

impl Source {
    /// The replies of which the next one is that of the command.
    #[inline]
    fn of(&mut self, command: usize) -> Option<&mut Pieces> {
        match self {
            Self::InOrder(pieces) => Some(pieces),
            Self::ByNode(nodes) => nodes.of(command),
        }
    }
}

impl<'q> Outcomes<'q> {
    /// For a chain that had nothing to send.
    pub(crate) fn none(commands: &'q Commands) -> Self {
        Self {
            commands,
            index: 0,
            source: Source::InOrder(Pieces::new(Vec::new())),
            failure: None,
            not_loaded: None,
            failures: Vec::new(),
        }
    }

    /// The outcomes of commands that different nodes carried out.
    pub(crate) fn of_each(commands: &'q Commands, mut each: EachOutcome) -> Self {
        each.failures.reverse();
        Self {
            source: match each.replies {
                EachReply::InOrder(chunks) => Source::InOrder(Pieces::new(chunks)),
                EachReply::ByNode(nodes) => Source::ByNode(nodes),
            },
            failures: each.failures,
            ..Self::none(commands)
        }
    }

    /// Reads the replies.
    ///
    /// # Errors
    /// A transaction that was not executed.
    pub(crate) fn new(commands: &'q Commands, delivery: Delivery) -> Result<Self> {
        let (chunks, failure) = delivery.into_parts()?;
        let mut frames = Pieces::new(chunks);
        let mut not_loaded = None;
        for _ in 0..commands.replies_of_loads() {
            if let Some(error) = frames.next().and_then(|frame| frame.reply().error()) {
                not_loaded.get_or_insert(error);
            }
        }
        if commands.is_asking() {
            frames.next();
        }
        if commands.is_atomic() {
            frames = executed(commands, frames, failure.clone())?;
        }
        Ok(Self {
            commands,
            index: 0,
            source: Source::InOrder(frames),
            failure,
            not_loaded,
            failures: Vec::new(),
        })
    }

    /// The same outcomes, with the replies that `change` replaces by others or by an error.
    pub(super) fn changed(
        mut self,
        change: impl Fn(usize, &[u8]) -> Result<Option<Vec<u8>>>,
    ) -> Self {
        let mut all = Vec::new();
        for index in self.index..self.commands.len() {
            let Some(frame) = self.source.of(index).and_then(Pieces::next) else {
                break;
            };
            match change(index, frame.as_bytes()) {
                Ok(Some(other)) => all.extend_from_slice(&other),
                Ok(None) => all.extend_from_slice(frame.as_bytes()),
                Err(error) => {
                    // Anything but a short string, which is read without a look at the failures.
                    all.extend_from_slice(NIL);
                    self.failures.push((index, error));
                }
            }
        }
        self.failures.sort_by_key(|(index, _)| Reverse(*index));
        self.source = Source::InOrder(Pieces::new(vec![Bytes::from(all).into()]));
        self
    }

    /// The reply of the next command.
    ///
    /// # Errors
    /// Its failure, with its name and position.
    pub(crate) fn next<R: FromRedis>(&mut self) -> Result<R> {
        let index = self.index;
        let commands = self.commands;
        let next = self.source.of(index).and_then(Pieces::next_short);
        let reply = match next {
            // `next_short` has checked that it is a short string, as most replies are, so decoding
            // need not check for other kinds.
            Some(frame) => {
                self.index += 1;
                R::from_outcome(Ok(frame))
            }
            None => R::from_outcome(self.next_frame()),
        };
        commands.located(index, reply)
    }

    /// The outcome of every command, not decoded.
    pub(crate) fn all(&mut self) -> Result<Vec<Option<Result<Frame>>>> {
        Ok((0..self.remaining())
            .map(|_| Some(self.next_frame().map(|frame| frame.to_frame())))
            .collect())
    }

    /// The first failure of a command whose outcome was not taken yet.
    #[cfg(feature = "tracing")]
    pub(super) fn first_failure(&mut self) -> Option<Error> {
        (0..self.remaining()).find_map(|_| match self.next_frame() {
            Ok(frame) => frame.reply().error().map(Error::refused),
            Err(error) => Some(error),
        })
    }

    fn next_frame(&mut self) -> Result<FrameRef<'_>> {
        let index = self.index;
        self.index += 1;
        let next = self.source.of(index).and_then(Pieces::next);
        if let Some((_, error)) = self.failures.pop_if(|(failed, _)| *failed == index) {
            return Err(error);
        }
        let Some(frame) = next else {
            return Err(match self.failure.clone() {
                Some(failure) => failure.into(),
                None => Error::protocol("there are fewer replies than commands"),
            });
        };
        if let Some(error) = &self.not_loaded
            && is_unknown(frame.as_bytes())
        {
            // The error of loading the script says more than NOSCRIPT, which only follows from it.
            return Err(Error::refused(error.clone()));
        }
        Ok(frame)
    }

    /// The number of commands whose outcome was not taken yet.
    pub(crate) fn remaining(&self) -> usize {
        self.commands.len().saturating_sub(self.index)
    }
}

/// Which of the scripts that were to be loaded first the server does not have, in their order.
pub(super) fn refused_loads(commands: &Commands, replies: &[Chunk]) -> Vec<bool> {
    let mut frames = Pieces::new(replies.to_vec());
    (0..commands.replies_of_loads())
        .map(|_| frames.next_error().is_none_or(|error| error.is_some()))
        .collect()
}

/// Why the server executed nothing of a transaction; `None` if it may have executed it, or if a watched key was
/// changed.
pub(super) fn refusal_of_all(commands: &Commands, replies: &[Chunk]) -> Option<ServerError> {
    let mut frames = Pieces::new(replies.to_vec());
    for _ in 0..commands.replies_before() {
        frames.next()?;
    }
    let multi = frames.next_error()?;
    let mut queued = Vec::new();
    for _ in 0..commands.len() {
        queued.push(frames.next_error()?);
    }
    let exec = frames.next_error()??;
    match multi {
        // Without MULTI, each command was executed by itself, unless it was refused too.
        Some(error) => queued.iter().all(Option::is_some).then_some(error),
        // If all were queued, EXEC itself was refused, and says why.
        None if exec.code() == "EXECABORT" => queued.into_iter().flatten().next().or(Some(exec)),
        None => Some(exec),
    }
}

/// The frames in the reply of EXEC. Before that reply come those to MULTI and to each queued
/// command.
fn executed(commands: &Commands, mut frames: Pieces, failure: Option<Failure>) -> Result<Pieces> {
    let mut lost = || match failure.clone() {
        Some(failure) if Planted::RefusedByLoss.is_here() => {
            failure.in_phase(Phase::Refused).into()
        }
        Some(failure) => Error::from(failure),
        None => Error::protocol("a transaction was answered with too few replies"),
    };
    if let Some(error) = frames.next_error().ok_or_else(&mut lost)? {
        // If MULTI was refused, the server executes each command by itself, unless it refuses them too.
        let mut others = std::iter::from_fn(|| frames.next_error());
        let phase = if others.all(|error| error.is_some()) {
            Phase::Refused
        } else {
            Phase::MaybeApplied
        };
        return Err(Error::new(ErrorKind::Server(error), phase).of_command("MULTI".into()));
    }
    // The first command that was refused when it was queued is the reason why EXEC refuses all.
    let mut refused = None;
    for index in 0..commands.len() {
        if let Some(error) = frames.next_error().ok_or_else(&mut lost)? {
            refused.get_or_insert((index, error));
        }
    }
    let exec = frames.next().ok_or_else(&mut lost)?;
    let (at, remaining) = match exec.reply() {
        Reply::Array(elements) => (elements.position(), elements.remaining()),
        reply => return Err(not_executed(commands, refused, reply)),
    };
    let mut elements = frames.within(at, remaining);
    if Planted::SplitExec.is_here() {
        elements.next();
    }
    Ok(elements)
}

/// Why EXEC did not reply with an array.
fn not_executed(
    commands: &Commands,
    refused: Option<(usize, ServerError)>,
    reply: &Reply<'_>,
) -> Error {
    let error = match (reply, reply.error()) {
        (Reply::Nil, _) => Error::new(ErrorKind::WatchedKeyChanged, Phase::Refused),
        (_, Some(error)) => return aborted(commands, refused, error),
        _ => Error::protocol("EXEC was answered with neither an array nor nil"),
    };
    error.of_command("EXEC".into())
}

fn aborted(commands: &Commands, refused: Option<(usize, ServerError)>, exec: ServerError) -> Error {
    match refused {
        Some((index, error)) if exec.code() == "EXECABORT" => commands.named(
            index,
            Error::new(ErrorKind::TransactionAborted(error), Phase::Refused),
        ),
        _ => Error::refused(exec).of_command("EXEC".into()),
    }
}
