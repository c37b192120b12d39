//! What has arrived and is not handed out yet: the whole [`Frames`], and [`Replies`], which cuts them off and gives them to the
//! entries that they answer.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, BytesMut};

use crate::engine::driver::end::{End, protocol};
use crate::engine::inflight::{Awaits, Queue, Unanswered};
use crate::error::ServerError;
use crate::wire::Chunk;
use crate::wire::scan::{Found, FrameKind, short_reply};

/// Whole frames, in the order in which they came. Short replies that follow each other are kept as one run, because most
/// replies are short: a run costs as much as one frame.
#[derive(Default)]
pub(super) struct Frames {
    runs: VecDeque<Run>,
    /// How many frames there are.
    count: usize,
}

/// One frame, or several short replies.
struct Run {
    /// Its length is that of all its frames.
    found: Found,
    frames: usize,
    /// Whether it is made of short replies.
    is_short: bool,
}

impl Frames {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.count = 0;
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, found: Found) {
        self.count += 1;
        self.runs.push_back(Run {
            found,
            frames: 1,
            is_short: false,
        });
    }

    /// Adds short replies, `len` bytes in all.
    pub(super) fn push_short(&mut self, frames: usize, len: usize) {
        self.count += frames;
        match self.runs.back_mut() {
            Some(last) if last.is_short => {
                last.found.len += len;
                last.frames += frames;
            }
            _ if frames > 0 => self.runs.push_back(Run {
                found: Found::reply(len),
                frames,
                is_short: true,
            }),
            _ => {}
        }
    }

    /// What the first frame is; its length is that of the run which it begins.
    pub(super) fn first(&self) -> Option<&Found> {
        self.runs.front().map(|run| &run.found)
    }

    /// How many short replies come next.
    #[inline]
    pub(super) fn short(&self) -> usize {
        match self.runs.front() {
            Some(run) if run.is_short => run.frames,
            _ => 0,
        }
    }

    /// Takes `frames` short replies, `len` bytes in all, of those that come next.
    #[inline]
    pub(super) fn pass_short(&mut self, frames: usize, len: usize) {
        let Some(run) = self.runs.front_mut() else {
            return;
        };
        run.frames = run.frames.saturating_sub(frames);
        run.found.len = run.found.len.saturating_sub(len);
        self.count = self.count.saturating_sub(frames);
        if run.frames == 0 {
            self.runs.pop_front();
        }
    }

    /// Takes the first frame, with which the `input` begins.
    #[inline]
    pub(super) fn take(&mut self, input: &[u8]) -> Option<Found> {
        if self.short() > 1 {
            return self.take_short(input);
        }
        let run = self.runs.pop_front()?;
        self.count = self.count.saturating_sub(1);
        Some(run.found)
    }

    #[cold]
    fn take_short(&mut self, input: &[u8]) -> Option<Found> {
        let len = short_reply(input)?;
        self.pass_short(1, len);
        Some(Found::reply(len))
    }

    /// Takes replies from the first on, with which the `input` begins: at most `most`, and only such as were found
    /// together. Returns how many, and their length.
    pub(super) fn take_replies(&mut self, most: usize, input: &[u8]) -> Option<(usize, usize)> {
        let run = self.runs.front()?;
        if run.found.kind != FrameKind::Reply || most == 0 {
            return None;
        }
        let mut taken = (run.frames, run.found.len);
        if run.frames > most {
            taken = first_short(most, input);
        }
        self.pass_short(taken.0, taken.1);
        // So that nobody waits for ever, should the input not be what was scanned.
        Some(taken).filter(|(frames, _)| *frames > 0)
    }

    /// All of them; those of a run as one.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Found> {
        self.runs.iter_mut().map(|run| &mut run.found)
    }
}

/// How many short replies the `input` begins with, `most` at most, and their length.
fn first_short(most: usize, input: &[u8]) -> (usize, usize) {
    let (mut frames, mut len) = (0, 0);
    while frames < most
        && let Some(next) = input.get(len..).and_then(short_reply)
    {
        (frames, len) = (frames + 1, len + next);
    }
    (frames, len)
}

/// From this many replies on, two writes are faster than one.
const HALVED: usize = 192;

/// The replies that have come, up to the next push.
pub(super) struct Replies<'s> {
    cut: Cut<'s>,
    found: &'s mut Frames,
    unanswered: &'s Unanswered,
    told: Told,
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
            told: Told::default(),
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
        self.told.note(told.as_ref());
        let (mut count, mut len) = first;
        while count < wanted {
            let rest = self.cut.rest().get(len..).unwrap_or_default();
            let Some(next) = self.found.take_replies(wanted - count, rest) else {
                break;
            };
            // Those that were found together are no errors.
            self.told.note(remark(rest).as_ref());
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

    /// What they told besides their content.
    pub(super) fn told(self) -> Told {
        self.told
    }
}

/// What errors among some replies told the engine.
#[derive(Default, Clone, Copy)]
pub(super) struct Told {
    /// The server became a replica.
    pub(super) demoted: bool,
    /// Another node has a slot.
    pub(super) elsewhere: bool,
}

impl Told {
    fn note(&mut self, remark: Option<&Remark>) {
        self.demoted |= remark == Some(&Remark::Demoted);
        self.elsewhere |= remark == Some(&Remark::Elsewhere);
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
    } else if ServerError::is_redirect_line(line) {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REPLIES: &[u8] = b"$1\r\na\r\n+OK\r\n$2\r\nbc\r\n:1\r\n";

    /// A run of three short replies, and a number after it.
    fn example() -> Frames {
        let mut frames = Frames::default();
        frames.push_short(2, 12);
        frames.push_short(1, 8);
        frames.push(Found::reply(4));
        frames
    }

    #[test]
    fn one_by_one_each_frame_has_its_own_length() {
        let (mut frames, mut rest) = (example(), REPLIES);
        let mut lengths = Vec::new();
        while let Some(found) = frames.take(rest) {
            rest = &rest[found.len..];
            lengths.push((found.len, frames.len()));
        }
        assert_eq!(lengths, [(7, 3), (5, 2), (8, 1), (4, 0)]);
        assert!(frames.is_empty() && rest.is_empty());
    }

    #[test]
    fn several_are_taken_up_to_the_end_of_their_run() {
        let mut frames = example();
        assert_eq!(frames.take_replies(2, REPLIES), Some((2, 12)));
        assert_eq!(frames.take_replies(2, &REPLIES[12..]), Some((1, 8)));
        assert_eq!(frames.short(), 0);
        assert_eq!(frames.take_replies(2, &REPLIES[20..]), Some((1, 4)));
        assert_eq!(frames.take_replies(2, &[]), None);
    }

    #[test]
    fn a_push_is_no_reply() {
        let mut frames = Frames::default();
        frames.push(Found {
            kind: FrameKind::Push,
            ..Found::reply(9)
        });
        assert_eq!(frames.take_replies(1, b">1\r\n:1\r\n"), None);
        assert_eq!(frames.take(b">1\r\n:1\r\n").unwrap().kind, FrameKind::Push);
    }
}
