//! Where one source stands on the server, and its local subscribers: [`Topic`].

use std::sync::Arc;
use std::task::Waker;

use crate::engine::inflight::Failure;
use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::{Interruption, Message};
use crate::engine::subscriptions::mover::Mover;
use crate::engine::subscriptions::source::Source;
use crate::engine::subscriptions::ticket::{Hindrance, Ticket};
use crate::error::{Phase, ServerError};
use crate::runtime::planted::Planted;

/// The key of a member.
pub(crate) type MemberId = u64;

/// A request to become a member.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    pub(crate) source: Arc<Source>,
    pub(crate) inbox: Arc<Inbox<Message>>,
    /// Whoever waits for the confirmation, and counts on it already; `None` if the subscription was confirmed elsewhere, so
    /// that there is a gap.
    pub(crate) ticket: Option<Arc<Ticket>>,
    /// Whether the inbox has no other source.
    pub(crate) alone: bool,
    /// Who finds another place for it when it has none here.
    pub(crate) mover: Option<Arc<dyn Mover>>,
}

impl Entrance {
    /// The connection has ended already.
    pub(crate) fn refuse(self, failure: Failure, woken: &mut Vec<Waker>) {
        Member::new(0, self).displace(Cause::Link(failure), woken);
    }
}

/// A source that has subscribers, or had some.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) standing: Standing,
    pub(super) members: Vec<Member>,
    /// Whether it is in the table's list of dirty topics.
    pub(super) is_dirty: bool,
    /// Whether those who were subscribed know that the server refuses to restore it.
    interrupted: bool,
}

/// Where a subscription stands on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    #[default]
    Absent,
    Joining,
    Present,
    Leaving,
}

/// A local subscriber.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) source: Arc<Source>,
    pub(super) inbox: Arc<Inbox<Message>>,
    /// Set until the first confirmation.
    pub(super) ticket: Option<Arc<Ticket>>,
    /// Why the server does not confirm it for now.
    hindrance: Option<Hindrance>,
    /// Whether the server was asked, perhaps on a socket that was lost since.
    was_asked: bool,
    /// Whether the inbox has no other source, and ends with this one.
    pub(super) alone: bool,
    mover: Option<Arc<dyn Mover>>,
}

impl Topic {
    /// Whether there is nothing to know of it: nobody wants it, and the server does not have it.
    pub(super) fn is_void(&self) -> bool {
        self.standing == Standing::Absent && self.members.is_empty()
    }

    /// Adds a member; if the subscription is there already, the member is confirmed at once.
    pub(super) fn admit(&mut self, mut member: Member, woken: &mut Vec<Waker>) {
        match self.standing {
            Standing::Present => member.confirm(woken),
            Standing::Joining => member.was_asked = true,
            Standing::Absent | Standing::Leaving => {}
        }
        self.members.push(member);
    }

    /// The command that begins the subscription goes out.
    pub(super) fn ask(&mut self) {
        self.standing = Standing::Joining;
        for member in &mut self.members {
            member.was_asked = true;
        }
    }

    /// The server has confirmed the subscription, or refused to end it.
    pub(super) fn confirm(&mut self, woken: &mut Vec<Waker>) {
        self.standing = Standing::Present;
        self.interrupted = false;
        let members = self.members.iter_mut();
        members.for_each(|member| member.confirm(woken));
    }

    /// The server refused the subscription, which fails for those who are waiting for it. Those who have had it keep waiting:
    /// they are told once. Gives how many are out.
    pub(super) fn refused(&mut self, error: &ServerError, woken: &mut Vec<Waker>) -> usize {
        let members = std::mem::take(&mut self.members);
        let before = members.len();
        let (waiting, restoring): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|member| member.ticket.is_some());
        for member in waiting {
            member.fail(Cause::Refused(error.clone()), woken);
        }
        self.members = restoring;
        self.interrupt(error, woken);
        before - self.members.len()
    }

    /// Tells those who have had the subscription that it is missing, and why.
    fn interrupt(&mut self, error: &ServerError, woken: &mut Vec<Waker>) {
        if std::mem::replace(&mut self.interrupted, true) {
            return;
        }
        for member in self.members.iter().filter(|member| member.ticket.is_none()) {
            let interruption = Interruption::new(member.source.clone(), error.clone());
            member.inbox.interrupted(interruption, woken);
        }
    }

    /// The server refuses it for a reason that goes away.
    pub(super) fn hinder(&mut self, error: &ServerError, woken: &mut Vec<Waker>) {
        self.interrupt(error, woken);
        for member in &mut self.members {
            member.hindrance = member.ticket.as_ref().map(|ticket| ticket.hinder(error));
        }
        let movers = self
            .members
            .iter()
            .filter_map(|member| member.mover.as_ref());
        movers.for_each(|mover| mover.hindered());
    }

    /// The socket is gone.
    pub(super) fn lost(&mut self) {
        self.standing = Standing::Absent;
        for member in &mut self.members {
            // Another socket may lead to another server.
            member.hindrance = None;
        }
    }
}

impl Member {
    pub(super) fn new(id: MemberId, entrance: Entrance) -> Self {
        Self {
            id,
            source: entrance.source,
            inbox: entrance.inbox,
            ticket: entrance.ticket,
            hindrance: None,
            was_asked: false,
            alone: entrance.alone,
            mover: entrance.mover,
        }
    }

    /// The server has confirmed the subscription: for the first time, or again after a gap.
    pub(super) fn confirm(&mut self, woken: &mut Vec<Waker>) {
        self.hindrance = None;
        match self.ticket.take() {
            Some(ticket) => {
                ticket.confirm(woken);
                self.ticket = Some(ticket).filter(|_| Planted::LostFirst.is_here());
            }
            None if Planted::HiddenGap.is_here() => {}
            None if Planted::GapOfMany.is_here() && !self.alone => {}
            None => self.inbox.resubscribed(woken),
        }
    }

    /// Whether messages are for it already: it has its confirmation.
    pub(super) fn is_confirmed(&mut self) -> bool {
        let is_confirmed = self.ticket.is_none();
        if Planted::LostFirst.is_here() {
            self.ticket.take_if(|ticket| !ticket.is_open());
        }
        is_confirmed
    }

    /// It has no place here any more.
    pub(super) fn displace(mut self, cause: Cause, woken: &mut Vec<Waker>) {
        match self.mover.take() {
            Some(mover) => mover.displaced(cause, self.ticket),
            None => self.fail(cause, woken),
        }
    }

    /// The connection has ended, by `failure`; for one who reads, that is `ended`.
    pub(super) fn end(self, failure: &Failure, ended: &Cause, woken: &mut Vec<Waker>) {
        if self.mover.is_some() {
            return self.displace(ended.clone(), woken);
        }
        self.fail_ticket(failure, woken);
        self.inbox.end(Some(ended.clone()), woken);
    }

    /// The connection failed before the confirmation came, if that was waited for.
    pub(super) fn fail_ticket(&self, failure: &Failure, woken: &mut Vec<Waker>) {
        if let Some(ticket) = &self.ticket {
            let phase = match self.was_asked {
                true => Phase::MaybeApplied,
                false => Phase::NotSent,
            };
            ticket.fail(Cause::Link(failure.in_phase(phase)), woken);
        }
    }

    pub(super) fn fail(self, cause: Cause, woken: &mut Vec<Waker>) {
        match self.ticket {
            Some(ticket) => ticket.fail(cause, woken),
            None if self.alone => self.inbox.end(Some(cause), woken),
            None => self.inbox.fail(cause, woken),
        }
    }
}
