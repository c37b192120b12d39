//! Hands out what arrives: frames are found in the input and given to those who wait for them.

use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use super::arrived::Replies;
use super::{RETRY, Session};
use crate::engine::driver::end::{End, protocol};
use crate::engine::driver::relocation::Moving;
use crate::engine::inflight::Awaits;
use crate::engine::link::Link;
use crate::engine::maintenance::Notice;
use crate::engine::subscriptions::push;
use crate::engine::subscriptions::table::Received;
use crate::reply::Frame;
use crate::wire::Chunk;
use crate::wire::scan::FrameKind;

impl Session {
    /// Gives every whole frame that has arrived to its receiver.
    pub(super) fn hand_out(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        while let Some(next) = self.found.first() {
            if next.kind == FrameKind::Reply {
                self.hand_replies(link, woken)?;
                if self.halved {
                    // The other half follows when the next commands of the first half have been
                    // written.
                    cx.waker().wake_by_ref();
                    break;
                }
            } else if !link.hub().has_room(next.len, cx.waker()) {
                break;
            } else {
                self.hand_push(link, woken)?;
            }
        }
        if !woken.is_empty() {
            woken.drain(..).for_each(Waker::wake);
        }
        Ok(())
    }

    /// Hands out what had arrived whole when the session ended: replies still belong to their callers, and messages to
    /// their readers, up to one that has no room.
    pub(super) fn hand_rest(&mut self, link: &Link, woken: &mut Vec<Waker>, cx: &mut Context<'_>) {
        while let Some(next) = self.found.first() {
            let before = self.found.len();
            let handed = if next.kind == FrameKind::Reply {
                self.hand_replies(link, woken)
            } else if link.hub().has_room(next.len, cx.waker()) {
                self.hand_push(link, woken)
            } else {
                break;
            };
            if handed.is_err() || self.found.len() == before {
                break;
            }
        }
    }

    /// From here on, replies cannot be matched with their commands: they are not handed out at the end of the session
    /// either.
    fn lose_track(&mut self, text: &str) -> End {
        self.found.clear();
        End::Lost(protocol(text))
    }

    /// Whether frames wait because a reader has no room; meanwhile nothing more is read.
    pub(super) fn is_held_up(&self) -> bool {
        !self.found.is_empty()
    }

