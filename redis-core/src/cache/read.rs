//! A read that makes the server report later changes of its keys: [`TrackedRead`], and what comes back: [`Answers`].

use super::settings::Enabling;
use crate::command::{Args, CommandInfo, command_info};
use crate::engine::inflight::{Hold, Leads, Payload, Terms};
use crate::engine::single::terms_of;
use crate::reply::{FrameRef, KeptReply, Reply};
use crate::wire::Chunk;
use crate::wire::encode::{self, Output};
use crate::wire::outgoing::Outgoing;

/// `CLIENT CACHING YES`, encoded.
const CACHING_YES: &[u8] = b"*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n";

static PTTL: CommandInfo = command_info!("PTTL").readonly();

/// A command with everything that goes before and after it in the same write.
#[derive(Debug)]
pub(super) struct TrackedRead {
    /// What turns tracking on, if it may be off.
    pub(super) enabling: Option<Enabling>,
    /// Whether CLIENT CACHING YES goes right before the command.
    pub(super) opts_in: bool,
    pub(super) args: Box<Args>,
    /// For how many keys the time to live is asked for after the command.
    pub(super) ttls: usize,
}

impl TrackedRead {
    /// How many replies come before that of the command.
    fn before(&self) -> usize {
        let enabling = self.enabling.as_ref();
        enabling.map_or(0, |enabling| enabling.replies) + usize::from(self.opts_in)
    }
}

impl Payload for TrackedRead {
    fn terms(&self) -> Terms {
        /// What PTTL takes beside the key.
        const PTTL: usize = 40;
        let enabling = self.enabling.as_ref();
        let command = self.args.encoded_len();
        Terms {
            bytes: enabling.map_or(0, |enabling| enabling.bytes.len())
                + if self.opts_in { CACHING_YES.len() } else { 0 }
                + command
                // All keys together are not longer than the command.
                + if self.ttls > 0 { command + self.ttls * PTTL } else { 0 },
            replies: self.before() + 1 + self.ttls,
            idempotent: self.args.is_idempotent(),
            hold: Hold::None,
            patience: terms_of(&self.args).patience,
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        if let Some(enabling) = &self.enabling {
            out.put(&enabling.bytes);
        }
        if self.opts_in {
            out.put(CACHING_YES);
        }
        self.args.write_to(out);
        if self.ttls > 0 {
            self.args.each_key(|key| {
                encode::array_header(out, PTTL.words + 1);
                out.put(PTTL.header);
                encode::bulk(out, key);
            });
        }
    }

    /// If the command itself is refused, for a reason that goes away or because another node has the key, it is sent again in the
    /// ordinary way.
    fn leads_on(&self) -> Leads {
        Leads::by_one_behind(self.before())
    }

    fn takes_one_piece(&self) -> bool {
        true
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        let operation = self.args.name().to_string();
        let arguments = self.args.count_arguments();
        crate::engine::inflight::Summary {
            text: operation.clone() + &" ?".repeat(arguments),
            operation: operation.into(),
            batch: None,
        }
    }

    /// What goes before and after the command is not the caller's.
    #[cfg(feature = "tracing")]
    fn first_error(&self, replies: &[Chunk]) -> Option<crate::error::ServerError> {
        Answers::read(self, replies)?.reply.reply().error()
    }
}

/// The replies to a [`TrackedRead`].
pub(super) struct Answers<'a> {
    /// Whether tracking was turned on, if that was asked for and the server was not busy.
    pub(super) enabled: Option<bool>,
    /// Whether CLIENT CACHING YES was accepted, if it was sent.
    pub(super) opted_in: Option<bool>,
    /// The reply to the command, as it came.
    pub(super) reply: FrameRef<'a>,
    /// The milliseconds after which the first of the keys expires; `None` if no key expires, or if this was not asked.
    pub(super) ttl: Option<u64>,
    /// The places of the keys that are not there, as far as this was asked, in ascending order.
    pub(super) gone: Vec<usize>,
}

impl<'a> Answers<'a> {
    /// `None` if there are too few replies.
    #[inline]
    pub(super) fn read(read: &TrackedRead, chunks: &'a [Chunk]) -> Option<Self> {
        Self::read_string(read, chunks).or_else(|| Self::read_all(read, chunks))
    }

    /// Reads what most reads bring: a short string in one piece, with nothing before it but what CLIENT CACHING YES says.
    #[inline]
    fn read_string(read: &TrackedRead, chunks: &'a [Chunk]) -> Option<Self> {
        const OK: &[u8] = b"+OK\r\n";
        let [chunk] = chunks else { return None };
        let is_usual =
            read.enabling.is_none() && read.ttls == 0 && (!read.opts_in || chunk.starts_with(OK));
        let start = if read.opts_in { OK.len() } else { 0 };
        let (reply, end) = FrameRef::next_short(chunk.span(), start).filter(|_| is_usual)?;
        (end == chunk.len()).then_some(Self {
            enabled: None,
            opted_in: read.opts_in.then_some(true),
            reply,
            ttl: None,
            gone: Vec::new(),
        })
    }

    /// Reads any replies.
    fn read_all(read: &TrackedRead, chunks: &'a [Chunk]) -> Option<Self> {
        let mut frames = frames(chunks);
        let mut enabled = None;
        for _ in 0..read
            .enabling
            .as_ref()
            .map_or(0, |enabling| enabling.replies)
        {
            enabled = match frames.next()?.reply().error() {
                None => Some(true),
                // That says nothing about tracking.
                Some(error) if error.is_transient() => None,
                Some(_) => Some(false),
            };
        }
        let opted_in = match read.opts_in {
            true => Some(!is_error(&frames.next()?)),
            false => None,
        };
        let reply = frames.next()?;
        let (mut ttl, mut gone) = (None, Vec::new());
        for place in 0..read.ttls {
            let left = match frames.next()?.into_reply() {
                Reply::Integer(-2) => {
                    gone.push(place);
                    None
                }
                // Minus one stands for a key that does not expire.
                Reply::Integer(left) => u64::try_from(left).ok(),
                // The time is not known.
                _ => Some(0),
            };
            ttl = [ttl, left].into_iter().flatten().min();
        }
        Some(Self {
            enabled,
            opted_in,
            reply,
            ttl,
            gone,
        })
    }
}

impl Answers<'_> {
    /// Whether the key at this place has expired between the read and the question for its time to live. Then `reply` is
    /// about something that is no longer there; nil alone says of a key that is not there what holds.
    pub(super) fn is_outdated(&self, place: usize, reply: &KeptReply) -> bool {
        self.gone.binary_search(&place).is_ok() && !reply.is_nil()
    }
}

fn is_error(frame: &FrameRef<'_>) -> bool {
    matches!(frame.reply(), Reply::Error(_))
}

/// All frames in the chunks, in order.
fn frames<'a>(chunks: &'a [Chunk]) -> impl Iterator<Item = FrameRef<'a>> {
    chunks.iter().flat_map(|chunk| {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= chunk.len() {
                return None;
            }
            let (frame, end) = FrameRef::next(chunk.span(), at)?;
            at = end;
            Some(frame)
        })
    })
}
