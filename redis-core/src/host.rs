//! What a stream issues its commands on, one after another: [`Host`], and [`Repeated`] for the command.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::args::Args;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::exclusive::Exclusive;
use crate::frame::Frame;
use crate::pool::Pool;
use crate::request::Execute;

/// A handle that outlives a single command.
///
/// Made of a `&Connection` or a `&Pool` it is a clone of those and borrows nothing; an [`Exclusive`] is borrowed.
#[derive(Debug, Clone)]
pub struct Host<'h>(Kind<'h>);

#[derive(Debug, Clone)]
enum Kind<'h> {
    Connection(Connection),
    Pool(Pool),
    Exclusive(&'h Exclusive),
}

/// A sink that a stream can go on with, after the command that began it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` only collects commands, and a stream issues one after another",
    label = "takes no stream",
    note = "take a `Connection`, a `Pool` or an `Exclusive`"
)]
pub trait IntoHost<'h> {
    /// The handle that it keeps.
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

impl From<&Connection> for Host<'static> {
    fn from(connection: &Connection) -> Self {
        Self(Kind::Connection(connection.clone()))
    }
}

impl From<&Pool> for Host<'static> {
    fn from(pool: &Pool) -> Self {
        Self(Kind::Pool(pool.clone()))
    }
}

impl<'h> From<&'h Exclusive> for Host<'h> {
    fn from(exclusive: &'h Exclusive) -> Self {
        Self(Kind::Exclusive(exclusive))
    }
}

impl Host<'_> {
    /// Executes a command and gives its reply as it came, an error reply included.
    async fn call(&self, args: Args) -> Result<Frame> {
        match &self.0 {
            Kind::Connection(connection) => {
                let pending = Execute::<()>::begin(connection, Box::new(args));
                pending.frame().await
            }
            Kind::Pool(pool) => {
                let mut pending = Execute::<()>::begin(pool, Box::new(args));
                std::future::poll_fn(|cx| pending.poll_frame(cx)).await
            }
            Kind::Exclusive(exclusive) => exclusive.execute(args).await,
        }
    }

    /// Has a command sent whose reply nobody waits for; where there is no socket, or no room, it is not sent.
    pub(crate) fn cast(&self, args: Args) {
        match &self.0 {
            Kind::Connection(connection) => cast(connection, args),
            Kind::Pool(pool) => cast(pool, args),
            Kind::Exclusive(exclusive) => cast(*exclusive, args),
        }
    }
}

fn cast<S: Execute<()>>(sink: S, args: Args) {
    let mut pending = sink.begin(Box::new(args));
    S::submit(&mut pending);
}

type Call<'h> = Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'h>>;

/// A command that is issued again and again, once at a time.
pub struct Repeated<'h> {
    host: Host<'h>,
    running: Option<Call<'h>>,
}

impl std::fmt::Debug for Repeated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeated")
            .field("host", &self.host)
            .field("running", &self.running.is_some())
            .finish()
    }
}

impl<'h> Repeated<'h> {
    /// What the command is issued on.
    pub(crate) fn host(&self) -> &Host<'h> {
        &self.host
    }

    /// Nothing is issued before the first poll.
    #[must_use]
    pub fn new(host: Host<'h>) -> Self {
        Self {
            host,
            running: None,
        }
    }

    /// Polls the command that is on its way, or issues what `next` makes. An error reply is an error.
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
                    let outcome = host.call(args).await;
                    let refusal = |frame: Frame| match frame.reply().error() {
                        Some(error) => Err(Error::refused(error)),
                        None => Ok(frame),
                    };
                    outcome
                        .and_then(refusal)
                        .map_err(|error| error.of_command(name))
                }))
            }
        };
        let outcome = ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(outcome)
    }
}
