//! What is wanted and what the server has confirmed: [`Table`]. No I/O happens here.
//!
//! Each source with a subscriber has a *topic*. The topic knows its members (the local subscribers), and where the
//! subscription stands on the server:
//!
//! ```text
//!               join sent                   confirmed
//!     Absent ─────────────► Joining ─────────────────────► Present
//!       ▲                      │ refused: members are told    │ no member left: leave sent
//!       │◄─────────────────────┘                              ▼
//!       └──────────────────────────────────────────────── Leaving
//!                              confirmed
//! ```
//!
//! A topic that may have to move is *dirty*. [`Table::take_operations`] returns the commands that move all dirty
//! topics towards what is wanted, with at most one in flight for each topic. After a lost socket all topics are
//! absent and dirty. So the server always ends up with exactly the wanted set, whatever happened in between.
//! A server that refuses to restore a subscription (because it is over its maxmemory, or a right was taken away) is asked
//! again after a pause. So is one that refuses a first subscription for a reason that goes away: the caller waits within the
//! deadline, and a timeout names the refusal. Any other refusal is the error of a first subscription.
//!
//! One command names one source, and exactly one frame answers it: the confirmation, or an error. SUNSUBSCRIBE is an
//! exception: when the slot of the channel moves away, the server first sends by itself what looks like the
//! confirmation, and then answers the command with an error. So a PING is sent after it, and the reply to the PING
//! marks the end. That may be an error, too: [`Operation::blame`] tells it from an error of the command.
//!
//! # Layout
//!
//! - `topic`: where one source stands, and its members; `topics`: all of them, and which are dirty
//! - `operation`: a command that moves a topic

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::cause::Cause;
use super::inbox::Put;
use super::invalidation::{Invalidates, Invalidation};
use super::message::Message;
use super::push::{self, Push, Verb};
use super::source::{Source, SourceKind};
use super::ticket::Ticket;
use crate::engine::inflight::{Awaits, Failure};
use crate::error::ServerError;
use crate::reply::Frame;
use crate::reply::view::Str;

mod operation;
mod topic;
mod topics;

use operation::{Blame, Operation};
pub(crate) use topic::{Entrance, MemberId};
use topic::{Member, Standing};
use topics::Topics;

#[derive(Debug, Default)]
pub(crate) struct Table {
    topics: Topics,
    /// Commands that the server has not answered, in wire order.
    operations: VecDeque<Operation>,
    /// Refused for a reason that goes away; made dirty again after a pause.
    postponed: Vec<Source>,
    members: usize,
    next_id: MemberId,
    invalidations: Vec<(MemberId, Arc<dyn Invalidates>)>,
}

/// What a received frame means for the commands that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// It answers the oldest command.
    Answer,
    Other,
    /// It answers a command that was not sent from here, so later replies cannot be matched with their commands.
    Unasked,
}

impl Table {
    // ---- the subscribers' side ----

    pub(crate) fn join(&mut self, entrance: Entrance, woken: &mut Vec<Waker>) -> MemberId {
        self.next_id += 1;
        self.members += 1;
        let id = self.next_id;
        let source = entrance.source.clone();
        let topic = self.topics.known(&source);
        topic.admit(Member::new(id, entrance), woken);
        self.topics.mark((*source).clone());
        id
    }

    /// Removes a member. Returns the ticket of one that was still waiting for its confirmation.
    pub(crate) fn leave(&mut self, source: &Source, id: MemberId) -> Option<Arc<Ticket>> {
        let topic = self.topics.get(source.kind(), source.name_bytes())?;
        let place = topic.members.iter().position(|member| member.id == id);
        let gone = place.map(|place| topic.members.remove(place));
        let (is_empty, is_void) = (topic.members.is_empty(), topic.is_void());
        self.members -= usize::from(gone.is_some());
        if is_void {
            // It may be long until there is a server to tell.
            self.topics.forget(source);
        } else if is_empty {
            self.topics.mark(source.clone());
        }
        gone?.ticket
    }

    pub(crate) fn watch_invalidations(&mut self, listener: Arc<dyn Invalidates>) -> MemberId {
        self.next_id += 1;
        self.invalidations.push((self.next_id, listener));
        self.next_id
    }

    pub(crate) fn unwatch_invalidations(&mut self, id: MemberId) {
        self.invalidations.retain(|(known, _)| *known != id);
    }

    /// Whether somebody listens to invalidations for whom the socket stays open.
    pub(crate) fn keeps_awake(&self) -> bool {
        let mut listeners = self.invalidations.iter();
        listeners.any(|(_, listener)| listener.keeps_awake())
    }

    pub(crate) fn has(&mut self, source: &Source, id: MemberId) -> bool {
        self.topics
            .get(source.kind(), source.name_bytes())
            .is_some_and(|topic| topic.members.iter().any(|member| member.id == id))
    }

    /// Whether there is no subscription.
    pub(crate) fn is_empty(&self) -> bool {
        self.members == 0
    }

    // ---- the driver's side ----

    /// Whether there may be something for [`Table::take_operations`].
    pub(crate) fn is_dirty(&self) -> bool {
        self.topics.are_dirty()
    }

