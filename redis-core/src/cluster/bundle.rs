//! Commands that go to one node in one write: [`Bundle`].

use std::sync::Arc;

use crate::chain::routing::Singles;
use crate::command::ASKING;
use crate::command::script_text::ScriptTextRef;
use crate::engine::inflight::{Hold, Patience, Payload, Terms};
use crate::engine::link::Link;
use crate::engine::sending::Sending;
use crate::engine::trace::Trace;
#[cfg(feature = "tracing")]
use crate::error::ServerError;
#[cfg(feature = "tracing")]
use crate::wire::Chunk;
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;

/// What goes to one node in one write.
pub(super) struct Bundle {
    pub(super) sending: Sending<Arc<Link>>,
    pub(super) members: Vec<Member>,
    /// Its number, if it is among the first that were sent.
    pub(super) number: Option<usize>,
    /// `None` until all of its commands are known.
    pub(super) trace: Option<Trace>,
    /// Scripts that are sent with their texts, and the commands that do so.
    texts: Vec<(usize, ScriptTextRef)>,
}

/// A command in a bundle, by its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) single: usize,
    /// Whether ASKING comes right before it.
    pub(super) asking: bool,
}

/// The bytes of a bundle.
pub(super) struct BundlePayload<'c> {
    singles: &'c mut Singles,
    members: &'c [Member],
    patience: Patience,
}

impl Payload for BundlePayload<'_> {
    fn terms(&self) -> Terms {
        let mut terms = Terms {
            bytes: 0,
            replies: 0,
            // Which of them may be sent again is decided for each.
            idempotent: false,
            hold: Hold::None,
            patience: self.patience,
        };
        for member in self.members {
            terms.bytes += self.singles.encoded_len(member.single);
            terms.replies += 1;
            if member.asking {
                terms.bytes += ASKING.len();
                terms.replies += 1;
            }
        }
        terms
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        for members in self.members.chunk_by(|_, next| !next.asking) {
            if members.first().is_some_and(|first| first.asking) {
                out.put(ASKING);
            }
            let numbers = members.iter().map(|member| member.single);
            self.singles.write(numbers, out);
        }
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        /// The most command names that are listed.
        const SHOWN: usize = 20;
        let shown = self.members.iter().take(SHOWN);
        let names = shown.filter_map(|member| self.singles.get(member.single));
        let names: Vec<&str> = names.map(|single| single.info.name).collect();
        let count = self.members.len();
        crate::engine::inflight::Summary {
            operation: match names.as_slice() {
                [name] if count == 1 => (*name).into(),
                _ => "PIPELINE".into(),
            },
            text: names.join("; ") + if count > SHOWN { "; …" } else { "" },
            batch: (count > 1).then_some(count),
        }
    }

    /// Which errors are outcomes is decided for each command: see [`Scatter`](super::scatter::Scatter).
    #[cfg(feature = "tracing")]
    fn first_error(&self, _: &[Chunk]) -> Option<ServerError> {
        None
    }
}

impl Bundle {
    pub(super) fn new(link: Arc<Link>, number: Option<usize>) -> Self {
        Self {
            sending: Sending::new(link),
            members: Vec::new(),
            number,
            trace: None,
            texts: Vec::new(),
        }
    }

    /// Makes it ready to be sent, now that all of its commands are known.
    pub(super) fn prepare(&mut self, singles: &mut Singles, patience: Patience) {
        self.bring_scripts(singles);
        let payload = BundlePayload {
            singles,
            members: &self.members,
            patience,
        };
        self.trace = Some(Trace::start(&self.sending.link().config, &payload));
    }

    pub(super) fn payload<'c>(
        &'c mut self,
        singles: &'c mut Singles,
        patience: Patience,
    ) -> (&'c mut Sending<Arc<Link>>, BundlePayload<'c>) {
        let members = &self.members;
        let payload = BundlePayload {
            singles,
            members,
            patience,
        };
        (&mut self.sending, payload)
    }

    /// How many of its commands are whole among the first bytes of it. A server does not carry out a part of a command.
    pub(super) fn count_written(&self, singles: &mut Singles, written: usize) -> usize {
        let mut end = 0;
        let is_whole = |member: &&Member| {
            let mut bytes = Outgoing::default();
            singles.write(std::iter::once(member.single), &mut bytes);
            end += bytes.len() + if member.asking { ASKING.len() } else { 0 };
            end <= written
        };
        self.members.iter().take_while(is_whole).count()
    }

    /// Has scripts sent with their texts that the node may lack; each once, since later calls find it there.
    fn bring_scripts(&mut self, singles: &mut Singles) {
        let loaded = &self.sending.link().scripts;
        for member in &self.members {
            let Some(args) = singles.args_mut(member.single) else {
                continue;
            };
            let Some(script) = args.called_script().cloned() else {
                continue;
            };
            let is_brought = |(_, known): &(usize, ScriptTextRef)| known.sha1() == script.sha1();
            if !loaded.contains(&script) && !self.texts.iter().any(is_brought) {
                args.send_script_text();
                self.texts.push((member.single, script));
            }
        }
    }

    /// Notes that the node has all scripts that were brought.
    pub(super) fn note_scripts(&self) {
        for (_, script) in &self.texts {
            self.sending.link().scripts.insert(script);
        }
    }

    /// Notes that the node has the script that this command brought, if it brought one.
    pub(super) fn note_script(&self, single: usize) {
        let brought = self.texts.iter().find(|(brought, _)| *brought == single);
        if let Some((_, script)) = brought {
            self.sending.link().scripts.insert(script);
        }
    }
}
