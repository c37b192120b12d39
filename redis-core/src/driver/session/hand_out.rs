//! Whose is what arrives: frames are found in the input and given to those who wait for them.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use super::{RETRY, Session, protocol};
use crate::chunk::Chunk;
use crate::connection::Link;
use crate::driver::End;
use crate::error::ServerError;
use crate::frame::{Frame, Frames};
use crate::inflight::Awaits;
use crate::pubsub::push;
use crate::pubsub::table::Received;
use crate::resp::scan::{Found, FrameKind};

impl Session {
    /// Gives every whole frame that has arrived to whom it belongs.
    pub(super) fn hand_out(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        while let Some(next) = self.found.front() {
            if next.kind == FrameKind::Reply {
                self.hand_replies(link, woken)?;
                if self.halved {
                    // The other half after what the first callers queue has been written.
                    cx.waker().wake_by_ref();
                    break;
                }
            } else if !link.hub().has_room(next.len, cx.waker()) {
                break;
            } else {
                self.hand_push(link, woken);
            }
        }
        if !woken.is_empty() {
            woken.drain(..).for_each(Waker::wake);
        }
        Ok(())
    }

    /// Whether frames wait until somebody has read others; nothing more is read meanwhile.
    pub(super) fn is_held_up(&self) -> bool {
        !self.found.is_empty()
    }

