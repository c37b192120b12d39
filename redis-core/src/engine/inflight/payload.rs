//! What callers give to the queue, and what they get back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::held::{Held, Holds};
use super::leads::Leads;
use crate::command::Block;
use crate::command::script_text::Loaded;
use crate::engine::maintenance::Relaxation;
use crate::error::{Error, ErrorKind, Obstacle, Phase, Result, ServerError, TlsError};
#[cfg(feature = "tracing")]
use crate::reply::Frame;
use crate::runtime::after;
use crate::wire::Chunk;
use crate::wire::outgoing::Outgoing;

/// Something that can be written and is owed replies: one command, or a pipeline of them.
pub(crate) trait Payload {
    /// What the queue has to know about it.
    fn terms(&self) -> Terms;
    /// Appends its encoded bytes. Called again only if [`Payload::mend`] returned `true`.
    fn write_to(&mut self, out: &mut Outgoing);
    /// Checks whether replies say that scripts are missing. If nothing was carried out because of that, adds the
    /// scripts and returns `true`: the payload is then sent again.
    fn mend(&mut self, _loaded: &Loaded, _replies: &[Chunk]) -> bool {
        false
    }
    /// Whether it was written for what the present socket leads to, as a chain that calls scripts which that server has.
    fn is_bound(&self) -> bool {
        false
    }
    /// Which errors may have its caller send something more, other than where [`Payload::mend`] is for a single command.
    #[inline]
    fn leads_on(&self) -> Leads {
        if self.is_bound() {
            Leads::BY_ANY
        } else {
            Leads::NOWHERE
        }
    }
    /// Whether its replies may come in one piece, as [`Delivery::Reply`], though there are several.
    #[inline]
    fn takes_one_piece(&self) -> bool {
        false
    }
    /// Whether it may be sent again after some of its replies have come; asked only if it may be sent again at all. What was
    /// answered was certainly carried out, so a write among it must not be done once more. The same holds where the next server
    /// may refuse some of its commands.
    #[inline]
    fn goes_again_in_part(&self) -> bool {
        true
    }
    /// Whether it may be sent to what the link leads to now; asked of a question of the client itself, where it is queued.
    fn fits(&self, _is_connected: bool) -> bool {
        true
    }
    /// Whether it may be sent again after a pause, when the link may lead to another server.
    fn goes_again_later(&self) -> bool {
        true
    }
    /// Adapts it to what the next socket leads to, before it is sent for the first time. Returns whether it is bound to
    /// a socket at all.
    fn rebind(&mut self, _loaded: &Loaded) -> bool {
        false
    }
    /// Whether it may have to be sent again as it is now, because of a reply that is no error.
    #[inline]
    fn may_go_on(&self) -> bool {
        false
    }
    /// Whether it may run code, which chooses the words of its errors.
    fn runs_code(&self) -> bool {
        false
    }
    /// Whether this reply is not the last: the command goes on waiting, and must be sent again as it is now.
    fn waits_on(&mut self, _reply: &Delivery) -> bool {
        false
    }
    /// What a trace says about it.
    #[cfg(feature = "tracing")]
    fn summary(&self) -> Summary;
    /// The first error among the replies, for a trace; asked only if somebody listens.
    #[cfg(feature = "tracing")]
    fn first_error(&self, replies: &[Chunk]) -> Option<ServerError> {
        let reply = replies.first().cloned().map(Frame::from_scanned)?;
        reply.reply().error()
    }
}

/// What the queue has to know about a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The most bytes that [`Payload::write_to`] appends.
    pub(crate) bytes: usize,
    /// The number of replies to it.
    pub(crate) replies: usize,
    /// Whether sending it twice does no harm.
    pub(crate) idempotent: bool,
    /// How long the server may hold it.
    pub(crate) hold: Hold,
    /// How long it may take.
    pub(crate) patience: Patience,
}

/// How long something may take, from its first poll to its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the configuration of the connection says.
    Default,
    /// As long as the configuration says, and this much longer: for commands that may block on the
    /// server for this time.
    Extra(Duration),
    /// What is left of the time that the configuration says.
    Rest(Duration),
    Only(Duration),
    Forever,
}

impl Patience {
    /// Whether the configuration of the connection says how long.
    #[inline]
    pub(crate) fn is_usual(self) -> bool {
        matches!(self, Self::Default | Self::Extra(_) | Self::Rest(_))
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(self) -> bool {
        matches!(
            self,
            Self::Rest(Duration::ZERO) | Self::Only(Duration::ZERO)
        )
    }

    /// The limit of a command that is queued now; the default time is `usual`.
    #[inline]
    pub(crate) fn limit(self, usual: Option<Duration>) -> Limit {
        let patience = match self {
            Self::Default => usual,
            Self::Extra(extra) => usual.map(|usual| usual.saturating_add(extra)),
            Self::Rest(patience) | Self::Only(patience) => Some(patience),
            Self::Forever => None,
        };
        patience.map_or(Limit::None, Limit::Within)
    }
}

/// What a span says of a command or batch.
#[cfg(feature = "tracing")]
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) operation: std::borrow::Cow<'static, str>,
    /// The command with a `?` for each argument.
    pub(crate) text: String,
    /// The number of commands, if it is a batch.
    pub(crate) batch: Option<usize>,
}

