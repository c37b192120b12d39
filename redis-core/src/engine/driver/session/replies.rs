//! Gives replies from the input to the entries that they answer.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, BytesMut};

use super::protocol;
use crate::engine::driver::end::End;
use crate::engine::inflight::{Awaits, Queue, Unanswered};
use crate::error::ServerError;
use crate::wire::Chunk;
use crate::wire::scan::{Found, FrameKind};

/// From this many replies on, two writes are faster than one.
const HALVED: usize = 192;

/// The replies that have come, up to the next push.
pub(super) struct Replies<'s> {
    cut: Cut<'s>,
    found: &'s mut VecDeque<Found>,
    unanswered: &'s Unanswered,
    /// Whether one of them says that the server became a replica.
    demoted: bool,
}

impl<'s> Replies<'s> {
    /// What was `found` at the start of the input, whose memory is `allocated` bytes.
    pub(super) fn new(
        input: &'s mut BytesMut,
        allocated: usize,
        found: &'s mut VecDeque<Found>,
        unanswered: &'s Unanswered,
    ) -> Self {
        Self {
            cut: Cut {
                input,
                passed: 0,
                allocated,
            },
            found,
            unanswered,
            demoted: false,
        }
    }

    /// How many of the `owed` entries are answered at once. If all replies have come, the server has nothing to do.
    /// Then half of the callers are woken first, so that the server can begin with their next commands while the
    /// other half is woken.
    pub(super) fn portion(&self, owed: usize) -> usize {
        if owed >= HALVED && self.found.len() >= owed {
            owed / 2
        } else {
            usize::MAX
        }
    }

    /// Answers at most `portion` entries.
    ///
    /// # Errors
    /// A reply to no command.
    pub(super) fn answer(
        &mut self,
        queue: &mut Queue,
        portion: usize,
        woken: &mut Vec<Waker>,
    ) -> Result<(), End> {
        for _ in 0..portion {
            let wanted = match queue.wanted() {
                Some((Awaits::Reply, wanted)) => wanted,
                Some(_) => break,
                None => 0,
            };
            let Some(first) = self.next() else { break };
            if wanted == 0 {
                let text = "a reply came that nothing had asked for";
                return Err(End::Lost(protocol(text)));
            }
            self.answer_next(queue, first, wanted, woken);
        }
        Ok(())
    }

    /// Gives the next entry those of its `wanted` replies that have come; the `first` is there.
    #[inline]
    fn answer_next(
        &mut self,
        queue: &mut Queue,
        first: Found,
        wanted: usize,
        woken: &mut Vec<Waker>,
    ) {
        let told = remark(self.cut.rest());
        self.demoted |= told == Some(Remark::Demoted);
        let (mut len, mut count) = (first.len, 1);
        while count < wanted
            && let Some(next) = self.next()
        {
            let reply = self.cut.rest().get(len..).unwrap_or_default();
            self.demoted |= remark(reply) == Some(Remark::Demoted);
            (len, count) = (len + next.len, count + 1);
        }
        let piece = self.cut.take(len);
        match told {
            Some(Remark::Passes) if wanted == 1 => {
                queue.deliver_refusal(piece, self.unanswered, woken);
            }
            // Another node may carry it out.
            Some(_) if wanted == 1 && queue.is_routed() => {
                queue.deliver_refusal(piece, self.unanswered, woken);
            }
            _ => queue.deliver(piece, count, woken),
        }
    }

    #[inline]
    fn next(&mut self) -> Option<Found> {
        match self.found.front() {
            Some(next) if next.kind == FrameKind::Reply => self.found.pop_front(),
            _ => None,
        }
    }

    /// Whether one of them said that the server became a replica.
    pub(super) fn say_demoted(self) -> bool {
        self.demoted
    }
}

/// What an error tells the engine.
#[derive(PartialEq, Eq)]
enum Remark {
    /// The server became a replica.
    Demoted,
    /// The server refused for a reason that goes away.
    Passes,
    /// Another node must be asked.
    Elsewhere,
}

/// What the reply that begins here tells the engine.
#[inline]
fn remark(reply: &[u8]) -> Option<Remark> {
    match reply.split_first() {
        Some((b'-', line)) => remark_of_error(line),
        _ => None,
    }
}

#[cold]
fn remark_of_error(line: &[u8]) -> Option<Remark> {
    /// The length of the longest code.
    const CODE: usize = 32;
    let line = line.get(..CODE).unwrap_or(line);
    if line.starts_with(b"READONLY ") {
        Some(Remark::Demoted)
    } else if ServerError::is_transient_line(line) {
        Some(Remark::Passes)
    } else if line.starts_with(b"MOVED ") || line.starts_with(b"ASK ") {
        Some(Remark::Elsewhere)
    } else {
        None
    }
}

/// Cuts pieces off the input. Bytes that were copied are skipped all at once, at the end.
struct Cut<'i> {
    input: &'i mut BytesMut,
    passed: usize,
    allocated: usize,
}

impl Cut<'_> {
    #[inline]
    fn rest(&self) -> &[u8] {
        self.input.get(self.passed..).unwrap_or_default()
    }

    #[inline]
    fn take(&mut self, len: usize) -> Chunk {
        if let Some(chunk) = Chunk::copied_from(self.rest(), len) {
            self.passed += len;
            return chunk;
        }
        self.settle();
        Chunk::take(self.input, len, self.allocated)
    }

    fn settle(&mut self) {
        self.input.advance(std::mem::take(&mut self.passed));
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}
