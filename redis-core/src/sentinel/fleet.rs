//! What all connections of a configuration know together: the Sentinels, and who follows them: [`Fleet`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::watch::Watch;
use crate::config::{Address, Config, ServiceRole};
use crate::connection::Link;

/// Shared by all clones of a configuration, and no part of what makes two of them equal.
#[derive(Clone, Default)]
pub(crate) struct Fleet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    joined: Notify,
}

#[derive(Default)]
struct State {
    /// Beginning with the one that was right last; empty before any has answered.
    sentinels: Vec<Address>,
    followers: Vec<Follower>,
    watch: Weak<Watch>,
}

/// A connection, and the node that it was made to.
struct Follower {
    link: Weak<Link>,
    at: Address,
}

/// Has a connection that has just been made follow its service.
pub(crate) fn follow(link: &Arc<Link>, at: &Address) {
    let config = &link.config;
    let Some(service) = config.service() else {
        return;
    };
    let fleet = &config.service.fleet;
    fleet.join(link, at);
    link.keep_watch(fleet.watch(config, service));
}

impl Fleet {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to ask, in order.
    pub(super) fn sentinels(&self, config: &Config) -> Vec<Address> {
        let state = self.lock();
        let known = state.sentinels.iter();
        let configured = config.addresses();
        let fresh = configured.filter(|address| !state.sentinels.contains(address));
        known.chain(fresh).cloned().collect()
    }

    /// Takes over which other Sentinels one knows; those that neither it nor the configuration names are forgotten.
    /// Gives what it named.
    pub(super) fn learn(
        &self,
        config: &Config,
        from: &Address,
        others: Vec<Address>,
    ) -> Vec<Address> {
        /// A fleet is a handful; what names more is out of its mind.
        const MOST: usize = 64;
        let mut state = self.lock();
        let is_current = |address: &Address| {
            address == from
                || others.contains(address)
                || config.addresses().any(|configured| configured == address)
        };
        state.sentinels.retain(is_current);
        for address in std::iter::once(from).chain(&others) {
            if !state.sentinels.contains(address) && state.sentinels.len() < MOST {
                state.sentinels.push(address.clone());
            }
        }
        others.into_iter().take(MOST).collect()
    }

    /// Has this Sentinel asked first from now on.
    pub(super) fn prefer(&self, sentinel: &Address) {
        let mut state = self.lock();
        state.sentinels.retain(|known| known != sentinel);
        state.sentinels.insert(0, sentinel.clone());
    }

    fn join(&self, link: &Arc<Link>, at: &Address) {
        let mut state = self.lock();
        state
            .followers
            .retain(|known| known.link.strong_count() > 0 && !is(&known.link, link));
        state.followers.push(Follower {
            link: Arc::downgrade(link),
            at: at.clone(),
        });
        drop(state);
        // The service may have moved between the answer and now.
        self.0.joined.notify_one();
    }

    /// Resolves when a connection was made.
    pub(super) async fn joined(&self) {
        self.0.joined.notified().await;
    }

    /// The watch over the service; one for all.
    fn watch(&self, config: &Config, service: &str) -> Arc<Watch> {
        let mut state = self.lock();
        match state.watch.upgrade() {
            Some(watch) if !watch.has_ended() => watch,
            // Its runtime may have been another, which is gone.
            _ => {
                let watch = Arc::new(Watch::start(config, service));
                state.watch = Arc::downgrade(&watch);
                watch
            }
        }
    }

    /// The primary is there now: has those leave that are connected to a node whose role is another than they want.
    pub(super) fn moved(&self, primary: &Address) {
        let mut leaving = Vec::new();
        self.lock().followers.retain(|follower| {
            let Some(link) = follower.link.upgrade() else {
                return false;
            };
            let wants_primary = link.config.service.role == ServiceRole::Primary;
            let stays = wants_primary == (follower.at == *primary);
            // Never dropped under the lock: it may be the last that holds the link.
            leaving.push((link, !stays));
            stays
        });
        for (link, leaves) in leaving {
            if leaves {
                link.leave_node();
            }
        }
    }
}

fn is(known: &Weak<Link>, link: &Arc<Link>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(link))
}

impl PartialEq for Fleet {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.lock().sentinels).finish()
    }
}
