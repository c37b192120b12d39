//! Many commands on many nodes at the same time: [`Scatter`]. Those for one node go out in one write, and redirects are
//! followed for each command.
//!
//! What goes to one node is one entry in the queue of its link, a [`Bundle`]: that costs as little as a pipeline on one
//! socket. When its replies are there, each command that was refused or lost is judged by itself.
//!
//! # Layout
//!
//! - `losses`: commands that have no reply

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::bundle::{Bundle, Member};
use super::detour::{Detour, Hops, Refused, error_after_loss, error_of, no_node, passes};
use super::gather::{Gather, Outcome};
use super::join::Join;
use super::recipients::Recipients;
use super::redirect::{Redirect, RedirectKind};
use super::routes::Routes;
use super::shared::Shared;
use super::split;
use crate::chain::gathered::EachOutcome;
use crate::chain::pieces::Pieces;
use crate::chain::routing::{Goal, Singles};
use crate::engine::inflight::{Delivery, Failure, Held, Patience};
use crate::engine::link::Link;
use crate::error::{Error, Phase, Result, ServerError, ServerVersion};
use crate::wire::Chunk;

mod losses;

/// Commands on their way to their nodes.
pub(super) struct Scatter<'a> {
    shared: &'a Shared,
    singles: Singles,
    /// The commands that were split.
    joins: Vec<Join>,
    /// The nodes that [`Goal::ThisNode`] and [`Goal::ThisShard`] mean; `None` if no command may be for such a node.
    recipients: Option<Recipients>,
    patience: Patience,
    bundles: Vec<Bundle>,
    gather: Gather,
    /// Commands that wait until the pause is over, which all of them share.
    paused: BTreeSet<usize>,
    detour: Detour,
    hops: BTreeMap<usize, Hops>,
    /// Why commands were refused last.
    refused: BTreeMap<usize, Refused>,
    /// Commands that were sent on a link that was lost, so that they may have been carried out.
    lost: BTreeSet<usize>,
    server: Option<ServerVersion>,
    /// Whether a node has taken a part of it: then the other parts are on their way.
    has_begun: bool,
    /// Whether the cluster was closed to it.
    is_over: bool,
}

/// A command that goes on, and the link to the node that gets it.
type Onward = (Arc<Link>, Member);

/// What came of a bundle.
#[derive(Default)]
struct Answered {
    chunks: Vec<Chunk>,
    /// Why replies are missing.
    failure: Option<Failure>,
    /// How many of its bytes were written, if its socket was lost.
    written: Option<usize>,
}

impl<'a> Scatter<'a> {
    /// Commands that are to be sent to their nodes, and split if they have to be.
    ///
    /// # Errors
    /// One of them cannot go over a cluster in this form; its number is with the error.
    pub(super) fn new(
        shared: &'a Shared,
        singles: Singles,
        patience: Patience,
    ) -> Result<Self, (usize, Error)> {
        let routes = shared.routes();
        let mut scatter = Self {
            shared,
            singles,
            joins: Vec::new(),
            recipients: None,
            patience,
            bundles: Vec::new(),
            gather: Gather::default(),
            paused: BTreeSet::new(),
            detour: Detour::default(),
            hops: BTreeMap::new(),
            refused: BTreeMap::new(),
            lost: BTreeSet::new(),
            server: None,
            has_begun: false,
            is_over: false,
        };
        if scatter.singles.has_unusual() {
            scatter.recipients = Some(Recipients::new(&routes));
            scatter.joins = split::expand(&mut scatter.singles, &routes)?;
        }
        scatter.route(&routes);
        Ok(scatter)
    }

