//! What all connections of a configuration know about the Sentinels of its service: [`Sentinels`].

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::Notify;

use super::address::Address;
use super::claim::{Claim, Verdict};
use super::service_role::ServiceRole;
use crate::runtime::Lock;
use crate::runtime::planted::Planted;

/// A connection that follows a service.
pub(crate) trait Follow: Send + Sync {
    /// The node lost the role for which it was chosen: find another.
    fn leave_node(&self);
}

/// A task that watches a service for as long as this object lives.
pub(crate) trait Guard: Send + Sync {
    /// Whether it has ended, so that another is needed.
    fn has_ended(&self) -> bool;
}

/// Shared by all clones of a configuration. It does not count when configurations are compared.
///
/// It is empty as long as nothing is known: most connections have no Sentinels, and they rest with little memory.
#[derive(Clone, Default)]
pub(crate) struct Sentinels(Arc<OnceLock<Box<Shared>>>);

#[derive(Default)]
struct Shared {
    state: Lock<State>,
    joined: Notify,
    primary: Lock<Primary>,
    /// The primary is another one now. Who waits is woken in turn, so that simulated worlds repeat; a channel of tokio wakes in
    /// an order that nobody can choose.
    moved: Notify,
}

/// The address of the primary, as far as the watch knows.
#[derive(Default)]
struct Primary {
    address: Option<Address>,
    /// How often it has changed.
    moves: u64,
    /// The newest that a Sentinel said, also to connections that asked without the watch.
    known: Option<Claim>,
}

/// Reports moves of a service, from the moment on at which it was made.
pub(crate) struct Moves {
    sentinels: Sentinels,
    seen: u64,
}

impl Primary {
    /// Returns whether this is another one.
    fn change(&mut self, address: &Address) -> bool {
        let is_another = self.address.as_ref() != Some(address);
        if is_another {
            self.address = Some(address.clone());
            self.moves += 1;
        }
        is_another
    }

    /// Returns whether the claim counts, which is not older than what is known.
    fn take_over(&mut self, claim: &Claim) -> bool {
        let known = self.known.as_ref();
        let counts = claim.against(known) != Verdict::Outdated;
        if counts {
            self.known = Some(claim.after(known));
        }
        counts
    }
}

impl Moves {
    /// Resolves with the new primary when the service moves; a move that was seen before does not count.
    pub(crate) async fn next(&mut self) -> Address {
        let sentinels = self.sentinels.clone();
        loop {
            // It is made before the look: a move after the look wakes it.
            let moved = sentinels.shared().moved.notified();
            if let Some(primary) = self.unseen() {
                return primary;
            }
            moved.await;
        }
    }

    fn unseen(&mut self) -> Option<Address> {
        let primary = self.sentinels.shared().primary.lock();
        if primary.moves == self.seen {
            return None;
        }
        self.seen = primary.moves;
        primary.address.clone()
    }
}

#[derive(Default)]
struct State {
    /// The Sentinel that was right last comes first; empty before any has answered.
    sentinels: Vec<Address>,
    followers: Vec<Follower>,
    guard: Option<Weak<dyn Guard>>,
}

/// A connection, and the node that it is connected to.
struct Follower {
    link: Weak<dyn Follow>,
    at: Address,
    wants: ServiceRole,
}

impl Sentinels {
    fn shared(&self) -> &Shared {
        self.0.get_or_init(Box::default)
    }

