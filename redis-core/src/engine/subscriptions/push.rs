//! What a server pushes: [`Push`], a view of the frame.

use crate::reply::view::{Reply, Str};
use crate::wire::encode;

use super::source::SourceKind;

/// A push that this client uses.
pub(crate) enum Push<'a> {
    Message {
        kind: SourceKind,
        source: &'a [u8],
        /// Set if the source is a pattern.
        channel: Option<Str<'a>>,
        payload: Str<'a>,
    },
    /// A subscription began or ended. Without a source, it answers a command that ends all subscriptions when there
    /// were none.
    Changed(Verb, SourceKind, Option<&'a [u8]>),
    /// Keys that this client had read were changed; nil stands for all.
    Invalidate(Reply<'a>),
}

/// What is done to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Join,
    Leave,
}

/// The word that says what a push is.
enum Word {
    Message(SourceKind),
    Changed(Verb, SourceKind),
    Invalidate,
}

/// Whether an array is one of the pushes read here: in RESP2 they look like replies.
pub(crate) fn is_push_in_resp2(frame: &[u8]) -> bool {
    let body = frame
        .strip_prefix(b"*")
        .and_then(|line| line.get(memchr::memchr(b'\n', line)? + 1..));
    body.and_then(|body| Word::read(encode::words(body).next()?))
        .is_some()
}

/// Reads a push. Unknown and malformed ones give `None`.
pub(crate) fn read<'a>(reply: &Reply<'a>) -> Option<Push<'a>> {
    let mut elements = reply.elements()?;
    let word = Word::read(elements.next()?.text()?.as_bytes())?;
    let mut text = || elements.next()?.text().copied();
    Some(match word {
        Word::Message(SourceKind::Pattern) => Push::Message {
            kind: SourceKind::Pattern,
            source: text()?.as_bytes(),
            channel: Some(text()?),
            payload: text()?,
        },
        Word::Message(kind) => Push::Message {
            kind,
            source: text()?.as_bytes(),
            channel: None,
            payload: text()?,
        },
        Word::Changed(verb, kind) => {
            let source = elements.next()?;
            let name = source.text().map(|name| name.as_bytes());
            if name.is_none() && !source.is_nil() {
                return None;
            }
            Push::Changed(verb, kind, name)
        }
        Word::Invalidate => Push::Invalidate(elements.next()?),
    })
}

impl Word {
    fn read(word: &[u8]) -> Option<Self> {
        use SourceKind::{Channel, Pattern, Shard};
        use Verb::{Join, Leave};
        Some(match word {
            b"message" => Self::Message(Channel),
            b"pmessage" => Self::Message(Pattern),
            b"smessage" => Self::Message(Shard),
            b"subscribe" => Self::Changed(Join, Channel),
            b"psubscribe" => Self::Changed(Join, Pattern),
            b"ssubscribe" => Self::Changed(Join, Shard),
            b"unsubscribe" => Self::Changed(Leave, Channel),
            b"punsubscribe" => Self::Changed(Leave, Pattern),
            b"sunsubscribe" => Self::Changed(Leave, Shard),
            b"invalidate" => Self::Invalidate,
            _ => return None,
        })
    }
}