/// How long a server may hold a command before it replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It replies as soon as it can.
    None,
    /// At most this many milliseconds.
    For(u32),
    Forever,
}

impl From<Block> for Hold {
    fn from(block: Block) -> Self {
        match block {
            Block::Forever => Self::Forever,
            Block::For(limit) => u32::try_from(limit.as_millis()).map_or(Self::Forever, Self::For),
        }
    }
}

/// The outcome of an entry.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Its only reply, or all of them where it [takes one piece](Payload::takes_one_piece); there is no error among them.
    Reply(Chunk),
    Parts(Box<Parts>),
    /// There was no reply, because it could not be sent.
    Refused(Error),
}

/// All replies of an entry, or the first of them and why the others are missing.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The replies, in pieces of whole frames.
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) error: Option<Failure>,
    /// When the entry would have been given up.
    pub(crate) due: Due,
    /// The same command to be sent again, if the server refused it for a reason that goes away.
    pub(crate) again: Option<Box<Again>>,
    /// How many bytes of the entry were written before its socket was lost.
    pub(crate) written: Option<usize>,
    /// Whether it had been sent before on a socket that was lost, so that it may have been carried out then.
    pub(crate) was_lost: bool,
    /// Keeps the link, if the caller may send it once more there.
    pub(crate) held: Option<Held>,
}

impl Parts {
    /// Whether the caller may send it once more because of this outcome.
    pub(crate) fn may_go_on(&self) -> bool {
        let is_final = match self.chunks.as_slice() {
            [reply] => reply.starts_with(b"-") && is_one_line(reply),
            _ => false,
        };
        self.again.is_some() || self.error.is_some() || !is_final || self.lacks_script()
    }

    /// Whether the caller may send it once more on the same link. `leads_on` says which errors are a reason for that.
    fn may_stay(&self, leads_on: Leads) -> bool {
        match &self.error {
            Some(failure) => matches!(failure, Failure::Lost(Phase::NotSent, ..)),
            None => {
                self.again.is_some() || self.lacks_script() || leads_on.may_follow(&self.chunks)
            }
        }
    }

    /// Keeps the link until the caller has decided.
    #[cold]
    pub(super) fn hold(&mut self, leads_on: Leads, holds: &Holds) {
        if self.may_stay(leads_on) {
            self.held = Some(holds.hold_for_call());
        }
    }

    fn lacks_script(&self) -> bool {
        let mut replies = self.chunks.iter();
        replies.any(|reply| reply.starts_with(b"-NOSCRIPT"))
    }
}

fn is_one_line(reply: &[u8]) -> bool {
    memchr::memmem::find(reply, b"\r\n").is_some_and(|end| end + 2 == reply.len())
}

impl Delivery {
    /// The outcome of an entry that was never made.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self::Parts(Box::new(Parts {
            error: Some(failure),
            ..Parts::default()
        }))
    }

    /// Takes what keeps the link, if the caller may send it once more there.
    #[inline]
    pub(crate) fn take_held(&mut self) -> Option<Held> {
        match self {
            Self::Parts(parts) => parts.held.take(),
            Self::Reply(_) | Self::Refused(_) => None,
        }
    }

    /// The pieces, and why the others are missing.
    ///
    /// # Errors
    /// It could not be sent.
    pub(crate) fn into_parts(self) -> Result<(Vec<Chunk>, Option<Failure>)> {
        match self {
            Self::Reply(chunk) => Ok((vec![chunk], None)),
            Self::Parts(parts) => Ok((parts.chunks, parts.error)),
            Self::Refused(error) => Err(error),
        }
    }
}

/// A command that is sent again with the same bytes.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    pub(crate) bytes: Outgoing,
    pub(crate) idempotent: bool,
    pub(crate) hold: Hold,
}