    /// The Sentinels to ask, in order: first those that are known, then those that are configured.
    pub(crate) fn to_ask<'a>(&self, configured: impl Iterator<Item = &'a Address>) -> Vec<Address> {
        let mut sentinels = self.shared().state.lock().sentinels.clone();
        for address in configured {
            if !sentinels.contains(address) {
                sentinels.push(address.clone());
            }
        }
        sentinels
    }

    /// Takes over the list of other Sentinels that `sentinel` knows. Those that neither it nor the configuration
    /// names are forgotten. Returns the list.
    pub(crate) fn learn<'a>(
        &self,
        configured: impl Iterator<Item = &'a Address> + Clone,
        from: &Address,
        others: Vec<Address>,
    ) -> Vec<Address> {
        /// A service has a handful of Sentinels; one that names more than this is broken.
        const MOST: usize = 64;
        let mut state = self.shared().state.lock();
        let is_current = |address: &Address| {
            address == from
                || others.contains(address)
                || configured.clone().any(|configured| configured == address)
        };
        state.sentinels.retain(is_current);
        for address in std::iter::once(from).chain(&others) {
            if !state.sentinels.contains(address) && state.sentinels.len() < MOST {
                state.sentinels.push(address.clone());
            }
        }
        others.into_iter().take(MOST).collect()
    }

    /// From now on, this Sentinel is asked first.
    pub(crate) fn prefer(&self, sentinel: &Address) {
        let mut state = self.shared().state.lock();
        state.sentinels.retain(|known| known != sentinel);
        state.sentinels.insert(0, sentinel.clone());
    }

    /// Reports the moves of the service from now on.
    pub(crate) fn moves(&self) -> Moves {
        Moves {
            sentinels: self.clone(),
            seen: self.shared().primary.lock().moves,
        }
    }

    /// Removes a connection that lost its socket.
    pub(crate) fn forget(&self, link: Weak<dyn Follow>) {
        let is_other = |known: &Follower| !is_same(&known.link, &link);
        if let Some(shared) = self.0.get() {
            shared.state.lock().followers.retain(is_other);
        }
    }

    /// Adds a connection that was just made to a node with the role that it `wants`.
    pub(crate) fn join(&self, link: Weak<dyn Follow>, at: &Address, wants: ServiceRole) {
        let mut state = self.shared().state.lock();
        state
            .followers
            .retain(|known| known.link.strong_count() > 0 && !is_same(&known.link, &link));
        state.followers.push(Follower {
            link,
            at: at.clone(),
            wants,
        });
        drop(state);
        // The service may have moved between the answer and now.
        self.shared().joined.notify_one();
    }

    /// Resolves when a connection has been made.
    pub(crate) async fn joined(&self) {
        self.shared().joined.notified().await;
    }

    /// The task that watches the service for all connections. It is started if there is none, or if its runtime
    /// has ended.
    pub(crate) fn guard<G: Guard + 'static>(&self, start: impl FnOnce() -> G) -> Arc<dyn Guard> {
        let mut state = self.shared().state.lock();
        let known = state.guard.as_ref().and_then(Weak::upgrade);
        if let Some(guard) = known.filter(|guard| !guard.has_ended()) {
            return guard;
        }
        let guard: Arc<dyn Guard> = Arc::new(start());
        state.guard = Some(Arc::downgrade(&guard));
        guard
    }

    /// What it is worth that a Sentinel says this.
    pub(crate) fn judge(&self, claim: &Claim) -> Verdict {
        claim.against(self.shared().primary.lock().known.as_ref())
    }

    /// Whether an answer with this number is older than what is known.
    pub(crate) fn is_outdated(&self, epoch: Option<u64>) -> bool {
        let primary = self.shared().primary.lock();
        let known = primary.known.as_ref().and_then(|known| known.epoch);
        epoch.zip(known).is_some_and(|(said, known)| said < known)
    }

    /// The newest that a Sentinel said of the primary.
    pub(crate) fn known(&self) -> Option<Claim> {
        self.shared().primary.lock().known.clone()
    }

    /// A connection was made to the node of a claim, which said that it is the primary. It moves no other connection; that is up
    /// to the watch.
    pub(crate) fn found(&self, claim: &Claim) {
        self.shared().primary.lock().take_over(claim);
    }

    /// The service was removed from the Sentinels and added again, so its numbers begin again, with this claim. It does nothing if
    /// something else than `over` is known by now. Returns whether it counts.
    pub(crate) fn begin_anew(&self, claim: &Claim, by: &Address, over: &Claim) -> bool {
        let mut primary = self.shared().primary.lock();
        if primary.known.as_ref() != Some(over) {
            return false;
        }
        primary.known = None;
        drop(primary);
        self.moved(claim, by);
        true
    }

    /// This Sentinel said where the primary is, and was found to be right. Connections, and attempts to connect, to a
    /// node that does not have the role they want are told to leave it. A claim that has become outdated meanwhile does
    /// nothing.
    pub(crate) fn moved(&self, claim: &Claim, by: &Address) {
        let mut known = self.shared().primary.lock();
        if !known.take_over(claim) {
            return;
        }
        let primary = &claim.primary;
        let is_another = known.change(primary);
        drop(known);
        if is_another {
            // The others may learn about it later.
            self.prefer(by);
            self.shared().moved.notify_waiters();
        }
        let mut leaving = Vec::new();
        self.shared().state.lock().followers.retain(|follower| {
            let Some(link) = follower.link.upgrade() else {
                return false;
            };
            let wants_primary = follower.wants == ServiceRole::Primary;
            let stays = wants_primary == (follower.at == *primary);
            // Not dropped under the lock: it may be the last reference to the link.
            leaving.push((link, !stays && !Planted::StayedAtDemoted.is_here()));
            stays
        });
        for (link, leaves) in leaving {
            if leaves {
                link.leave_node();
            }
        }
    }
}

fn is_same(known: &Weak<dyn Follow>, link: &Weak<dyn Follow>) -> bool {
    std::ptr::addr_eq(known.as_ptr(), link.as_ptr())
}

impl PartialEq for Sentinels {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        if let Some(shared) = self.0.get() {
            list.entries(&shared.state.lock().sentinels);
        }
        list.finish()
    }
}
