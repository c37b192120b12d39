//! A transaction on its way to the node of its slot: [`Together`].
//!
//! Nodes redirect a transaction in three ways: they refuse its commands when they are queued, they answer EXEC with
//! EXECABORT because of that, or they queue all and answer EXEC with a redirect. In each case nothing was executed, so
//! all of it is sent again.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::detour::{Detour, Hops, is_loss, is_unsent, no_node, passes};
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use crate::chain::payload::ChainPayload;
use crate::chain::routing::Goal;
use crate::engine::inflight::{Delivery, Parts, Payload};
use crate::engine::link::Link;
use crate::engine::sending::Sending;
use crate::engine::trace::Trace;
use crate::error::{ServerError, ServerVersion};

pub(super) struct Together<'a> {
    shared: &'a Shared,
    goal: Goal,
    /// `None` if there is no node to send it to.
    sending: Option<Sending<Arc<Link>>>,
    trace: Trace,
    detour: Detour,
    hops: Hops,
}

impl<'a> Together<'a> {
    pub(super) fn new(shared: &'a Shared, goal: Goal, payload: &mut ChainPayload) -> Self {
        let mut this = Self {
            shared,
            goal,
            sending: None,
            trace: Trace::start(&shared.config, payload),
            detour: Detour::default(),
            hops: Hops::default(),
        };
        if let Some(link) = this.owner() {
            payload.load_scripts(&link.scripts);
            this.sending = Some(Sending::new(link));
        }
        this
    }

    /// The link to the node that should execute it, as far as is known now.
    fn owner(&self) -> Option<Arc<Link>> {
        let routes = self.shared.routes();
        let node = routes.node_for(self.goal);
        node.map(|node| node.link())
    }

    /// The same, after another node did not execute it.
    fn next_owner(&self) -> Option<Arc<Link>> {
        let routes = self.shared.routes();
        let node = routes.next_node_for(self.goal);
        node.map(|node| node.link())
    }

    /// Notes that it is on its way: it goes on also if nothing new is accepted.
    pub(super) fn go_on(&mut self) {
        if let Some(sending) = &mut self.sending {
            sending.go_on();
        }
    }

    pub(super) fn submit(&mut self, payload: &mut ChainPayload) {
        if let Some(sending) = &mut self.sending {
            sending.submit(payload);
        }
    }

    pub(super) fn poll(
        &mut self,
        payload: &mut ChainPayload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        let trace = std::mem::take(&mut self.trace);
        let delivery = trace.within(|| self.advance(payload, cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(payload, delivery);
        }
        self.trace = trace;
        delivery
    }

    fn advance(&mut self, payload: &mut ChainPayload, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            if ready!(self.detour.poll_pause(cx))
                && let Some(link) = self.next_owner()
            {
                self.go_to(link, RedirectKind::Moved, payload);
            }
            let Some(sending) = &mut self.sending else {
                return Poll::Ready(Delivery::Refused(no_node()));
            };
            match ready!(sending.poll(payload, cx)) {
                Delivery::Parts(parts) => {
                    if let Some(delivery) = self.judge(parts, payload) {
                        return Poll::Ready(delivery);
                    }
                }
                delivery => return Poll::Ready(delivery),
            }
        }
    }

    /// Returns the outcome, or sends all of it again.
    fn judge(&mut self, mut parts: Box<Parts>, payload: &mut ChainPayload) -> Option<Delivery> {
        self.detour.due = parts.due.or(self.detour.due);
        if let Some(failure) = &mut parts.error {
            self.detour.refused().explain(failure);
            let is_onward = self.sending.as_ref().is_some_and(Sending::is_onward);
            let is_over = self.shared.life.is_end(failure, is_onward);
            if is_loss(failure) && is_unsent(failure) && !is_over {
                self.shared.want_refresh();
                return self.pause(parts, payload);
            }
            return Some(Delivery::Parts(parts));
        }
        match payload.refusal_of_all(&parts.chunks) {
            Some(refusal) => self.judge_refusal(&refusal, parts, payload),
            None => self.judge_scripts(parts, payload),
        }
    }

    /// Nothing was executed, for this reason.
    fn judge_refusal(
        &mut self,
        refusal: &ServerError,
        parts: Box<Parts>,
        payload: &mut ChainPayload,
    ) -> Option<Delivery> {
        if let Some(redirect) = Redirect::parse(&refusal.to_string()) {
            return self.follow(&redirect, parts, payload);
        }
        if !passes(refusal, false) {
            return Some(Delivery::Parts(parts));
        }
        if refusal.code() != "TRYAGAIN" {
            self.shared.want_refresh();
        }
        self.hops.forget();
        self.detour.refused().note(refusal);
        self.pause(parts, payload)
    }

    fn follow(
        &mut self,
        redirect: &Redirect,
        parts: Box<Parts>,
        payload: &mut ChainPayload,
    ) -> Option<Delivery> {
        let asked = self.sending.as_ref()?.link().config.address().clone();
        match self.hops.follow(self.shared, redirect, &asked) {
            Err(error) => Some(Delivery::Refused(error)),
            Ok(hop) if hop.pauses => self.pause(parts, payload),
            Ok(hop) => {
                self.go_to(hop.node.link(), redirect.kind, payload);
                None
            }
        }
    }

    /// If the node lacks scripts and executed nothing because of that, they are loaded.
    fn judge_scripts(
        &mut self,
        mut parts: Box<Parts>,
        payload: &mut ChainPayload,
    ) -> Option<Delivery> {
        if let Some(sending) = &mut self.sending
            && payload.mend(&sending.link().scripts, &parts.chunks)
        {
            parts.due = self.detour.due;
            sending.send_again(&mut parts);
            return None;
        }
        Some(Delivery::Parts(parts))
    }

    fn go_to(&mut self, link: Arc<Link>, kind: RedirectKind, payload: &mut ChainPayload) {
        payload.set_asking(kind == RedirectKind::Ask);
        payload.load_scripts(&link.scripts);
        if let Some(sending) = &mut self.sending {
            sending.go_to(link, None, self.detour.due);
        }
    }

    /// Pauses, and then sends it to the owner of the slot that is known by then. If the deadline comes first, `parts` is
    /// the outcome.
    fn pause(&mut self, parts: Box<Parts>, payload: &ChainPayload) -> Option<Delivery> {
        let in_time = self.detour.pause(self.shared, payload.patience());
        (!in_time).then_some(Delivery::Parts(parts))
    }

    pub(super) fn server(&self) -> Option<ServerVersion> {
        self.sending.as_ref()?.link().server()
    }
}

impl fmt::Debug for Together<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together")
            .field("goal", &self.goal)
            .finish_non_exhaustive()
    }
}
