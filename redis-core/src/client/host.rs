//! The handle on which a stream issues its commands, one after another: [`Host`], and [`Repeated`] for the
//! command.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::bound::{Client, InFlight};
use crate::command::Args;
use crate::error::{Error, Result};
use crate::handle::{Connection, Exclusive, Pool};
use crate::reply::Frame;
use crate::request::Execute;

/// A handle that outlives a single command.
///
/// Made from a `&Connection`, a `&Pool` or a `&Cluster`, it is a clone of these and borrows nothing; an [`Exclusive`] is
/// borrowed.
#[derive(Debug, Clone)]
pub struct Host<'h>(Arc<dyn Issue + 'h>);

/// A handle that issues the commands of a stream.
pub(crate) trait Issue: fmt::Debug + Send + Sync {
    /// Executes a command and returns the reply, not decoded. One that is an error is returned as an error, which says
    /// what explains it.
    fn issue(&self, args: Box<Args>) -> Call<'_>;

    /// Sends a command and does not wait for the reply. If there is no socket or no room, nothing is sent.
    fn cast(&self, args: Box<Args>);

    /// The pages of a scan, where they do not come from one server; otherwise `None`.
    fn walk(&self, _first: &Args) -> Option<Box<dyn Walk>> {
        None
    }

    /// The handle for commands that one and the same server has to carry out, if that is another one.
    fn one_server(&self) -> Option<Host<'static>> {
        None
    }

    /// The connection over which commands go to one and the same server, if it is clear which that is.
    fn connection(&self) -> Option<Connection> {
        None
    }
}

/// The pages of a scan that goes over several servers.
pub(crate) trait Walk: Send {
    /// The elements of the next page, as an array; `None` at the end.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame>>>;

    /// Where to go on: behind the last page, or, if `again` says so, with the last page. `None` at the end.
    fn cursor(&self, again: bool) -> Option<String>;
}

impl Issue for Connection {
    fn issue(&self, args: Box<Args>) -> Call<'_> {
        Box::pin(accepted(self.begin_command(args)))
    }

    fn cast(&self, args: Box<Args>) {
        cast(self, args);
    }

    fn connection(&self) -> Option<Connection> {
        Some(self.clone())
    }
}

impl Issue for Pool {
    fn issue(&self, args: Box<Args>) -> Call<'_> {
        Box::pin(accepted(self.begin_command(args)))
    }

    fn cast(&self, args: Box<Args>) {
        cast(self, args);
    }

    fn one_server(&self) -> Option<Host<'static>> {
        Some(Host::from(&self.steady_lane().lent()))
    }
}

impl Issue for &Exclusive {
    fn issue(&self, args: Box<Args>) -> Call<'_> {
        Box::pin(accepted(self.begin_command(args)))
    }

    fn cast(&self, args: Box<Args>) {
        cast(*self, args);
    }
}

/// A sink that a stream can use for further commands, after the first one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` only collects commands, and a stream issues one after another",
    label = "takes no stream",
    note = "take a `Connection`, a `Pool`, a `Cluster` or an `Exclusive`"
)]
pub trait IntoHost<'h> {
    /// The handle that the stream keeps.
    fn into_host(self) -> Host<'h>;
}

impl IntoHost<'static> for &Connection {
    fn into_host(self) -> Host<'static> {
        self.into()
    }
}

impl IntoHost<'static> for &Pool {
    fn into_host(self) -> Host<'static> {
        self.into()
    }
}

impl<'h> IntoHost<'h> for &'h Exclusive {
    fn into_host(self) -> Host<'h> {
        self.into()
    }
}

impl<'h> IntoHost<'h> for &&'h Exclusive {
    fn into_host(self) -> Host<'h> {
        (*self).into()
    }
}

impl From<&Connection> for Host<'static> {
    fn from(connection: &Connection) -> Self {
        Self(Arc::new(connection.clone()))
    }
}

impl From<&Pool> for Host<'static> {
    fn from(pool: &Pool) -> Self {
        Self(Arc::new(pool.clone()))
    }
}

impl<'h> From<&'h Exclusive> for Host<'h> {
    fn from(exclusive: &'h Exclusive) -> Self {
        Self(Arc::new(exclusive))
    }
}

impl<'h> Host<'h> {
    /// Any handle that issues commands.
    pub(crate) fn new(issue: Arc<dyn Issue + 'h>) -> Self {
        Self(issue)
    }

    /// Executes a command and returns the reply, not decoded, unless it is an error.
    pub(crate) fn issue(&self, args: Box<Args>) -> Call<'_> {
        self.0.issue(args)
    }

    /// The handle for commands that one and the same server has to carry out, if that is another one.
    pub(super) fn one_server(&self) -> Option<Host<'static>> {
        self.0.one_server()
    }

    /// The same handle, or the one for commands that one and the same server has to carry out.
    pub(crate) fn on_one_server(self) -> Self {
        self.0.one_server().unwrap_or(self)
    }

    /// The connection over which commands go to one and the same server, if it is clear which that is.
    pub(crate) fn connection(&self) -> Option<Connection> {
        self.0.connection()
    }

    /// The pages of a scan, where they do not come from one server.
    pub(crate) fn walk(&self, first: &Args) -> Option<Box<dyn Walk>> {
        self.0.walk(first)
    }
}

impl Host<'_> {
    /// Sends a command and does not wait for the reply. If there is no socket or no room, nothing is sent.
    pub(crate) fn cast(&self, args: Args) {
        self.0.cast(Box::new(args));
    }
}

pub(crate) fn cast<S: Execute<()>>(sink: S, args: Box<Args>) {
    let mut pending = sink.begin(args);
    S::submit(&mut pending);
}

/// The reply to a command, unless it is an error.
pub(crate) async fn accepted(mut pending: impl InFlight) -> Result<Frame> {
    let outcome = std::future::poll_fn(|cx| pending.poll_frame(cx)).await;
    let accepted = outcome.and_then(unless_refused);
    accepted.map_err(|error| pending.explained(error))
}

/// The same reply, unless it is an error.
pub(crate) fn unless_refused(frame: Frame) -> Result<Frame> {
    match frame.reply().error() {
        Some(error) => Err(Error::refused(error)),
        None => Ok(frame),
    }
}

/// A command that is being executed.
pub(crate) type Call<'h> = Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'h>>;

/// A command that is issued again and again, one at a time.
pub struct Repeated<'h> {
    host: Host<'h>,
    running: Option<Call<'h>>,
}

impl fmt::Debug for Repeated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated")
            .field("host", &self.host)
            .field("running", &self.running.is_some())
            .finish()
    }
}

impl<'h> Repeated<'h> {
    /// The handle that the command is issued on.
    pub(crate) fn host(&self) -> &Host<'h> {
        &self.host
    }

    /// Whether a command is on its way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// A command that was not issued yet; the first poll does it.
    #[must_use]
    pub fn new(host: Host<'h>) -> Self {
        Self {
            host,
            running: None,
        }
    }

    /// Polls the command in flight, or issues the one that `next` makes. An error reply is returned as an
    /// error.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce() -> Result<Args>,
    ) -> Poll<Result<Frame>> {
        let running = match &mut self.running {
            Some(running) => running,
            idle => {
                let mut args = match next() {
                    Ok(args) => args,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if let Some(error) = args.take_error() {
                    return Poll::Ready(Err(error));
                }
                let host = self.host.clone();
                idle.insert(Box::pin(async move {
                    let name = args.name();
                    let outcome = host.0.issue(Box::new(args)).await;
                    outcome.map_err(|error| error.of_command(name))
                }))
            }
        };
        let outcome = ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(outcome)
    }
}
