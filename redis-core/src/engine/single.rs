//! A single command, as what is queued and answered: [`Command`].

use std::time::Duration;

use super::inflight::{Delivery, Hold, Patience, Payload, Terms};
use crate::command::script_text::{self, Loaded};
use crate::command::{Args, Block, CommandInfo};
#[cfg(feature = "tracing")]
use crate::error::ServerError;
use crate::error::{CommandName, Error, ServerVersion};
#[cfg(feature = "tracing")]
use crate::reply::Frame;
use crate::wire::Chunk;
use crate::wire::outgoing::Outgoing;

/// A command that is sent and answered.
#[derive(Debug)]
pub(crate) struct Command {
    info: &'static CommandInfo,
    /// Its newer options: see [`CommandInfo::newer`].
    needed: u32,
    /// There until it is sent, because from then on the queue has the bytes. Kept longer if its name is in there, or
    /// if it may have to be sent in another form.
    args: Option<Box<Args>>,
}

impl Command {
    #[inline]
    pub(crate) fn new(args: Box<Args>) -> Self {
        Self {
            info: args.info(),
            needed: args.needed(),
            args: Some(args),
        }
    }

    /// Whether it was not sent, so that its arguments are still here.
    pub(crate) fn is_here(&self) -> bool {
        self.args.is_some()
    }

    /// Makes the next reply the last, also if it says that nothing came.
    pub(super) fn end_wait(&mut self) {
        if let Some(args) = &mut self.args {
            args.end_wait();
        }
    }

    #[cold]
    pub(crate) fn name(&self) -> CommandName {
        match &self.args {
            Some(args) => args.name(),
            None => self.info.name.into(),
        }
    }

    /// Puts to its error which command it is of, and what that needs of the server that refused it.
    #[cold]
    pub(crate) fn explained(&self, error: Error, server: Option<ServerVersion>) -> Error {
        let error = self.info.explain(self.needed, server, error);
        error.of_command(self.name())
    }
}

/// What the queue has to know about a command.
#[inline]
pub(crate) fn terms_of(args: &Args) -> Terms {
    let block = args.block_limit();
    Terms {
        bytes: args.encoded_len(),
        replies: 1,
        idempotent: args.is_idempotent(),
        hold: block.map_or(Hold::None, Hold::from),
        patience: match (args.deadline(), block) {
            (Some(deadline), _) => patience_by(args, deadline),
            (None, None) => Patience::Default,
            (None, Some(Block::Forever)) => Patience::Forever,
            (None, Some(Block::For(limit))) => Patience::Extra(limit),
        },
    }
}

/// How long a command with this deadline may take.
#[cold]
fn patience_by(args: &Args, deadline: Duration) -> Patience {
    if args.has_rest() {
        Patience::Rest(deadline)
    } else {
        Patience::Only(deadline)
    }
}

impl Command {
    /// Writes a command that is kept, or sent in pieces.
    #[cold]
    fn write_unusual(&mut self, mut args: Box<Args>, out: &mut Outgoing) {
        if args.is_in_pieces() {
            args.begin_wait();
            args.again().write_to(out);
            self.args = Some(args);
            return;
        }
        args.write_to(out);
        if args.is_raw() || args.called_script().is_some() {
            self.args = Some(args);
        } else {
            args.retire();
        }
    }
}

impl Payload for Command {
    #[inline]
    fn terms(&self) -> Terms {
        match &self.args {
            Some(args) => terms_of(args),
            // It was sent, and this code does not send it again.
            None => Terms {
                bytes: 0,
                replies: 1,
                idempotent: false,
                hold: Hold::None,
                patience: Patience::Default,
            },
        }
    }

    #[inline(always)]
    fn write_to(&mut self, out: &mut Outgoing) {
        match self.args.take() {
            Some(mut args) if args.is_plain() => {
                args.write_to(out);
                args.retire();
            }
            Some(args) => self.write_unusual(args, out),
            None => {}
        }
    }

    fn mend(&mut self, _: &Loaded, replies: &[Chunk]) -> bool {
        let unknown = replies
            .first()
            .is_some_and(|reply| script_text::is_unknown(reply));
        let args = self.args.as_mut();
        unknown && args.is_some_and(|args| args.send_script_text())
    }

    #[inline]
    fn may_go_on(&self) -> bool {
        self.args.is_some()
    }

    #[cold]
    fn runs_code(&self) -> bool {
        let calls = |args: &Args| args.called_script().is_some();
        self.info.may_run_code() || self.args.as_deref().is_some_and(calls)
    }

    fn waits_on(&mut self, reply: &Delivery) -> bool {
        match (&mut self.args, reply) {
            (Some(args), Delivery::Reply(reply)) => args.waits_on(reply),
            _ => false,
        }
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> super::inflight::Summary {
        let arguments = self.args.as_ref().map_or(0, |args| args.count_arguments());
        let operation = self.name().to_string();
        super::inflight::Summary {
            text: operation.clone() + &" ?".repeat(arguments),
            operation: operation.into(),
            batch: None,
        }
    }

    #[cfg(feature = "tracing")]
    fn first_error(&self, replies: &[Chunk]) -> Option<ServerError> {
        let frame = replies.first().cloned().map(Frame::from_scanned)?;
        // The reply of EXEC holds those of the commands between MULTI and EXEC.
        let of_queued = || {
            let mut elements = frame.elements().filter(|_| self.info.name == "EXEC")?;
            elements.find_map(|element| element.reply().error())
        };
        frame.reply().error().or_else(of_queued)
    }
}
