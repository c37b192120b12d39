//! A command that a future drives: [`Driven`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::command::Args;
use crate::command::blame::Blame;
use crate::error::{Error, Result, ServerVersion};
use crate::reply::Frame;

/// What became of a command, and which server answered, if that has introduced itself.
pub(crate) type Answer = (Result<Frame>, Option<ServerVersion>);

/// A command that a future drives, because it waits for more than its reply: for a socket of its own, or for several servers.
pub struct Driven<'a> {
    blame: Blame,
    /// `None` once it has been answered.
    work: Option<Pin<Box<dyn Future<Output = Answer> + Send + 'a>>>,
    server: Option<ServerVersion>,
}

impl fmt::Debug for Driven<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driven").field(self.blame.name()).finish()
    }
}

impl<'a> Driven<'a> {
    /// A command, and what drives it.
    pub(crate) fn new<W>(args: Box<Args>, drive: impl FnOnce(Box<Args>) -> W) -> Self
    where
        W: Future<Output = Answer> + Send + 'a,
    {
        Self {
            blame: Blame::of(&args),
            work: Some(Box::pin(drive(args))),
            server: None,
        }
    }

    /// The reply as it came, also if it is an error.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(Err(Error::ended()));
        };
        let (outcome, server) = ready!(work.as_mut().poll(cx));
        (self.work, self.server) = (None, server);
        Poll::Ready(outcome)
    }

    /// Puts to its error which command it is of, and what that needs.
    pub(crate) fn explained(&self, error: Error) -> Error {
        self.blame.explain(error, self.server)
    }
}