    fn hand_push(&mut self, link: &Link, woken: &mut Vec<Waker>) {
        let Some(found) = self.found.pop_front() else {
            return;
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        self.hand_inner_pushes(&frame, found, link, woken);
        let may_answer = || link.awaits() != Awaits::Reply;
        let received = link.hub().receive(&frame, may_answer, woken);
        if received == Received::Answer {
            link.with(woken, |queue, woken| {
                queue.deliver(Chunk::EMPTY, 1, woken);
                woken.extend(queue.next_in_line());
            });
        }
    }

    /// Servers before 7.2 may push amid a reply.
    fn hand_inner_pushes(&self, frame: &Frame, found: Found, link: &Link, woken: &mut Vec<Waker>) {
        if found.has_inner_pushes {
            for push in frame.inner_pushes() {
                link.hub().receive(&push, || false, woken);
            }
        }
    }

    /// Gives the replies that come before the next push to those who wait for them.
    fn hand_replies(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        match link.awaits() {
            Awaits::Reply => {}
            Awaits::Push => return self.hand_refusal(link, woken),
            Awaits::Fence => {
                self.hand_fence(link, woken);
                return Ok(());
            }
        }
        let mut with_pushes = Vec::new();
        let mut demoted = false;
        let unanswered = &self.unanswered;
        let progress = self.progress;
        let (input, found, allocated) = (&mut self.input, &mut self.found, self.allocated);
        let mut cut = Cut {
            input,
            passed: 0,
            allocated,
        };
        let halved = &mut self.halved;
        let handed_out = link.with(woken, |queue, woken| {
            let mut portion = portion(queue.owed(), found.len());
            *halved = portion < usize::MAX;
            while portion > 0 {
                portion -= 1;
                let wanted = match queue.wanted() {
                    Some((Awaits::Reply, wanted)) => wanted,
                    Some(_) => break,
                    None => 0,
                };
                let Some(first) = next_reply(found) else {
                    break;
                };
                if wanted == 0 {
                    return Err(End::Lost(protocol(
                        "a reply came that nothing had asked for",
                    )));
                }
                let (mut len, mut count) = (first.len, 1);
                let mut inner = first.has_inner_pushes;
                let told = remark(cut.rest());
                demoted |= told == Some(Remark::Demoted);
                while count < wanted
                    && let Some(next) = next_reply(found)
                {
                    demoted |= cut
                        .rest()
                        .get(len..)
                        .is_some_and(|next| remark(next) == Some(Remark::Demoted));
                    len += next.len;
                    count += 1;
                    inner |= next.has_inner_pushes;
                }
                let piece = cut.take(len);
                if inner {
                    with_pushes.push(piece.clone());
                }
                match told {
                    Some(Remark::Passes) if wanted == 1 => {
                        queue.deliver_refusal(piece, unanswered, woken);
                    }
                    _ => queue.deliver(piece, count, woken),
                }
            }
            woken.extend(queue.next_in_line());
            queue.mark_progress(progress);
            queue.shrink();
            Ok(())
        });
        drop(cut);
        if demoted {
            link.suspect_replica();
        }
        handed_out?;
        for piece in with_pushes {
            for push in Frames::from_scanned(piece).flat_map(|frame| frame.inner_pushes()) {
                link.hub().receive(&push, || false, woken);
            }
        }
        Ok(())
    }

    /// A reply to a command that is owed a push can only be an error.
    fn hand_refusal(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        let Some(found) = self.found.pop_front() else {
            return Ok(());
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        let Some(error) = frame.reply().error() else {
            return Err(End::Lost(protocol(
                "a subscription was answered with neither a push nor an error",
            )));
        };
        link.with(woken, |queue, woken| {
            queue.deliver(Chunk::EMPTY, 1, woken);
        });
        if link.hub().refused(&error, woken) {
            self.retry = Some(Instant::now() + RETRY);
        }
        Ok(())
    }

    /// The reply of the PING behind a command, or an error of either.
    fn hand_fence(&mut self, link: &Link, woken: &mut Vec<Waker>) {
        let Some(found) = self.found.pop_front() else {
            return;
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        if link.hub().fenced(frame.reply().error().as_ref(), woken) == Received::Answer {
            link.with(woken, |queue, woken| {
                queue.deliver(Chunk::EMPTY, 1, woken);
            });
        }
    }

    pub(super) fn find_frames(&mut self, link: &Link) -> Result<(), End> {
        // RESP2 has no type for pushes; there only sockets apart receive any.
        let pushes_are_arrays = link.is_for_subscriptions() && !link.speaks_resp3();
        let mut start = 0;
        loop {
            let rest = self.input.get(start..).unwrap_or_default();
            for found in self.scanner.short_replies(rest) {
                start += found.len;
                self.found.push_back(found);
            }
            let rest = self.input.get(start..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match self.scanner.scan(rest) {
                Ok(Some(mut found)) => {
                    let frame = self.input.get(start..start + found.len);
                    if pushes_are_arrays && frame.is_some_and(push::is_push_in_resp2) {
                        found.kind = FrameKind::Push;
                    }
                    start += found.len;
                    self.found.push_back(found);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Lost(protocol(&error.to_string()))),
            }
        }
    }
}

/// So many replies are worth two writes in place of one.
const HALVED: usize = 192;

/// What an error says that is the engine's business.
#[derive(PartialEq, Eq)]
enum Remark {
    /// The server became a replica.
    Demoted,
    /// It refused for a reason that passes.
    Passes,
}

/// What the reply that begins here says beside what it says to its caller.
#[inline]
fn remark(reply: &[u8]) -> Option<Remark> {
    match reply.split_first() {
        Some((b'-', line)) => remark_of_error(line),
        _ => None,
    }
}

#[cold]
fn remark_of_error(line: &[u8]) -> Option<Remark> {
    /// No code is longer.
    const CODE: usize = 32;
    let line = line.get(..CODE).unwrap_or(line);
    if line.starts_with(b"READONLY ") {
        Some(Remark::Demoted)
    } else if ServerError::is_transient_line(line) {
        Some(Remark::Passes)
    } else {
        None
    }
}

/// Cuts pieces off the input. What was copied is passed over in one go.
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

/// How many entries are answered at once. Where all that is owed has come, the server has nothing to do: half of the callers
/// are woken first, so that it can begin with their next commands while the others are at work.
fn portion(owed: usize, come: usize) -> usize {
    if owed >= HALVED && come >= owed {
        owed / 2
    } else {
        usize::MAX
    }
}

#[inline]
fn next_reply(found: &mut VecDeque<Found>) -> Option<Found> {
    match found.front() {
        Some(next) if next.kind == FrameKind::Reply => found.pop_front(),
        _ => None,
    }
}
