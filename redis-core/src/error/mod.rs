//! What can go wrong: [`Error`] says what happened, to which command, in which phase, and what to do.
//!
//! # Layout
//!
//! - `kind`: what happened; a file for each cause that has parts: `argument`, `decode`, `server`, `sentinel`, `cluster`, `tls`
//! - `custom`: errors of the user's own
//! - `command_name`: the command that it happened to; `phase`: how far that got
//! - `obstacle`: what a call still waited for when its deadline passed
//! - `done`: what was done of a command that failed on some nodes
//! - `requirement`: the version of the server that a refused command needs
//! - `quoted`: what servers quote of commands with secrets

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::wire::Chunk;

mod argument;
mod cluster;
mod command_name;
mod custom;
mod decode;
mod done;
mod kind;
mod obstacle;
mod phase;
mod quoted;
mod requirement;
mod sentinel;
mod server;
mod tls;

pub use argument::ArgError;
pub use cluster::{ClusterCause, ClusterError};
pub(crate) use command_name::CommandName;
pub use decode::DecodeError;
pub use done::Done;
use done::Partly;
pub use kind::ErrorKind;
pub use obstacle::Obstacle;
pub use phase::Phase;
pub(crate) use quoted::without_secret;
pub use requirement::{Requirement, ServerVersion, Since};
pub use sentinel::{SentinelCause, SentinelError};
pub use server::ServerError;
pub use tls::{TlsCause, TlsError};

/// The result of this library's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// [`Error::kind`] is for code that reacts to the error, the `Display` text is for people. [`Error::phase`] answers
/// the most important question after a failure: may the command have been carried out?
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    phase: Phase,
    command: Option<CommandName>,
    index: Option<usize>,
    argument: Option<&'static str>,
    /// What the server lacks, where that is why it refused the command.
    requirement: Option<Requirement>,
    /// The reply that could not be decoded, so that an element that was popped from a list is not lost.
    reply: Option<Chunk>,
    obstacle: Option<Arc<Obstacle>>,
    /// What was done of a command that failed on some nodes.
    partly: Option<Box<Partly>>,
}

impl Error {
    /// An error of this kind, to test code of yours that reacts to errors.
    #[must_use]
    pub fn new(kind: ErrorKind, phase: Phase) -> Self {
        Self(Box::new(Inner {
            kind,
            phase,
            command: None,
            index: None,
            argument: None,
            requirement: None,
            reply: None,
            obstacle: None,
            partly: None,
        }))
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether the command may have been carried out.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// The command that failed.
    #[must_use]
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_ref().map(CommandName::as_str)
    }

    /// The position of the failed command within its pipeline or transaction, counted from 0.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// The argument that could not be sent.
    #[must_use]
    pub fn argument_name(&self) -> Option<&str> {
        self.0.argument
    }

    /// The error that the server replied with.
    #[must_use]
    pub fn server(&self) -> Option<&ServerError> {
        match &self.0.kind {
            ErrorKind::Server(error)
            | ErrorKind::Handshake(error)
            | ErrorKind::TransactionAborted(error) => Some(error),
            _ => None,
        }
    }

    /// What the command needs, where the server refused it because it is too old for it: the command, or one of its options.
    ///
    /// Nothing is refused before the server has refused it.
    #[must_use]
    pub fn requirement(&self) -> Option<&Requirement> {
        self.0.requirement.as_ref()
    }

