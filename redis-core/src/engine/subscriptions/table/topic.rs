//! Where one source stands on the server, and its local subscribers: [`Topic`].

use std::sync::Arc;
use std::task::Waker;

use crate::engine::subscriptions::inbox::{Cause, Inbox};
use crate::engine::subscriptions::message::Message;
use crate::engine::subscriptions::source::Source;
use crate::engine::subscriptions::ticket::Ticket;

/// The key of a member.
pub(crate) type MemberId = u64;

/// A request to become a member.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    pub(crate) source: Arc<Source>,
    pub(crate) inbox: Arc<Inbox<Message>>,
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) alone: bool,
}

/// A source that has subscribers, or had some.
#[derive(Debug, Default)]
pub(super) struct Topic {
    pub(super) standing: Standing,
    pub(super) members: Vec<Member>,
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
    /// Whether the inbox has no other source, and ends with this one.
    pub(super) alone: bool,
}

impl Topic {
    /// Adds a member; if the subscription is there already, the member is confirmed at once.
    pub(super) fn admit(&mut self, mut member: Member, woken: &mut Vec<Waker>) {
        if self.standing == Standing::Present {
            member.confirm(woken);
        }
        self.members.push(member);
    }

    /// The server refused to end the subscription, so it goes on. Members that joined meanwhile are confirmed.
    pub(super) fn stand(&mut self, woken: &mut Vec<Waker>) {
        self.standing = Standing::Present;
        let joined = self
            .members
            .iter_mut()
            .filter(|member| member.ticket.is_some());
        joined.for_each(|member| member.confirm(woken));
    }
}

impl Member {
    pub(super) fn new(id: MemberId, entrance: Entrance) -> Self {
        Self {
            id,
            source: entrance.source,
            inbox: entrance.inbox,
            ticket: Some(entrance.ticket),
            alone: entrance.alone,
        }
    }

    /// The server has confirmed the subscription: for the first time, or again after a gap.
    pub(super) fn confirm(&mut self, woken: &mut Vec<Waker>) {
        match self.ticket.take() {
            Some(ticket) => ticket.confirm(woken),
            None => self.inbox.resubscribed(woken),
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