    /// Puts each command into the bundle of its node.
    fn route(&mut self, routes: &Routes) {
        const NONE: usize = usize::MAX;
        let anyone = routes.any_primary_place();
        let mut bundle_at = vec![NONE; routes.nodes().len()];
        let (singles, bundles, gather) = (&self.singles, &mut self.bundles, &mut self.gather);
        gather.reserve(singles.len());
        // Room for a fair share of the commands, and half as much again.
        let share = singles.len() * 3 / 2 / routes.count_primaries().max(1) + 1;
        for (single, known) in singles.iter().enumerate() {
            let place = match known.goal {
                Goal::Owner(slot) | Goal::Near(slot) => routes.owner_place(slot).or(anyone),
                Goal::Anyone => anyone,
                Goal::ThisNode(place) | Goal::ThisShard(place) => Some(place),
            };
            let Some(at) = place.and_then(|place| bundle_at.get_mut(place)) else {
                gather.expect(NONE);
                gather.settle(single, Outcome::Failed(no_node()));
                continue;
            };
            if *at == NONE
                && let Some(node) = place.and_then(|place| routes.nodes().get(place))
            {
                *at = bundles.len();
                let mut bundle = Bundle::new(node.link(), Some(*at));
                bundle.members.reserve(share);
                bundles.push(bundle);
            }
            gather.expect(*at);
            if let Some(bundle) = bundles.get_mut(*at) {
                bundle.members.push(Member {
                    single,
                    asking: false,
                });
            }
        }
        for bundle in &mut self.bundles {
            bundle.prepare(&mut self.singles, self.patience);
        }
    }

    /// Notes that all of it is on its way: it goes on also if nothing new is accepted. What keeps a link until it is queued is kept.
    pub(super) fn go_on(&mut self, held: Option<&Held>) {
        for bundle in &mut self.bundles {
            bundle.sending.go_on();
            bundle.sending.keep(held.cloned());
        }
    }

    /// Has them sent now, before the first poll.
    pub(super) fn submit(&mut self) {
        let Self {
            bundles,
            singles,
            patience,
            ..
        } = self;
        for bundle in bundles {
            let (sending, mut payload) = bundle.payload(singles, *patience);
            sending.submit(&mut payload);
        }
    }

