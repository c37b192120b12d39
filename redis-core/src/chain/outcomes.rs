//! From the replies to a chain to one outcome per command.

use super::commands::Commands;
use crate::command::script_text::is_unknown;
use crate::engine::inflight::{Delivery, Failure};
use crate::error::{Error, ErrorKind, Phase, Result, ServerError};
use crate::planted::Planted;
use crate::reply::{Frame, FrameRef, FromRedis, Reply};
use crate::wire::Chunk;

/// The outcomes of a chain's commands, taken one after another.
#[derive(Debug)]
pub struct Outcomes<'q> {
    commands: &'q Commands,
    index: usize,
    frames: Pieces,
    /// Why some commands have no reply.
    failure: Option<Failure>,
    /// Why a script could not be loaded.
    not_loaded: Option<ServerError>,
}

impl<'q> Outcomes<'q> {
    /// For a chain that had nothing to send.
    pub(crate) fn none(commands: &'q Commands) -> Self {
        Self {
            commands,
            index: 0,
            frames: Pieces::new(Vec::new()),
            failure: None,
            not_loaded: None,
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
        if commands.is_atomic() {
            frames = executed(commands, frames, failure.clone())?;
        }
        Ok(Self {
            commands,
            index: 0,
            frames,
            failure,
            not_loaded,
        })
    }

    /// The reply of the next command.
    ///
    /// # Errors
    /// Its failure, with its name and position.
    pub(crate) fn next<R: FromRedis>(&mut self) -> Result<R> {
        let index = self.index;
        let commands = self.commands;
        let reply = match self.frames.next_short() {
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

    fn next_frame(&mut self) -> Result<FrameRef<'_>> {
        self.index += 1;
        let Some(frame) = self.frames.next() else {
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

/// The frames in the chunks, lent one after another.
#[derive(Debug)]
struct Pieces {
    chunks: Vec<Chunk>,
    /// Which of the chunks the next frame is in, and where in it.
    chunk: usize,
    at: usize,
    /// At most this many frames are left.
    remaining: u64,
}

impl Pieces {
    fn new(chunks: Vec<Chunk>) -> Self {
        Self {
            chunks,
            chunk: 0,
            at: 0,
            remaining: u64::MAX,
        }
    }

    /// The elements of the array that was the last frame.
    fn within(self, at: usize, remaining: u64) -> Self {
        Self {
            at,
            remaining,
            ..self
        }
    }

    fn next(&mut self) -> Option<FrameRef<'_>> {
        self.remaining = self.remaining.checked_sub(1)?;
        while self.at >= self.chunks.get(self.chunk)?.len() {
            (self.chunk, self.at) = (self.chunk + 1, 0);
        }
        let (frame, end) = FrameRef::next(self.chunks.get(self.chunk)?.span(), self.at)?;
        self.at = end;
        Some(frame)
    }

    /// The next frame, if it is in the same chunk as the last one and is a short string.
    #[inline]
    fn next_short(&mut self) -> Option<FrameRef<'_>> {
        let remaining = self.remaining.checked_sub(1)?;
        let span = self.chunks.get(self.chunk)?.span();
        let (frame, end) = FrameRef::next_short(span, self.at)?;
        (self.at, self.remaining) = (end, remaining);
        Some(frame)
    }

    /// The next frame, as an error if it is one.
    fn next_error(&mut self) -> Option<Option<ServerError>> {
        self.next().map(|frame| frame.reply().error())
    }
}

/// The frames in the reply of EXEC. Before that reply come those to MULTI and to each queued
/// command.
fn executed(commands: &Commands, mut frames: Pieces, failure: Option<Failure>) -> Result<Pieces> {
    let mut lost = || match failure.clone() {
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