    /// Whether the server owes the answer to a command that begins a subscription.
    pub(crate) fn is_asking(&self) -> bool {
        let mut operations = self.operations.iter();
        operations.any(|operation| operation.verb == Verb::Join)
    }

    /// The commands to be sent, in order, and what answers each.
    pub(crate) fn take_operations(&mut self) -> Vec<(Vec<u8>, Awaits)> {
        let mut commands = Vec::new();
        for source in self.topics.take_dirty() {
            let Some(topic) = self.topics.get(source.kind(), source.name_bytes()) else {
                continue;
            };
            let verb = match (topic.standing, topic.members.is_empty()) {
                (Standing::Absent, true) => {
                    self.topics.forget(&source);
                    continue;
                }
                (Standing::Absent, false) => Verb::Join,
                (Standing::Present, true) => Verb::Leave,
                _ => continue,
            };
            match verb {
                Verb::Join => topic.ask(),
                Verb::Leave => topic.standing = Standing::Leaving,
            }
            let operation = Operation::new(verb, source);
            commands.push((operation.command(), operation.awaits()));
            self.operations.push_back(operation);
        }
        commands
    }

    /// Takes a push. `may_answer` says whether the oldest reply that is owed is that of a command of this
    /// table.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        frame: &Frame,
        may_answer: impl FnOnce() -> bool,
        woken: &mut Vec<Waker>,
    ) -> Received {
        match push::read(&frame.reply()) {
            Some(Push::Message {
                kind,
                source,
                channel,
                payload,
            }) => {
                self.distribute(kind, source, channel, payload, woken);
                Received::Other
            }
            Some(Push::Changed(verb, kind, Some(name))) => {
                self.changed(verb, kind, name, may_answer, woken)
            }
            Some(Push::Changed(_, _, None)) => Received::Unasked,
            Some(Push::Invalidate(keys)) => {
                if !self.invalidations.is_empty() {
                    // Which keys were changed cannot be told from a malformed push.
                    let invalidation = Invalidation::read(&keys).unwrap_or(Invalidation::All);
                    for (_, listener) in &self.invalidations {
                        listener.invalidate(&invalidation, woken);
                    }
                }
                Received::Other
            }
            None => Received::Other,
        }
    }

    fn distribute(
        &mut self,
        kind: SourceKind,
        source: &[u8],
        channel: Option<Str<'_>>,
        payload: Str<'_>,
        woken: &mut Vec<Waker>,
    ) {
        let Some(topic) = self.topics.get(kind, source) else {
            return;
        };
        let channel = channel.map(|channel| Bytes::copy_from_slice(channel.as_bytes()));
        // Sharing the payload by a reference count pays only for several members.
        let shared = (topic.members.len() > 1).then(|| payload.to_bytes());
        let mut closed = 0;
        topic.members.retain_mut(|member| {
            if !member.is_confirmed() {
                return true;
            }
            let payload = shared.clone().unwrap_or_else(|| payload.to_bytes());
            let message = Message::new(member.source.clone(), channel.clone(), payload);
            let kept = member.inbox.put(message, woken) == Put::Kept;
            closed += usize::from(!kept);
            kept
        });
        if closed > 0 {
            let source = topic
                .members
                .is_empty()
                .then(|| Source::new(kind, Bytes::copy_from_slice(source)));
            self.members -= closed;
            if let Some(source) = source {
                self.topics.mark(source);
            }
        }
    }

    /// A subscription began or ended: because we asked for it, or because the server did it, as when the slot of a
    /// shard channel moves away.
    fn changed(
        &mut self,
        verb: Verb,
        kind: SourceKind,
        name: &[u8],
        may_answer: impl FnOnce() -> bool,
        woken: &mut Vec<Waker>,
    ) -> Received {
        let concerns = |operation: &&mut Operation| {
            operation.verb == verb
                && operation.source.kind() == kind
                && operation.source.name_bytes() == name
        };
        // The operation need not be the oldest: the server may end the subscription long before it answers the
        // command.
        if let Some(operation) = self.operations.iter_mut().find(concerns)
            && operation.awaits() == Awaits::Fence
        {
            operation.is_over = true;
            return Received::Other;
        }
        let answers = self.operations.front_mut().filter(concerns).is_some() && may_answer();
        // Only a subscription to a shard channel can be ended by the server itself.
        if !answers && (verb, kind) != (Verb::Leave, SourceKind::Shard) {
            return Received::Unasked;
        }
        let operation = if answers {
            self.operations.pop_front()
        } else {
            None
        };
        let source = match &operation {
            Some(operation) => operation.source.clone(),
            None => Source::new(kind, Bytes::copy_from_slice(name)),
        };
        let Some(topic) = self.topics.get(kind, name) else {
            return received(answers);
        };
        match (verb, answers) {
            (Verb::Join, true) => {
                topic.confirm(woken);
            }
            (Verb::Leave, true) => topic.standing = Standing::Absent,
            (Verb::Leave, false) if topic.standing == Standing::Present => {
                topic.standing = Standing::Absent;
            }
            (_, false) => return Received::Other,
        }
        self.topics.mark(source);
        received(answers)
    }

    /// The server refused the oldest command. Returns whether to try again after a pause.
    pub(crate) fn refused(&mut self, error: &ServerError, woken: &mut Vec<Waker>) -> bool {
        let Some(Operation { verb, source, .. }) = self.operations.pop_front() else {
            return false;
        };
        match verb {
            Verb::Join => self.does_not_begin(source, error, woken),
            Verb::Leave => self.goes_on(source, error, woken),
        }
    }

    /// The server refused a subscription. Returns whether to try again after a pause.
    fn does_not_begin(
        &mut self,
        source: Source,
        error: &ServerError,
        woken: &mut Vec<Waker>,
    ) -> bool {
        let Some(topic) = self.topics.get(source.kind(), source.name_bytes()) else {
            return false;
        };
        topic.standing = Standing::Absent;
        if error.is_transient() {
            topic.hinder(error, woken);
            self.postponed.push(source);
            return true;
        }
        // Elsewhere it may succeed, here it never will.
        if error.code() == "MOVED" {
            let members = std::mem::take(&mut topic.members);
            self.members -= members.len();
            for member in members {
                member.displace(Cause::Refused(error.clone()), woken);
            }
            self.topics.mark(source);
            return false;
        }
        let gone = topic.refused(error, woken);
        let is_wanted = !topic.members.is_empty();
        self.members -= gone;
        match is_wanted {
            true => self.postponed.push(source),
            false => self.topics.mark(source),
        }
        is_wanted
    }

    /// The server refused to end a subscription, so it goes on sending messages. Returns whether to try again after a
    /// pause.
    fn goes_on(&mut self, source: Source, error: &ServerError, woken: &mut Vec<Waker>) -> bool {
        let Some(topic) = self.topics.get(source.kind(), source.name_bytes()) else {
            return false;
        };
        // Members that joined meanwhile have it.
        topic.confirm(woken);
        let again = error.is_transient() && topic.members.is_empty();
        if again {
            self.postponed.push(source);
        }
        again
    }

    /// A reply came to the oldest command, which is followed by a PING, or to the PING. [`Received::Answer`] if it
    /// was the PING; then this also says whether to try again after a pause.
    pub(crate) fn fenced(
        &mut self,
        error: Option<&ServerError>,
        woken: &mut Vec<Waker>,
    ) -> (Received, bool) {
        let Some(operation) = self.operations.front_mut() else {
            return (Received::Answer, false);
        };
        if let Some(error) = error
            && operation.refusal.is_none()
        {
            match operation.blame(error) {
                Blame::Command => {
                    operation.refusal = Some(error.clone());
                    return (Received::Other, false);
                }
                Blame::Ping => {}
                Blame::Unknown => return (Received::Unasked, false),
            }
        }
        let Some(operation) = self.operations.pop_front() else {
            return (Received::Answer, false);
        };
        let source = operation.source;
        // If another server has the slot, this server has no subscription.
        let refusal = operation.refusal.filter(|error| error.code() != "MOVED");
        if let Some(refusal) = refusal.filter(|_| !operation.is_over) {
            return (Received::Answer, self.goes_on(source, &refusal, woken));
        }
        if let Some(topic) = self.topics.get(source.kind(), source.name_bytes()) {
            topic.standing = Standing::Absent;
            self.topics.mark(source);
        }
        (Received::Answer, false)
    }

    /// The pause is over.
    pub(crate) fn retry_postponed(&mut self) {
        for source in std::mem::take(&mut self.postponed) {
            self.topics.mark(source);
        }
    }

    /// The socket for commands is gone, and the server tracks no keys any more.
    pub(crate) fn lost_track(&self, woken: &mut Vec<Waker>) {
        for (_, listener) in &self.invalidations {
            listener.lost(woken);
        }
    }

    /// The socket is gone, and the server has no subscriptions left.
    pub(crate) fn lost(&mut self) {
        self.operations.clear();
        self.postponed.clear();
        self.topics.lost();
    }

    /// The connection was refused. Members without a confirmation get the failure; the others wait for the next
    /// attempt.
    pub(crate) fn fail_pending(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut failed = 0;
        for topic in self.topics.all() {
            topic.members.retain(|member| {
                let is_pending = member.ticket.is_some();
                member.fail_ticket(failure, woken);
                failed += usize::from(is_pending);
                !is_pending
            });
        }
        self.members -= failed;
    }

    /// Everything ends.
    pub(crate) fn end(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        let ended = Cause::ended_by(failure);
        for topic in std::mem::take(&mut self.topics).all() {
            for member in std::mem::take(&mut topic.members) {
                member.end(failure, &ended, woken);
            }
        }
        for (_, listener) in self.invalidations.drain(..) {
            listener.end(ended.clone(), woken);
        }
        self.members = 0;
        self.operations.clear();
        self.postponed.clear();
    }
}

fn received(answers: bool) -> Received {
    if answers {
        Received::Answer
    } else {
        Received::Other
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