impl Payload for Again {
    fn terms(&self) -> Terms {
        Terms {
            bytes: self.bytes.len(),
            replies: 1,
            idempotent: self.idempotent,
            hold: self.hold,
            // Its deadline is set already.
            patience: Patience::Forever,
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        self.bytes.move_to(self.bytes.len(), out);
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> Summary {
        Summary {
            operation: "".into(),
            text: String::new(),
            batch: None,
        }
    }
}

/// When an entry fails because it has no reply.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    None,
    /// This long after it was queued. Callers do not read the clock: the driver, which they wake, reads it once for
    /// all of them.
    Within(Duration),
    At(Instant),
}

impl Limit {
    /// The moment, for an entry that was queued at `now`; `None` means never.
    pub(crate) fn from(self, now: Instant) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Within(patience) => now.checked_add(patience),
            Self::At(deadline) => Some(deadline),
        }
    }

    /// The moment, once it is known.
    pub(crate) fn moment(self) -> Option<Instant> {
        match self {
            Self::At(deadline) => Some(deadline),
            Self::None | Self::Within(_) => None,
        }
    }
}

/// When something that is sent once more has to be answered, if that is known by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    pub(crate) at: Option<Instant>,
    /// Whether maintenance makes it no later: it has done so, or the caller has named it.
    pub(crate) is_final: bool,
}

impl Due {
    /// That of something with this patience.
    pub(crate) fn by(at: Option<Instant>, patience: Patience) -> Self {
        let is_final = !patience.is_usual();
        Self { at, is_final }
    }

    /// Makes it later, once, if there is maintenance now. Returns whether that was done.
    pub(crate) fn extend(&mut self, relaxation: Option<Relaxation>) -> bool {
        let (Some(at), Some(relaxation), false) = (self.at, relaxation, self.is_final) else {
            return false;
        };
        let extra = relaxation.extra_at(Instant::now());
        if !extra.is_zero() {
            (self.at, self.is_final) = (Some(after(at, extra)), true);
        }
        self.is_final
    }

    /// This, or `other` if this is not known.
    pub(crate) fn or(self, other: Self) -> Self {
        if self.at.is_some() { self } else { other }
    }
}

/// Why replies did not come; cheap to clone for many callers.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No reply in time; with what was waited for, if that is known.
    Timeout(Phase, Option<Arc<Obstacle>>),
    Lost(Phase, io::ErrorKind, std::sync::Arc<str>),
    /// The server refused the next connection.
    Refused(Phase, ServerError),
    /// So did TLS.
    Tls(Phase, TlsError),
    Protocol(std::sync::Arc<str>),
    Closed(Phase),
    /// The runtime of the driver has ended.
    Abandoned(Phase),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout(phase, obstacle) => Self::timeout(phase, obstacle),
            Failure::Lost(phase, kind, text) => Self::new(
                ErrorKind::ConnectionLost(io::Error::new(kind, text.to_string())),
                phase,
            ),
            Failure::Refused(phase, error) => Self::new(ErrorKind::Handshake(error), phase),
            Failure::Tls(phase, error) => Self::new(ErrorKind::Tls(error), phase),
            Failure::Protocol(text) => Self::protocol(text.to_string()),
            Failure::Closed(phase) => Self::new(ErrorKind::Closed, phase),
            Failure::Abandoned(phase) => Self::new(ErrorKind::RuntimeEnded, phase),
        }
    }
}

impl Failure {
    /// The reason, for an event.
    pub(crate) fn reason(&self) -> std::sync::Arc<str> {
        match self {
            Self::Lost(_, _, text) | Self::Protocol(text) => text.clone(),
            Self::Refused(_, error) => error.to_string().into(),
            Self::Tls(_, error) => error.to_string().into(),
            Self::Timeout(..) => "a deadline passed".into(),
            Self::Closed(_) => "it was closed by its owner".into(),
            Self::Abandoned(_) => "the runtime that it was made in has ended".into(),
        }
    }

    /// Whether the command may have been carried out.
    pub(crate) fn was_sent(&self) -> bool {
        match self {
            Self::Timeout(phase, _)
            | Self::Lost(phase, ..)
            | Self::Refused(phase, _)
            | Self::Tls(phase, _)
            | Self::Closed(phase)
            | Self::Abandoned(phase) => *phase != Phase::NotSent,
            Self::Protocol(_) => true,
        }
    }

    /// The same failure, for a command that was sent or not sent.
    pub(crate) fn in_phase(&self, phase: Phase) -> Self {
        match self {
            Self::Timeout(_, obstacle) => Self::Timeout(phase, obstacle.clone()),
            Self::Lost(_, kind, text) => Self::Lost(phase, *kind, text.clone()),
            Self::Refused(_, error) => Self::Refused(phase, error.clone()),
            Self::Tls(_, error) => Self::Tls(phase, error.clone()),
            Self::Closed(_) => Self::Closed(phase),
            Self::Abandoned(_) => Self::Abandoned(phase),
            Self::Protocol(text) if phase == Phase::NotSent => {
                Self::Lost(phase, io::ErrorKind::InvalidData, text.clone())
            }
            Self::Protocol(text) => Self::Protocol(text.clone()),
        }
    }
}
