//! The end of a read: what its replies say, and what of them is kept.

use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use super::outcome::Outcome;
use super::wanted::{Part, Wanted};
use super::{SharedRead, command_of};
use crate::cache::bounds::Bounds;
use crate::cache::clock::milliseconds;
use crate::cache::read::{Answers, TrackedRead};
use crate::cache::standing::{Present, Tracking};
use crate::cache::store::{Command, CommandRef, Entry};
use crate::cache::trace;
use crate::engine::inflight::Delivery;
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::error::ServerError;
use crate::reply::KeptReply;
use crate::wire::Chunk;

impl SharedRead {
    /// Reads what came back, and keeps the reply if it may be kept. It adds the tasks to wake to `woken`.
    pub(super) fn end(
        &self,
        read: &TrackedRead,
        delivery: Delivery,
        woken: &mut Vec<Waker>,
    ) -> Outcome {
        match delivery {
            Delivery::Reply(chunk) => self.end_with(read, std::slice::from_ref(&chunk), woken),
            delivery => self.end_in_parts(read, delivery, woken),
        }
    }

    /// The same, for what is not just replies in one piece.
    #[cold]
    fn end_in_parts(
        &self,
        read: &TrackedRead,
        delivery: Delivery,
        woken: &mut Vec<Waker>,
    ) -> Outcome {
        let Ok((chunks, failure)) = delivery.into_parts() else {
            return Outcome::Ordinary;
        };
        let Some(failure) = failure else {
            return self.end_with(read, &chunks, woken);
        };
        // In a cluster another node may have the key by now.
        let may_be_elsewhere = self.source.link.config.routed && self.info.idempotent;
        if may_be_elsewhere {
            Outcome::Ordinary
        } else {
            Outcome::Failed(failure)
        }
    }

    /// All replies have come.
    fn end_with(&self, read: &TrackedRead, chunks: &[Chunk], woken: &mut Vec<Waker>) -> Outcome {
        let Some(answers) = Answers::read(read, chunks) else {
            return Outcome::Ordinary;
        };
        // What comes on this socket says nothing about another one.
        if self.is_redirected {
            self.source.standing.hear_reply(self.began);
        } else {
            self.source.standing.hear(self.began);
        }
        let error = answers.reply.reply().error();
        // What stands before the read was refused for the same reason: that says nothing about tracking.
        if error.as_ref().is_some_and(ServerError::is_transient) {
            return Outcome::Ordinary;
        }
        self.note_tracking(&answers, woken);
        if let Some(error) = error {
            if matches!(error.code(), "MOVED" | "ASK" | "READONLY") {
                return Outcome::Ordinary;
            }
            return Outcome::Reply(KeptReply::of(answers.reply.as_bytes()));
        }
        let kept_until = self.kept_until(&answers);
        match &self.wanted {
            Wanted::Nothing => Outcome::Reply(KeptReply::of(answers.reply.as_bytes())),
            Wanted::Whole(part) => {
                let reply = KeptReply::of(answers.reply.as_bytes());
                let is_outdated = |place: &usize| answers.is_outdated(*place, &reply);
                let kept_until = kept_until.filter(|_| !answers.gone.iter().any(is_outdated));
                if let Some((bytes, key)) = read.args.cacheable() {
                    self.keep(part, (bytes, key), &reply, kept_until);
                }
                Outcome::Reply(reply)
            }
            Wanted::Each(parts) => self.end_each(parts, read, &answers, kept_until),
        }
    }

    /// Keeps every element of the reply by itself.
    fn end_each(
        &self,
        parts: &[Part],
        read: &TrackedRead,
        answers: &Answers<'_>,
        kept_until: Option<u64>,
    ) -> Outcome {
        let Some(elements) = answers.reply.to_frame().elements() else {
            return Outcome::Ordinary;
        };
        let elements: Arc<[KeptReply]> = elements
            .map(|element| KeptReply::of(element.as_bytes()))
            .collect();
        if elements.len() != parts.len() {
            return Outcome::Ordinary;
        }
        if kept_until.is_some() || !self.has_order {
            let mut wanted = parts.iter().zip(&*elements).enumerate();
            read.args.each_key(|key| {
                if let Some((place, (part, element))) = wanted.next() {
                    let kept_until = kept_until.filter(|_| !answers.is_outdated(place, element));
                    let (bytes, place) = command_of(self.info, key);
                    self.keep(part, (&bytes, place), element, kept_until);
                }
            });
        }
        Outcome::Elements(elements)
    }