    /// Drives all of them to their outcomes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EachOutcome> {
        loop {
            if self.detour.poll_pause(cx) == Poll::Ready(true) {
                self.resume();
            }
            let settled = self.poll_bundles(cx);
            if self.bundles.is_empty() && self.paused.is_empty() {
                return Poll::Ready(std::mem::take(&mut self.gather).join(&self.joins));
            }
            if !settled {
                return Poll::Pending;
            }
        }
    }

    /// Returns whether any was answered.
    fn poll_bundles(&mut self, cx: &mut Context<'_>) -> bool {
        let mut answered = Vec::new();
        let (singles, patience) = (&mut self.singles, self.patience);
        self.bundles.retain_mut(|bundle| {
            let trace = bundle.trace.take().unwrap_or_default();
            let (sending, mut payload) = bundle.payload(singles, patience);
            let polled = trace.within(|| sending.poll(&mut payload, cx));
            if let Poll::Ready(delivery) = &polled {
                trace.end(&payload, delivery);
            }
            let link = sending.link().clone();
            bundle.trace = Some(trace);
            match polled {
                Poll::Pending => true,
                Poll::Ready(delivery) => {
                    let over = Bundle::new(link, None);
                    answered.push((std::mem::replace(bundle, over), delivery));
                    false
                }
            }
        });
        let any = !answered.is_empty();
        self.has_begun |= answered.iter().any(|(_, delivery)| !was_shut_out(delivery))
            || (any
                && self
                    .bundles
                    .iter()
                    .any(|bundle| bundle.sending.is_in_flight()));
        for (bundle, delivery) in answered {
            self.settle(bundle, delivery);
        }
        any
    }

    /// Takes the replies of a bundle, and judges those that are errors or are missing.
    fn settle(&mut self, bundle: Bundle, delivery: Delivery) {
        let Answered {
            chunks,
            failure,
            written,
        } = self.unpack(&bundle, delivery);
        let link = bundle.sending.link();
        self.server = self.server.or_else(|| link.server());
        let is_clean = failure.is_none() && !chunks.iter().any(may_hold_error);
        if is_clean && let Some(number) = bundle.number {
            bundle.note_scripts();
            return self.gather.take(number, chunks);
        }
        let (lost_from, onward) = self.judge_replies(&bundle, &chunks);
        let whole = written.map(|written| bundle.count_written(&mut self.singles, written));
        let is_onward = bundle.sending.is_onward() || self.has_begun;
        let life = &self.shared.life;
        self.is_over |= failure
            .as_ref()
            .is_some_and(|failure| life.is_end(failure, is_onward));
        self.judge_losses(&bundle, lost_from, whole, failure.as_ref());
        if failure.is_none() {
            self.trace_error(&bundle);
        }
        if let Some(number) = bundle.number {
            self.gather.take(number, chunks);
        }
        self.send_on(onward);
    }

    /// What came of a bundle.
    fn unpack(&mut self, bundle: &Bundle, delivery: Delivery) -> Answered {
        match delivery {
            Delivery::Reply(chunk) => Answered {
                chunks: vec![chunk],
                ..Answered::default()
            },
            Delivery::Parts(parts) => {
                self.detour.due = parts.due.or(self.detour.due);
                if parts.was_lost {
                    let members = bundle.members.iter();
                    self.lost.extend(members.map(|member| member.single));
                }
                Answered {
                    chunks: parts.chunks,
                    failure: parts.error,
                    written: parts.written,
                }
            }
            Delivery::Refused(error) => Answered {
                failure: Some(Failure::Protocol(error.to_string().into())),
                ..Answered::default()
            },
        }
    }

    /// Judges each reply of a bundle by itself. Returns the place of the first command that has none, and the commands that go on
    /// over another link.
    fn judge_replies(&mut self, bundle: &Bundle, chunks: &[Chunk]) -> (usize, Vec<Onward>) {
        let mut onward = Vec::new();
        let mut pieces = Pieces::new(chunks.to_vec());
        for (place, member) in bundle.members.iter().enumerate() {
            if member.asking {
                pieces.next();
            }
            let Some(frame) = pieces.next() else {
                return (place, onward);
            };
            if let Some(error) = error_of(frame.as_bytes()) {
                let reply = frame.to_chunk();
                onward.extend(self.judge(*member, &error, reply, bundle.sending.link()));
                continue;
            }
            if bundle.number.is_none() {
                let reply = Outcome::Reply(frame.to_chunk());
                self.gather.settle(member.single, reply);
            }
            bundle.note_script(member.single);
        }
        (bundle.members.len(), onward)
    }

    /// Shows the first error of a bundle's commands. What goes on to another node, or later, is no error of this one.
    fn trace_error(&self, bundle: &Bundle) {
        if let Some(trace) = &bundle.trace
            && trace.is_listened_to()
        {
            let commands = bundle.members.iter().map(|member| member.single);
            self.gather.with_error(commands, |error| trace.fail(error));
        }
    }

    /// An error reply: it is the outcome, or the command goes on, to the link that is returned or after a pause.
    fn judge(
        &mut self,
        Member { single, asking }: Member,
        error: &ServerError,
        reply: Chunk,
        link: &Arc<Link>,
    ) -> Option<Onward> {
        if let Some(redirect) = Redirect::parse(&error.to_string()) {
            return self.follow(single, &redirect, reply, link);
        }
        if passes(error, self.singles.runs_code(single)) {
            if error.code() != "TRYAGAIN" {
                self.shared.want_refresh();
            }
            if let Some(hops) = self.hops.get_mut(&single) {
                hops.forget();
            }
            self.refused.entry(single).or_default().note(error);
            self.pause(single, Outcome::Reply(reply));
            return None;
        }
        if error.code() == "NOSCRIPT"
            && let Some(args) = self.singles.args_mut(single)
            && args.send_script_text()
        {
            link.scripts.clear();
            self.gather.await_outcome(single);
            return Some((link.clone(), Member { single, asking }));
        }
        self.gather.settle(single, Outcome::Reply(reply));
        None
    }

    fn follow(
        &mut self,
        single: usize,
        redirect: &Redirect,
        reply: Chunk,
        link: &Arc<Link>,
    ) -> Option<Onward> {
        let hops = self.hops.entry(single).or_default();
        let hop = match hops.follow(self.shared, redirect, link.config.address()) {
            Ok(hop) => hop,
            Err(error) => {
                let error = error_after_loss(error, self.lost.contains(&single));
                self.gather.settle(single, Outcome::Failed(error));
                return None;
            }
        };
        if hop.pauses || self.waits_behind(single) {
            self.pause(single, Outcome::Reply(reply));
            return None;
        }
        self.gather.await_outcome(single);
        let asking = redirect.kind == RedirectKind::Ask;
        Some((hop.node.link(), Member { single, asking }))
    }

    /// Whether an earlier command with the same slot waits for the end of a pause, so that this one must wait too.
    fn waits_behind(&self, single: usize) -> bool {
        let goal = |single: usize| self.singles.get(single).map(|single| single.goal);
        let mut earlier = self.paused.range(..single);
        earlier.any(|earlier| goal(*earlier) == goal(single))
    }

    /// Has a command wait for the end of the pause. If its deadline comes first, this is its `outcome`.
    fn pause(&mut self, single: usize, outcome: Outcome) {
        if self.detour.pause_too(self.shared, self.patience) {
            self.gather.await_outcome(single);
            self.paused.insert(single);
        } else {
            self.gather.settle(single, outcome);
        }
    }

    /// The pause is over: commands that waited go to the owners that are known by now.
    fn resume(&mut self) {
        let routes = self.shared.routes();
        let mut onward = Vec::new();
        for single in std::mem::take(&mut self.paused) {
            let goal = self.singles.get(single).map(|single| single.goal);
            let recipients = self.recipients.as_mut();
            let node = match goal.unwrap_or(Goal::Anyone) {
                goal @ (Goal::Owner(_) | Goal::Anyone | Goal::Near(_)) => {
                    routes.next_node_for(goal)
                }
                Goal::ThisNode(place) => recipients.and_then(|all| all.node(place)),
                Goal::ThisShard(place) => recipients.and_then(|all| all.primary(place, &routes)),
            };
            let asking = false;
            match node {
                Some(node) => onward.push((node.link(), Member { single, asking })),
                None => {
                    let error = error_after_loss(no_node(), self.lost.contains(&single));
                    self.gather.settle(single, Outcome::Failed(error));
                }
            }
        }
        drop(routes);
        self.send_on(onward);
    }

    /// Makes bundles of commands that go on, one for each link, in which the commands keep their order.
    fn send_on(&mut self, onward: Vec<Onward>) {
        let first = self.bundles.len();
        for (link, member) in onward {
            let mut new = self.bundles.iter_mut().skip(first);
            let same = new.find(|bundle| Arc::ptr_eq(bundle.sending.link(), &link));
            if let Some(bundle) = same {
                bundle.members.push(member);
                continue;
            }
            let mut bundle = Bundle::new(link.clone(), None);
            bundle.sending.go_to(link, None, self.detour.due);
            bundle.members.push(member);
            self.bundles.push(bundle);
        }
        let (singles, patience) = (&mut self.singles, self.patience);
        for bundle in self.bundles.iter_mut().skip(first) {
            bundle.prepare(singles, patience);
            let (sending, mut payload) = bundle.payload(singles, patience);
            // Now, so that later commands of the same slot come behind it.
            sending.submit(&mut payload);
        }
    }

    pub(super) fn server(&self) -> Option<ServerVersion> {
        self.server
    }
}

/// Whether a link took nothing, because it accepts nothing new.
fn was_shut_out(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Parts(parts) => matches!(parts.error, Some(Failure::Closed(Phase::NotSent))),
        Delivery::Reply(_) | Delivery::Refused(_) => false,
    }
}

/// Whether there may be an error among the replies; if there is one, this is `true`.
fn may_hold_error(chunk: &Chunk) -> bool {
    chunk.starts_with(b"-") || memchr::memmem::find(chunk, b"\r\n-").is_some()
}

impl fmt::Debug for Scatter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scatter")
            .field("commands", &self.singles.len())
            .field("bundles", &self.bundles.len())
            .field("paused", &self.paused)
            .finish_non_exhaustive()
    }
}