    /// Whether no reply came in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Timeout)
    }

    /// What the call still waited for when its deadline passed, if that is known. It is also the
    /// [`source`](std::error::Error::source).
    ///
    /// ```
    /// # async fn example(conn: typedis_core::Connection) {
    /// use typedis_core::{Obstacle, Run, raw};
    ///
    /// let Err(error) = conn.run(raw("GET").key("k").reply::<String>()).await else { return };
    /// match error.obstacle() {
    ///     Some(Obstacle::NotConnected(reason)) => eprintln!("no server: {reason}"),
    ///     Some(Obstacle::LeasesInUse(_) | Obstacle::BudgetFull { .. }) => eprintln!("too much at once"),
    ///     _ => eprintln!("{error}"),
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn obstacle(&self) -> Option<&Obstacle> {
        self.0.obstacle.as_deref()
    }

    /// What was done of a command that concerns many nodes of a cluster, and failed on some of them. `None` if it was done nowhere, or
    /// if the command only reads.
    ///
    /// The error is that of a node on which it failed, in the phase [`Phase::MaybeApplied`], because it was carried out in part. If several
    /// failed, it is the one after which more may have been done.
    ///
    /// ```
    /// # use typedis_core::{Done, Error};
    /// /// Of these keys, those that certainly were deleted.
    /// fn deleted<'k>(keys: &'k [String], error: &Error) -> Vec<&'k String> {
    ///     match error.done() {
    ///         Some(Done::Keys { done, .. }) => done.iter().filter_map(|number| keys.get(*number)).collect(),
    ///         _ => Vec::new(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn done(&self) -> Option<&Done> {
        self.0.partly.as_ref().map(|partly| &partly.done)
    }

    /// Whether the connection is at fault rather than the command.
    #[must_use]
    pub fn is_connection(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::Connect(_)
                | ErrorKind::Handshake(_)
                | ErrorKind::Tls(_)
                | ErrorKind::Credentials(_)
                | ErrorKind::Sentinel(_)
                | ErrorKind::ConnectionLost(_)
                | ErrorKind::Protocol(_)
                | ErrorKind::Closed
                | ErrorKind::RuntimeEnded
        )
    }

    /// Whether the same call may succeed later and was not carried out now.
    ///
    /// Of an error that the server replied with, only the code counts: see [`ServerError::is_transient`]. So this is also true of a script
    /// or function that fails with such a code (`BUSY`) by its own choice, though it may have changed something. Of a cluster, most failures
    /// pass: see [`ClusterError::is_transient`]. Of a pipeline it speaks of the command that failed; others may have been carried out.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let passes = match &self.0.kind {
            ErrorKind::WatchedKeyChanged
            | ErrorKind::Connect(_)
            | ErrorKind::Sentinel(_)
            | ErrorKind::ConnectionLost(_)
            | ErrorKind::Timeout => true,
            ErrorKind::Server(error) | ErrorKind::TransactionAborted(error) => error.is_transient(),
            ErrorKind::Handshake(error) => error.is_transient_at_login(),
            ErrorKind::Cluster(error) => error.is_transient(),
            _ => false,
        };
        passes && matches!(self.0.phase, Phase::NotSent | Phase::Refused)
    }

    /// The bytes of the reply that did not fit the wanted type.
    pub(crate) fn into_undecoded(self) -> Option<Chunk> {
        self.0.reply
    }

    /// The deadline passed; `obstacle` is what was waited for, if that is known.
    pub(crate) fn timeout(phase: Phase, obstacle: Option<Arc<Obstacle>>) -> Self {
        let mut this = Self::new(ErrorKind::Timeout, phase);
        this.0.obstacle = obstacle;
        this
    }

    pub(crate) fn argument(reason: ArgError) -> Self {
        Self::new(ErrorKind::Argument(reason), Phase::NotSent)
    }

    pub(crate) fn usage(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Usage(text.into()), Phase::NotSent)
    }

    /// The error of a future that is polled again after its end.
    #[cold]
    pub(crate) fn ended() -> Self {
        Self::usage("this request was awaited to its end already")
    }

    /// A configuration that cannot be used.
    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config(text.into()), Phase::NotSent)
    }

    pub(crate) fn refused(error: ServerError) -> Self {
        Self::new(ErrorKind::Server(error), Phase::Refused)
    }

    pub(crate) fn decode(error: DecodeError, reply: Option<Chunk>) -> Self {
        let mut this = Self::new(ErrorKind::Decode(error), Phase::Applied);
        this.0.reply = reply;
        this
    }

    pub(crate) fn protocol(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Protocol(text.into()), Phase::MaybeApplied)
    }

    pub(crate) fn of_command(mut self, command: CommandName) -> Self {
        self.0.command.get_or_insert(command);
        self
    }

    pub(crate) fn of_argument(mut self, argument: &'static str) -> Self {
        if !argument.is_empty() {
            self.0.argument.get_or_insert(argument);
        }
        self
    }

    /// The same error, of a command that got further.
    pub(crate) fn in_phase(mut self, phase: Phase) -> Self {
        self.0.phase = phase;
        self
    }

    /// The same error, of a command that was carried out in part.
    pub(crate) fn partly(mut self, done: Done) -> Self {
        let rest = self.0.phase;
        self.0.partly = Some(Box::new(Partly { done, rest }));
        self.in_phase(Phase::MaybeApplied)
    }

    /// Puts to a server's refusal what explains it.
    pub(crate) fn explained(
        mut self,
        find: impl FnOnce(&ServerError) -> Option<Requirement>,
    ) -> Self {
        if self.0.requirement.is_none()
            && let ErrorKind::Server(error) | ErrorKind::TransactionAborted(error) = &self.0.kind
        {
            self.0.requirement = find(error);
        }
        self
    }

    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.0.index.get_or_insert(index);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            phase,
            command,
            index,
            argument,
            requirement,
            obstacle,
            partly,
            ..
        } = &*self.0;
        if let Some(command) = command {
            write!(f, "{command}")?;
            if let Some(index) = index {
                write!(f, " (command {index})")?;
            }
            f.write_str(": ")?;
        }
        if let Some(argument) = argument {
            write!(f, "argument `{argument}`: ")?;
        }
        write!(f, "{kind}")?;
        if let Some(obstacle) = obstacle {
            write!(f, ": {obstacle}")?;
        }
        if let Some(requirement) = requirement {
            write!(f, "; {requirement}")?;
        }
        if let Some(partly) = partly {
            return write!(f, "; {partly}");
        }
        match (phase, kind) {
            (
                Phase::NotSent,
                ErrorKind::Argument(_) | ErrorKind::Config(_) | ErrorKind::Usage(_),
            ) => f.write_str("; nothing was sent"),
            (_, ErrorKind::Server(error)) if error.moved_to().is_some() => f.write_str(
                "; this node of the cluster does not have the slot: connect to the one that is named",
            ),
            (Phase::MaybeApplied, _) => f.write_str("; it may or may not have been carried out"),
            (Phase::NotSent, ErrorKind::Timeout | ErrorKind::ConnectionLost(_)) => {
                f.write_str("; it was not sent, and may be tried again")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("phase", &self.0.phase)
            .field("command", &self.0.command)
            .field("index", &self.0.index)
            .field("argument", &self.0.argument)
            .finish_non_exhaustive()
    }
}