    /// Notes what the replies say about the reports of the server.
    fn note_tracking(&self, answers: &Answers<'_>, woken: &mut Vec<Waker>) {
        let epoch = self.epoch;
        match (answers.enabled, answers.opted_in) {
            (Some(true), _) if self.is_redirected || self.source.link.speaks_resp3() => {
                let is_new = self.source.standing.note(epoch, Tracking::On);
                // Where the server broadcasts, those who listen have not been told what was changed before.
                if is_new && !self.shared().settings.reports_in_order() {
                    self.shared().tell(&Invalidation::All, woken);
                }
            }
            // In RESP2 the server says that tracking is on, and reports nothing. The next read tells it where to.
            (Some(true), _) => {}
            (Some(false), _) => {
                if self.source.standing.note(epoch, Tracking::Refused) {
                    trace::refused(&self.source.link.config);
                }
            }
            (None, Some(false)) if self.source.present().epoch == epoch => {
                self.source.forget(|_| Tracking::Off);
                self.shared().tell(&Invalidation::All, woken);
            }
            (None, _) => {}
        }
    }

    /// Until which millisecond the reply may be kept, if at all.
    fn kept_until(&self, answers: &Answers<'_>) -> Option<u64> {
        let is_on = Present {
            epoch: self.epoch,
            tracking: Tracking::On,
        };
        let is_tracked =
            self.may_keep && answers.opted_in != Some(false) && self.source.present() == is_on;
        is_tracked.then(|| self.expires(answers.ttl))
    }

    /// Keeps a reply until this millisecond, if it may be kept.
    fn keep(
        &self,
        part: &Part,
        command: (&[u8], Range<usize>),
        reply: &KeptReply,
        kept_until: Option<u64>,
    ) {
        let (bytes, key) = command;
        let Some(hashes) = self.shared().changes.hashes(bytes, &key) else {
            return;
        };
        let hash = hashes.command;
        let command = CommandRef { bytes, hash };
        let entry = kept_until.and_then(|expires| self.entry(part, reply, expires));
        let kept = entry.and_then(|entry| Some((Command::new(command, key)?, entry)));
        let store = &self.shared().store;
        if self.has_order {
            if let Some((command, entry)) = kept {
                store.insert(command, entry);
            }
            return;
        }
        // Nothing reports that this reply is older than one that has been given out, or newer than the one that is kept.
        self.reads.if_newest(part.id, self, || match kept {
            Some((command, entry)) => store.insert(command, entry),
            None => store.remove(&command),
        });
    }

    /// It had to wait, for room or through a pause: reads that began later may have been sent earlier. What they brought is older than what
    /// it brings now, and nothing else may report that.
    #[cold]
    pub(super) fn forget_overtaking(&self) {
        if self.has_order {
            return;
        }
        for part in self.wanted.parts() {
            if !self.reads.is_newest(part.id, self) {
                self.shared().count_change(part.subject.key);
            }
        }
    }

    /// What is kept of a reply; `None` if it is too long or old by now.
    fn entry(&self, part: &Part, reply: &KeptReply, expires: u64) -> Option<Entry> {
        let shared = self.shared();
        let fits = reply.len() <= shared.settings.max_reply_bytes;
        let epoch = self.source.standing.epoch();
        let is_current = shared.is_unchanged(&part.stamp, epoch, part.subject);
        (fits && is_current).then(|| Entry {
            reply: reply.clone(),
            stamp: part.stamp.clone(),
            bounds: Bounds::new(self.source.place, part.subject.slot, expires),
        })
    }

    /// The millisecond from which on the reply is not served. The key was read after the read was begun, so it does not
    /// expire earlier.
    fn expires(&self, ttl: Option<u64>) -> u64 {
        let ours = self.shared().settings.ttl.map(milliseconds);
        let least = [ours, ttl].into_iter().flatten().min();
        match (least, self.ttl_begins) {
            (Some(least), Some(began)) => began.saturating_add(least),
            _ => u64::MAX,
        }
    }
}