    fn hand_push(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        let Some(found) = self.found.take(&self.input) else {
            return Ok(());
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        if found.has_inner_pushes {
            for push in frame.inner_pushes() {
                link.hub().receive(&push, || false, woken);
            }
        }
        if link.config.maintenance.is_asked_for()
            && let Some(notice) = Notice::read(&frame.reply())
        {
            self.heed_notice(link, notice);
            return Ok(());
        }
        let may_answer = || link.awaits() != Awaits::Reply;
        match link.hub().receive(&frame, may_answer, woken) {
            Received::Answer => {
                self.refusals = 0;
                self.settle_own(link, woken);
            }
            Received::Other => {}
            Received::Unasked => {
                return Err(self.lose_track(
                    "the server confirmed a subscription that was not asked for here, so that replies cannot be told apart",
                ));
            }
        }
        Ok(())
    }

    /// Takes what the server announces; a repetition changes nothing.
    fn heed_notice(&mut self, link: &Link, notice: Notice) {
        let moving = Moving::announced_by(&notice);
        if let Some(relaxation) = link.note_maintenance(notice, self.now) {
            self.relaxation = Some(relaxation);
            self.moving = moving.or(self.moving.take());
        }
    }

    /// Hands out pushes that servers before 7.2 sent inside the next replies. They come before these replies, so that
    /// no caller acts on a reply without knowing what came before it.
    #[cold]
    fn hand_inner_pushes(&mut self, link: &Link, woken: &mut Vec<Waker>) {
        let mut start = 0;
        for found in self.found.iter_mut() {
            if found.kind == FrameKind::Push {
                break;
            }
            let end = start + found.len;
            if std::mem::take(&mut found.has_inner_pushes) {
                self.with_inner_pushes -= 1;
                let bytes = self.input.get(start..end).unwrap_or_default();
                let frame = Frame::from_scanned(Bytes::copy_from_slice(bytes));
                for push in frame.inner_pushes() {
                    link.hub().receive(&push, || false, woken);
                }
            }
            start = end;
        }
    }

    /// Hands out the replies that come before the next push.
    fn hand_replies(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        if self.with_inner_pushes > 0 {
            self.hand_inner_pushes(link, woken);
        }
        match link.awaits() {
            Awaits::Reply => {}
            Awaits::Push => return self.hand_refusal(link, woken),
            Awaits::Fence => return self.hand_fence(link, woken),
        }
        let progress = self.progress;
        let mut replies = Replies::new(
            &mut self.input,
            self.allocated,
            &mut self.found,
            &self.unanswered,
        );
        let halved = &mut self.halved;
        let answered = link.with(woken, |queue, woken| {
            let portion = replies.portion(queue.owed());
            *halved = portion < usize::MAX;
            replies.answer(queue, portion, woken)?;
            queue.mark_progress(progress);
            queue.shrink();
            Ok(())
        });
        let told = replies.told();
        if told.demoted {
            link.suspect_replica();
        }
        if told.elsewhere {
            link.suspect_map();
        }
        answered
    }

    /// The oldest command, which is one for subscriptions, was answered: the server owes less.
    fn settle_own(&self, link: &Link, woken: &mut Vec<Waker>) {
        link.with(woken, |queue, woken| {
            queue.deliver(Chunk::EMPTY, 1, woken);
            queue.mark_progress(self.progress);
        });
    }

    /// A reply to a command that is answered by a push can only be an error.
    fn hand_refusal(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        let Some(found) = self.found.take(&self.input) else {
            return Ok(());
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        let Some(error) = frame.reply().error() else {
            return Err(
                self.lose_track("a subscription was answered with neither a push nor an error")
            );
        };
        self.settle_own(link, woken);
        if link.hub().refused(&error, woken) {
            self.ask_again_later();
        }
        Ok(())
    }

    /// Has what was refused for now asked for again after a pause.
    fn ask_again_later(&mut self) {
        let again = Instant::now() + RETRY.pause(self.refusals);
        self.retry.get_or_insert(again);
    }

    /// The reply of the PING behind a command, or an error of either.
    fn hand_fence(&mut self, link: &Link, woken: &mut Vec<Waker>) -> Result<(), End> {
        let Some(found) = self.found.take(&self.input) else {
            return Ok(());
        };
        let frame = Frame::from_scanned(Chunk::take(&mut self.input, found.len, self.allocated));
        let (received, again) = link.hub().fenced(frame.reply().error().as_ref(), woken);
        if again {
            self.ask_again_later();
        }
        match received {
            Received::Answer => self.settle_own(link, woken),
            Received::Other => {}
            Received::Unasked => {
                return Err(self.lose_track(
                    "the server answered the end of a subscription with an error that may be that of another command",
                ));
            }
        }
        Ok(())
    }

    pub(super) fn find_frames(&mut self, link: &Link) -> Result<(), End> {
        // RESP2 has no type for pushes; there only sockets that are only for subscriptions receive
        // any.
        let pushes_are_arrays = link.is_for_subscriptions() && !link.speaks_resp3();
        let mut start = 0;
        loop {
            if !pushes_are_arrays {
                let rest = self.input.get(start..).unwrap_or_default();
                let (mut frames, mut len) = (0, 0);
                for found in self.scanner.short_replies(rest) {
                    (frames, len) = (frames + 1, len + found.len);
                }
                self.found.push_short(frames, len);
                start += len;
            }
            let rest = self.input.get(start..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match self.scanner.scan_on(rest) {
                Ok(Some(mut found)) => {
                    let frame = self.input.get(start..start + found.len);
                    if pushes_are_arrays && frame.is_some_and(push::is_push_in_resp2) {
                        found.kind = FrameKind::Push;
                    }
                    start += found.len;
                    self.with_inner_pushes +=
                        usize::from(found.has_inner_pushes && found.kind == FrameKind::Reply);
                    self.found.push(found);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Lost(protocol(&error.to_string()))),
            }
        }
    }
}