/// The text of an error tells its cause, which is in [`Error::kind`]. The source is what is behind that cause, so that a
/// report of the whole chain says nothing twice.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Connect(error) | ErrorKind::ConnectionLost(error) => error.source(),
            ErrorKind::Credentials(error) => error.source(),
            ErrorKind::Custom(error) => error.source(),
            // These have nothing behind them.
            ErrorKind::Timeout => self.obstacle().and_then(std::error::Error::source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::*;

    /// The texts of an error and of all that is behind it.
    fn chain(error: &dyn std::error::Error) -> Vec<String> {
        let mut texts = vec![error.to_string()];
        let mut next = error.source();
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts
    }

    #[test]
    fn a_report_of_the_chain_says_nothing_twice() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens");
        let server = || ServerError::new("ERR wrong number of arguments");
        let kinds = [
            ErrorKind::Connect(refused()),
            ErrorKind::ConnectionLost(refused()),
            ErrorKind::Credentials(std::sync::Arc::new(refused())),
            ErrorKind::Custom(Box::new(refused())),
            ErrorKind::Server(server()),
            ErrorKind::Handshake(server()),
            ErrorKind::TransactionAborted(server()),
            ErrorKind::Argument(ArgError::new("NaN is no score")),
            ErrorKind::Decode(DecodeError::new("a field is missing")),
            ErrorKind::Cluster(ClusterError::new(ClusterCause::NoNode, "no node")),
            ErrorKind::Timeout,
        ];
        for kind in kinds {
            let error = Error::new(kind, Phase::MaybeApplied);
            let texts = chain(&error);
            let (first, behind) = texts.split_first().map_or(("", &[][..]), |(a, b)| (a, b));
            for text in behind {
                assert!(!first.contains(text), "{texts:?}");
            }
        }
    }

    #[test]
    fn what_is_behind_the_cause_is_kept() {
        let cause = io::Error::other(ArgError::new("what is behind"));
        let error = Error::new(ErrorKind::ConnectionLost(cause), Phase::MaybeApplied);
        assert_eq!(
            error.source().map(ToString::to_string),
            io::Error::other(ArgError::new("what is behind"))
                .source()
                .map(ToString::to_string)
        );
    }

    #[test]
    fn what_was_not_done_and_passes_may_be_tried_again() {
        let aborted = "EXECABORT Transaction discarded because of: LOADING Redis is loading";
        let previous = "EXECABORT Transaction discarded because of previous errors.";
        let full = "ERR max number of clients reached";
        let server = |line| ErrorKind::Server(ServerError::new(line));
        let queued = |line| ErrorKind::TransactionAborted(ServerError::new(line));
        let login = |line| ErrorKind::Handshake(ServerError::new(line));
        let cluster = |cause| ErrorKind::Cluster(ClusterError::new(cause, "text"));
        let lost = || ErrorKind::ConnectionLost(io::ErrorKind::BrokenPipe.into());
        for (kind, phase, expected) in [
            (server("BUSY a script"), Phase::Refused, true),
            // As when MULTI was refused, and the commands were carried out one by one.
            (server("BUSY a script"), Phase::MaybeApplied, false),
            (server("WRONGTYPE"), Phase::Refused, false),
            (server(aborted), Phase::Refused, true),
            (server(previous), Phase::Refused, false),
            (
                server("ERR failed because of: LOADING"),
                Phase::Refused,
                false,
            ),
            (queued("LOADING the dataset"), Phase::Refused, true),
            (queued("ERR unknown command"), Phase::Refused, false),
            (login("LOADING the dataset"), Phase::NotSent, true),
            (login(full), Phase::NotSent, true),
            (login(full), Phase::MaybeApplied, false),
            (login("WRONGPASS"), Phase::NotSent, false),
            (cluster(ClusterCause::UnknownNode), Phase::NotSent, false),
            (cluster(ClusterCause::NoNode), Phase::NotSent, true),
            (cluster(ClusterCause::Circle), Phase::Refused, true),
            (cluster(ClusterCause::Circle), Phase::MaybeApplied, false),
            (cluster(ClusterCause::WaitEnded), Phase::Refused, false),
            (lost(), Phase::NotSent, true),
            (lost(), Phase::MaybeApplied, false),
            (ErrorKind::WatchedKeyChanged, Phase::Refused, true),
            (ErrorKind::Closed, Phase::NotSent, false),
        ] {
            let error = Error::new(kind, phase);
            assert_eq!(error.is_retryable(), expected, "{error:?}");
        }
    }
}
