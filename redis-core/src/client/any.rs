//! The trait object of clients: [`AnyClient`].

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::bound::{Client, InFlight, Surface};
use crate::command::{Args, Keys};
use crate::error::{CommandName, Error, Result};
use crate::reply::{Frame, FromRedis, described};

/// Any [`Client`], where its type is not to be named: the trait object of clients, cheap to clone.
///
/// Each command costs an allocation and a virtual call more than on the handle itself.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// use typedis::{AnyClient, Connection, Pool, Result};
///
/// struct Service {
///     client: AnyClient,
/// }
///
/// # async fn example(small: bool) -> Result<()> {
/// let client = if small {
///     AnyClient::new(Connection::open("redis://localhost").await?)
/// } else {
///     AnyClient::new(Pool::open("redis://localhost").await?)
/// };
/// let service = Service { client };
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AnyClient(Arc<dyn Erased>);

impl AnyClient {
    /// Hides the type of a client.
    #[must_use]
    pub fn new(client: impl Client + 'static) -> Self {
        Self(Arc::new(client))
    }
}

impl fmt::Debug for AnyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyClient")
    }
}

impl Client for AnyClient {
    type InFlight<'a> = AnyInFlight<'a>;

    fn begin_command(&self, args: Box<Args>) -> AnyInFlight<'_> {
        let command = args.name();
        AnyInFlight {
            command,
            pending: self.0.begin_erased(args),
        }
    }

    fn noted_keys(&self) -> Keys {
        self.0.erased_keys()
    }

    fn surface(&self) -> Surface<'_> {
        self.0.erased_surface()
    }
}

/// What [`AnyClient`] needs of a client.
trait Erased: Send + Sync {
    fn begin_erased<'a>(&'a self, args: Box<Args>) -> Box<dyn ErasedInFlight + 'a>;
    fn erased_keys(&self) -> Keys;
    fn erased_surface(&self) -> Surface<'_>;
}

impl<C: Client> Erased for C {
    fn begin_erased<'a>(&'a self, args: Box<Args>) -> Box<dyn ErasedInFlight + 'a> {
        Box::new(self.begin_command(args))
    }

    fn erased_keys(&self) -> Keys {
        self.noted_keys()
    }

    fn erased_surface(&self) -> Surface<'_> {
        self.surface()
    }
}

/// A command on its way, whatever over.
trait ErasedInFlight: Send {
    fn submit_erased(&mut self);
    fn poll_erased(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>>;
    fn explained_erased(&self, error: Error) -> Error;
}

impl<P: InFlight> ErasedInFlight for P {
    fn submit_erased(&mut self) {
        self.submit();
    }

    fn poll_erased(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        self.poll_frame(cx)
    }

    fn explained_erased(&self, error: Error) -> Error {
        self.explained(error)
    }
}

/// A command on its way over an [`AnyClient`].
#[doc(hidden)]
pub struct AnyInFlight<'a> {
    command: CommandName,
    pending: Box<dyn ErasedInFlight + 'a>,
}

impl fmt::Debug for AnyInFlight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyInFlight").field(&self.command).finish()
    }
}

impl InFlight for AnyInFlight<'_> {
    fn submit(&mut self) {
        self.pending.submit_erased();
    }

    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let decoded = ready!(self.pending.poll_erased(cx).map(Frame::decode_outcome));
        Poll::Ready(described(decoded, |error| self.explained(error)))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        self.pending.poll_erased(cx)
    }

    fn explained(&self, error: Error) -> Error {
        let error = self.pending.explained_erased(error);
        error.of_command(self.command.clone())
    }
}
