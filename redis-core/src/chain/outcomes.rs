//! From what came back for a chain to one outcome per command.

use crate::chain::Queued;
use crate::error::{Error, ErrorKind, Phase, Result, ServerError};
use crate::frame::{Frame, Frames};
use crate::from_redis::{FromRedis, Reply};
use crate::inflight::{Chunks, Delivery, Failure};
use crate::script::is_unknown;

/// The outcomes of a chain's commands, taken one after another.
#[derive(Debug)]
pub struct Outcomes<'q> {
    queued: &'q Queued,
    index: usize,
    frames: Pieces,
    /// What became of the commands for which there is no frame.
    failure: Option<Failure>,
    /// Why a script could not be loaded.
    not_loaded: Option<ServerError>,
}

impl<'q> Outcomes<'q> {
    /// Of a chain that had nothing to send.
    pub(crate) fn none(queued: &'q Queued) -> Self {
        Self {
            queued,
            index: 0,
            frames: Pieces::new(Chunks::new()),
            failure: None,
            not_loaded: None,
        }
    }

    /// Sorts out what came back.
    ///
    /// # Errors
    /// A transaction that was not executed.
    pub(crate) fn new(queued: &'q Queued, delivery: Delivery) -> Result<Self> {
        let mut frames = Pieces::new(delivery.chunks);
        let mut not_loaded = None;
        for _ in 0..queued.replies_of_loads() {
            if let Some(error) = frames.next().and_then(|frame| frame.reply().error()) {
                not_loaded.get_or_insert(error);
            }
        }
        if queued.is_atomic() {
            frames = executed(queued, frames, delivery.error.clone())?;
        }
        Ok(Self {
            queued,
            index: 0,
            frames,
            failure: delivery.error,
            not_loaded,
        })
    }

    /// The reply of the next command.
    ///
    /// # Errors
    /// Its failure, with its name and position.
    pub(crate) fn next<R: FromRedis>(&mut self) -> Result<R> {
        let index = self.index;
        let outcome = self.next_frame();
        self.queued.decode_one(index, outcome)
    }

    /// The outcome of every command, not decoded.
    pub(crate) fn all(&mut self) -> Result<Vec<Option<Result<Frame>>>> {
        Ok((0..self.remaining())
            .map(|_| Some(self.next_frame()))
            .collect())
    }

    fn next_frame(&mut self) -> Result<Frame> {
        self.index += 1;
        let frame = self.frames.next();
        if let (Some(frame), Some(error)) = (&frame, &self.not_loaded)
            && is_unknown(frame.as_bytes())
        {
            // The script that does not compile says more than that the server does not have it.
            return Err(Error::refused(error.clone()));
        }
        frame.ok_or_else(|| match self.failure.clone() {
            Some(failure) => failure.into(),
            None => Error::protocol("there are fewer replies than commands"),
        })
    }

    /// How many commands have not been asked for.
    pub(crate) fn remaining(&self) -> usize {
        self.queued.len().saturating_sub(self.index)
    }
}

/// The frames within pieces.
#[derive(Debug)]
struct Pieces {
    current: Frames,
    later: smallvec::IntoIter<[bytes::Bytes; 1]>,
}

impl Pieces {
    fn new(chunks: Chunks) -> Self {
        Self {
            current: Frames::from_scanned(bytes::Bytes::new()),
            later: chunks.into_iter(),
        }
    }
}

impl Iterator for Pieces {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.current.next() {
                return Some(frame);
            }
            self.current = Frames::from_scanned(self.later.next()?);
        }
    }
}

/// The frames inside the reply of EXEC; before it stand those of MULTI and of each queued command.
fn executed(queued: &Queued, mut frames: Pieces, failure: Option<Failure>) -> Result<Pieces> {
    let mut lost = || match failure.clone() {
        Some(failure) => Error::from(failure),
        None => Error::protocol("a transaction was answered with too few replies"),
    };
    let multi = frames.next().ok_or_else(&mut lost)?;
    if let Some(error) = multi.reply().error() {
        // Without MULTI the server executes each of the commands by itself, unless it refuses them too.
        let all_refused = frames.all(|frame| frame.reply().error().is_some());
        let phase = if all_refused {
            Phase::Refused
        } else {
            Phase::MaybeApplied
        };
        return Err(Error::new(ErrorKind::Server(error), phase).of_command("MULTI".into()));
    }
    // The first command that was refused when it was queued is why EXEC refuses the whole.
    let mut refused = None;
    for index in 0..queued.len() {
        let frame = frames.next().ok_or_else(&mut lost)?;
        if let Some(error) = frame.reply().error() {
            refused.get_or_insert((index, error));
        }
    }
    let exec = frames.next().ok_or_else(&mut lost)?;
    if let Some(elements) = exec.elements() {
        return Ok(Pieces {
            current: elements,
            later: Chunks::new().into_iter(),
        });
    }
    match exec.reply() {
        Reply::Nil => {
            Err(Error::new(ErrorKind::WatchedKeyChanged, Phase::Refused).of_command("EXEC".into()))
        }
        reply => match reply.error() {
            Some(error) => Err(aborted(queued, refused, error)),
            None => Err(
                Error::protocol("EXEC was answered with neither an array nor nil")
                    .of_command("EXEC".into()),
            ),
        },
    }
}

fn aborted(queued: &Queued, refused: Option<(usize, ServerError)>, exec: ServerError) -> Error {
    match refused {
        Some((index, error)) if exec.code() == "EXECABORT" => queued.named(
            index,
            Error::new(ErrorKind::TransactionAborted(error), Phase::Refused),
        ),
        _ => Error::refused(exec).of_command("EXEC".into()),
    }
}
