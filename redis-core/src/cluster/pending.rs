//! One command on a cluster: [`ClusterPending`], which follows redirects.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::detour::{
    Detour, Hops, error_after_loss, error_of, is_loss, is_unsent, no_node, passes,
};
use super::map_wait::map_by;
use super::nodes::Node;
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use crate::chain::routing::Goal;
use crate::command::{ASKING, Args, Slots};
use crate::engine::exchange::{decode, decode_one};
use crate::engine::inflight::{Again, Delivery, Due, Held, Parts, Payload, Terms};
use crate::engine::link::Link;
use crate::engine::sending::Sending;
use crate::engine::single::Command;
use crate::engine::trace::Trace;
use crate::error::{Error, Result, ServerError};
use crate::reply::{Frame, FrameRef, FromRedis, described};
use crate::runtime::planted::Planted;
use crate::wire::Chunk;
use crate::wire::encode::Output;
use crate::wire::outgoing::Outgoing;

/// A command that is being sent and answered on a cluster.
pub struct ClusterPending<'a> {
    shared: &'a Shared,
    command: Command,
    /// The node to ask, also after a failure.
    goal: Goal,
    /// `None` if there is no node to send it to, or no map yet.
    sending: Option<Sending<Arc<Link>>>,
    trace: Trace,
    /// Allocated when the first attempt does not succeed.
    astray: Option<Box<Astray<'a>>>,
}

/// What is known about a command whose first attempt did not succeed.
#[derive(Default)]
struct Astray<'a> {
    /// The wait for the first map.
    map: Option<MapWait<'a>>,
    /// Why it is not sent, if there is no map.
    refused: Option<Error>,
    /// Whether no node was found for it.
    is_over: bool,
    detour: Detour,
    hops: Hops,
    /// What is sent after a pause; `None` if the command itself is still here.
    again: Option<Box<Again>>,
    asking: Option<Asking>,
}

type MapWait<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// ASKING and a command, with nothing between them.
struct Asking {
    command: Box<Again>,
}

impl Payload for Asking {
    fn terms(&self) -> Terms {
        let terms = self.command.terms();
        Terms {
            bytes: terms.bytes + ASKING.len(),
            replies: 2,
            ..terms
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        out.put(ASKING);
        // The command may have to be sent once more.
        self.command.bytes.clone().append_to(out);
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::engine::inflight::Summary {
        self.command.summary()
    }
}

impl<'a> ClusterPending<'a> {
    /// A command that may have something special, such as an error.
    pub(super) fn new(shared: &'a Shared, mut args: Box<Args>) -> Self {
        match args.take_error() {
            Some(error) => Self::refused(shared, args, error),
            None => {
                let slots = args.slots();
                Self::plain(shared, args, slots)
            }
        }
    }

    /// A command that has no error, and whose keys have these slots.
    #[inline]
    pub(super) fn plain(shared: &'a Shared, args: Box<Args>, slots: Slots) -> Self {
        let goal = Goal::with(slots, &args);
        let command = Command::new(args);
        let routes = shared.routes();
        let node = routes.node_for(goal);
        Self {
            trace: Trace::start(&shared.config, &command),
            sending: node.map(|node| Sending::new(node.link())),
            shared,
            goal,
            command,
            astray: None,
        }
    }

    /// A command that fails with `error` before anything is sent.
    #[cold]
    pub(super) fn refused(shared: &'a Shared, args: Box<Args>, error: Error) -> Self {
        let slots = args.slots();
        let mut pending = Self::plain(shared, args, slots);
        match &mut pending.sending {
            Some(sending) => sending.refuse(error),
            None => pending.astray.get_or_insert_default().refused = Some(error),
        }
        pending
    }

    /// Notes that it is on its way: it goes on also if nothing new is accepted. What keeps a link until it is queued is kept.
    pub(super) fn go_on(&mut self, held: Option<Held>) {
        if let Some(sending) = &mut self.sending {
            sending.go_on();
            sending.keep(held);
        }
    }

    /// The link that it went over last.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.sending.as_ref().map(|sending| sending.link().clone())
    }

    pub(super) fn submit(&mut self) {
        match &mut self.sending {
            Some(sending) => drop(sending.submit(&mut self.command)),
            // The node is chosen when it is polled.
            None => self.shared.want_first_map(),
        }
    }

    /// The first poll of most commands. Returns whether it is queued; if not, [`ClusterPending::poll_delivery`] says why.
    #[inline]
    fn start(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            sending: Some(sending),
            command,
            trace,
            ..
        } = self
        else {
            return false;
        };
        sending.is_fresh() && trace.within(|| sending.enqueue(command, Some(cx.waker())))
    }

