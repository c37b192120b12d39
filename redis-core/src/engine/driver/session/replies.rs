//! Gives replies from the input to the entries that they answer.

use std::task::Waker;

use bytes::{Buf, BytesMut};

use super::frames::Frames;
use super::protocol;
use crate::engine::driver::end::End;
use crate::engine::inflight::{Awaits, Queue, Unanswered};
use crate::error::ServerError;
use crate::wire::Chunk;

/// From this many replies on, two writes are faster than one.
const HALVED: usize = 192;

/// The replies that have come, up to the next push.
pub(super) struct Replies<'s> {
    cut: Cut<'s>,
    found: &'s mut Frames,
    unanswered: &'s Unanswered,
    /// Whether one of them says that the server became a replica.
    demoted: bool,
}

impl<'s> Replies<'s> {
    /// What was `found` at the start of the input, whose memory is `allocated` bytes.
    pub(super) fn new(
        input: &'s mut BytesMut,
        allocated: usize,
        found: &'s mut Frames,
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
        let mut left = portion;
        loop {
            left -= self.answer_short(queue, left, woken);
            if left == 0 {
                break;
            }
            left -= 1;
            let wanted = match queue.wanted() {
                Some((Awaits::Reply, wanted)) => wanted,
                Some(_) => break,
                None => 0,
            };
            // One that nothing asked for is taken too.
            let most = wanted.max(1);
            let Some(first) = self.found.take_replies(most, self.cut.rest()) else {
                break;
            };
            if wanted == 0 {
                let text = "a reply came that nothing had asked for";
                return Err(End::Lost(protocol(text)));
            }
            self.answer_next(queue, first, wanted, woken);
        }
        Ok(())
    }

    /// Answers the next entries, at most `most`, as long as each is a single command and its reply is short, as most
    /// are. Returns how many it has answered.
    fn answer_short(&mut self, queue: &mut Queue, most: usize, woken: &mut Vec<Waker>) -> usize {
        let most = most.min(self.found.short());
        if most == 0 {
            return 0;
        }
        let (count, len) = queue.deliver_short(self.cut.rest(), most, woken);
        self.cut.skip(len);
        self.found.pass_short(count, len);
        count
    }

    /// Gives the next entry those of its `wanted` replies that have come. The `first` ones are taken already: how many
    /// they are, and their length.
    #[inline]
    fn answer_next(
        &mut self,
        queue: &mut Queue,
        first: (usize, usize),
        wanted: usize,
        woken: &mut Vec<Waker>,
    ) {
        let told = remark(self.cut.rest());
        self.demoted |= told == Some(Remark::Demoted);
        let (mut count, mut len) = first;
        while count < wanted {
            let rest = self.cut.rest().get(len..).unwrap_or_default();
            let Some(next) = self.found.take_replies(wanted - count, rest) else {
                break;
            };
            // Those that were found together are no errors.
            self.demoted |= remark(rest) == Some(Remark::Demoted);
            (count, len) = (count + next.0, len + next.1);
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

    /// Skips bytes that are not needed any more.
    fn skip(&mut self, len: usize) {
        self.passed += len;
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