    /// Takes the reply, if it has come, is a single one, and the command is over with it: as most are.
    #[inline]
    fn take_reply(&mut self) -> Option<Chunk> {
        let sending = self.sending.as_mut()?;
        if self.astray.is_some() {
            return None;
        }
        let reply = sending.take_reply()?;
        self.trace.at(&sending.link().config);
        Some(reply)
    }

    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let trace = std::mem::take(&mut self.trace);
        let delivery = trace.within(|| self.advance(cx));
        if let Poll::Ready(delivery) = &delivery {
            if let Some(sending) = &self.sending {
                // It may have been sent on to another node than the first.
                trace.at(&sending.link().config);
            }
            trace.end(&self.command, delivery);
        }
        self.trace = trace;
        delivery
    }

    #[inline]
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            if self.astray.is_some() {
                ready!(self.end_pause(cx));
            }
            let Some(sending) = &mut self.sending else {
                match ready!(self.find_node(cx)) {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Delivery::Refused(error)),
                }
            };
            let asking = self
                .astray
                .as_mut()
                .and_then(|astray| astray.asking.as_mut());
            let delivery = match asking {
                None => ready!(sending.poll(&mut self.command, cx)),
                Some(asking) => ready!(sending.poll(asking, cx)),
            };
            match delivery {
                Delivery::Parts(parts) => {
                    if let Some(delivery) = self.judge(parts) {
                        return Poll::Ready(delivery);
                    }
                }
                delivery => return Poll::Ready(delivery),
            }
        }
    }

    /// There was no node: waits for the first map, and chooses the node that it names. A failure is the end, and is told once.
    #[cold]
    fn find_node(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let astray = self.astray.get_or_insert_default();
        if astray.is_over {
            return Poll::Ready(Err(Error::ended()));
        }
        let found = match astray.refused.take() {
            Some(refused) => Err(refused),
            None => ready!(self.wait_for_node(cx)),
        };
        if let (Err(_), Some(astray)) = (&found, &mut self.astray) {
            (astray.is_over, astray.map) = (true, None);
        }
        Poll::Ready(found)
    }

    #[cold]
    fn wait_for_node(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let (shared, patience) = (self.shared, self.command.terms().patience);
        let astray = self.astray.get_or_insert_default();
        if astray.map.is_none() {
            let limit = patience.limit(shared.config.command_timeout);
            astray.detour.due = Due::by(limit.from(Instant::now()), patience);
        }
        let due = astray.detour.due;
        let wait = || Box::pin(map_by(shared, due.at)) as MapWait<'_>;
        ready!(astray.map.get_or_insert_with(wait).as_mut().poll(cx))?;
        let routes = shared.routes();
        let node = routes.node_for(self.goal).ok_or_else(no_node)?;
        let mut sending = Sending::new(node.link());
        sending.go_to(node.link(), None, due);
        self.sending = Some(sending);
        Poll::Ready(Ok(()))
    }

    /// Waits until a pause is over, and then chooses the node that the map names.
    #[cold]
    fn end_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(astray) = &mut self.astray else {
            return Poll::Ready(());
        };
        if !ready!(astray.detour.poll_pause(cx)) {
            return Poll::Ready(());
        }
        let (again, due) = (astray.again.take(), astray.detour.due);
        let routes = self.shared.routes();
        let node = routes.next_node_for(self.goal);
        if let Some(sending) = &mut self.sending {
            let link = node.map_or_else(|| sending.link().clone(), |node| node.link());
            sending.go_to(link, again, due);
        }
        Poll::Ready(())
    }

    /// Returns the outcome, or sends the command on.
    #[cold]
    fn judge(&mut self, mut parts: Box<Parts>) -> Option<Delivery> {
        let asked = self.astray.as_mut().and_then(|astray| astray.asking.take());
        if let Some(asking) = asked {
            if parts.error.is_none() {
                match second_reply(&parts.chunks) {
                    Some(reply) if reply.starts_with(b"-") => parts.chunks = vec![reply],
                    Some(reply) => return Some(Delivery::Reply(reply)),
                    None => {
                        return Some(Delivery::Refused(Error::protocol(
                            "ASKING was not answered",
                        )));
                    }
                }
            }
            // After a loss it is sent again if it may be repeated, or was not sent.
            let may_go_again = match &parts.error {
                Some(failure) => asking.command.idempotent || is_unsent(failure),
                None => true,
            };
            parts.again = may_go_again.then_some(asking.command);
        }
        let detour = &mut self.astray.get_or_insert_default().detour;
        detour.due = parts.due.or(detour.due);
        if parts.error.is_some() {
            return self.judge_failure(parts);
        }
        let error = parts.chunks.first().and_then(|reply| error_of(reply));
        let Some(error) = error else {
            return Some(Delivery::Parts(parts));
        };
        // After ASKING the command is here whatever the node said of it.
        let is_refusal = passes(&error, self.command.runs_code())
            || Redirect::parse(&error.to_string()).is_some();
        match parts.again.take().filter(|_| is_refusal) {
            Some(again) => self.judge_refusal(&error, again, parts),
            None => self.judge_script(parts),
        }
    }

    /// A link was lost, or its node cannot be reached.
    fn judge_failure(&mut self, mut parts: Box<Parts>) -> Option<Delivery> {
        let Some(failure) = &mut parts.error else {
            return Some(Delivery::Parts(parts));
        };
        if let Some(astray) = &mut self.astray {
            astray.detour.refused().explain(failure);
        }
        let failure = &*failure;
        let turned_away = || self.sending.as_mut()?.take_again();
        let again = parts.again.take().or_else(turned_away);
        // A command that was refused before it was written is still here.
        let is_onward = self.sending.as_ref().is_some_and(Sending::is_onward);
        if self.shared.life.is_end(failure, is_onward) {
            return Some(Delivery::Parts(parts));
        }
        let goes_again =
            is_loss(failure) && (again.is_some() || (is_unsent(failure) && self.command.is_here()));
        if !goes_again {
            return Some(Delivery::Parts(parts));
        }
        self.shared.want_refresh();
        if self.pause(again) {
            None
        } else {
            Some(Delivery::Parts(parts))
        }
    }

    /// The node said that it does not carry this out, or that no node can do so now.
    fn judge_refusal(
        &mut self,
        error: &ServerError,
        again: Box<Again>,
        parts: Box<Parts>,
    ) -> Option<Delivery> {
        if let Some(redirect) = Redirect::parse(&error.to_string()) {
            return self.follow(&redirect, again);
        }
        if error.code() != "TRYAGAIN" {
            self.shared.want_refresh();
        }
        // A command that waits for a slot to arrive takes the same path many times.
        if let Some(astray) = &mut self.astray {
            astray.hops.forget();
            astray.detour.refused().note(error);
        }
        if self.pause(Some(again)) {
            None
        } else {
            Some(Delivery::Parts(parts))
        }
    }

    /// If the node does not have the script, its text is sent.
    fn judge_script(&mut self, mut parts: Box<Parts>) -> Option<Delivery> {
        let Some(sending) = &mut self.sending else {
            return Some(Delivery::Parts(parts));
        };
        if self.command.mend(&sending.link().scripts, &parts.chunks) {
            sending.send_again(&mut parts);
            return None;
        }
        Some(Delivery::Parts(parts))
    }

    /// Follows a redirect.
    fn follow(&mut self, redirect: &Redirect, again: Box<Again>) -> Option<Delivery> {
        let (Some(sending), Some(astray)) = (&mut self.sending, &mut self.astray) else {
            return Some(Delivery::Refused(no_node()));
        };
        let asked = sending.link().config.address().clone();
        let hop = match astray.hops.follow(self.shared, redirect, &asked) {
            Ok(hop) => hop,
            Err(error) => {
                let error = error_after_loss(error, sending.was_lost());
                return Some(Delivery::Refused(error));
            }
        };
        if hop.pauses && self.pause(Some(again.clone())) {
            return None;
        }
        self.go(redirect.kind, &hop.node, again);
        None
    }

    fn go(&mut self, kind: RedirectKind, node: &Node, again: Box<Again>) {
        let (Some(sending), Some(astray)) = (&mut self.sending, &mut self.astray) else {
            return;
        };
        let due = astray.detour.due;
        match kind {
            RedirectKind::Ask if !Planted::MissingAsking.is_here() => {
                astray.asking = Some(Asking { command: again });
                sending.go_to(node.link(), None, due);
            }
            _ => sending.go_to(node.link(), Some(again), due),
        }
    }

    /// Pauses, and then asks the owner of the slot that is known by then. Does not pause if the deadline comes first.
    fn pause(&mut self, again: Option<Box<Again>>) -> bool {
        let patience = self.command.terms().patience;
        let astray = self.astray.get_or_insert_default();
        let in_time = astray.detour.pause(self.shared, patience);
        if in_time {
            astray.again = again;
        }
        in_time
    }

    /// The reply as it came, also if it is an error.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let (chunks, failure) = ready!(self.poll_delivery(cx)).into_parts()?;
        Poll::Ready(match (failure, chunks.into_iter().next()) {
            (None, Some(chunk)) => Ok(Frame::from_scanned(chunk)),
            (Some(failure), _) => Err(failure.into()),
            (None, None) => Err(Error::protocol("no reply was delivered")),
        })
    }

    /// The reply, decoded; an error names the command.
    #[inline]
    pub(super) fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let outcome = if self.astray.is_none() && self.start(cx) {
            return Poll::Pending;
        } else if let Some(chunk) = self.take_reply() {
            decode_one(&chunk)
        } else {
            decode(ready!(self.poll_delivery(cx)))
        };
        Poll::Ready(described(outcome, |error| self.explained(error)))
    }

    /// Puts to its error which command it is of, and what that needs.
    #[cold]
    pub(super) fn explained(&self, error: Error) -> Error {
        let link = self.sending.as_ref().map(Sending::link);
        let server = link.and_then(|link| link.server());
        self.command.explained(error, server)
    }
}

impl fmt::Debug for ClusterPending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterPending")
            .field("command", &self.command.name())
            .field("goal", &self.goal)
            .finish_non_exhaustive()
    }
}

/// The second of two replies, which may have come in one piece or in two.
fn second_reply(chunks: &[Chunk]) -> Option<Chunk> {
    let piece = chunks.first()?;
    let (_, end) = FrameRef::next(piece.span(), 0)?;
    if end < piece.len() {
        Some(piece.slice(end..piece.len()))
    } else {
        chunks.get(1).cloned()
    }
}
