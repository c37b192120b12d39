//! Announced maintenance of managed services: whether to ask for it, and what all connections of a configuration know
//! about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::Address;

use crate::runtime::Lock;

/// Whether a server is asked to announce its maintenance (`CLIENT MAINT_NOTIFICATIONS`).
///
/// Redis Cloud and Redis Software do this, in RESP3. The open-source servers refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MaintNotifications {
    /// It is not asked.
    #[default]
    Off,
    /// It is asked, and used without announcements if it refuses.
    Auto,
    /// It is asked, and not used if it refuses: connecting fails.
    On,
}

/// Which address of the new node a MOVING is to contain.
///
/// The default follows from the socket, as in the clients of Redis: internal if the peer has a private address,
/// otherwise external; a name with TLS, otherwise an IP address. If the peer's address is not known (Unix sockets,
/// your own transport), the server decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MovingEndpoint {
    /// What fits the socket.
    #[default]
    Auto,
    /// An IP address inside the private network.
    InternalIp,
    /// A name inside the private network.
    InternalFqdn,
    /// A public IP address.
    ExternalIp,
    /// A public name.
    ExternalFqdn,
    /// None: the configured address leads to the new node by then.
    None,
}

/// The settings for announced maintenance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Maintenance {
    pub(crate) notifications: MaintNotifications,
    pub(crate) endpoint: MovingEndpoint,
    /// How much longer commands and signs of life may take while it lasts.
    pub(crate) extra_time: Duration,
    pub(crate) detours: Detours,
    pub(crate) slots_moved: SlotsMoved,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            notifications: MaintNotifications::default(),
            endpoint: MovingEndpoint::default(),
            extra_time: Duration::from_secs(10),
            detours: Detours::default(),
            slots_moved: SlotsMoved::default(),
        }
    }
}

impl Maintenance {
    /// Whether the server is asked to announce it.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.notifications != MaintNotifications::Off
    }

    /// The same settings for another server, whose moves are its own.
    pub(super) fn for_node(&self) -> Self {
        Self {
            detours: Detours::default(),
            ..self.clone()
        }
    }
}

/// Where servers went that said so, for as long as their names may still lead to the old place. All clones of a
/// configuration share it. It does not count when configurations are compared.
#[derive(Clone, Default)]
pub(crate) struct Detours(Arc<Lock<Vec<Detour>>>);

#[derive(Debug)]
struct Detour {
    from: Address,
    to: Address,
    until: Instant,
}

impl Detours {
    /// The server at the configured address `from` is reached at `to` for now.
    pub(crate) fn note(&self, from: Address, to: Address, until: Instant) {
        let mut detours = self.0.lock();
        detours.retain(|known| known.from != from);
        detours.push(Detour { from, to, until });
    }

    /// The server at the configured address `from` cannot be used at `to`.
    pub(crate) fn forget(&self, from: &Address, to: &Address) {
        let is_other = |known: &Detour| known.from != *from || known.to != *to;
        self.0.lock().retain(is_other);
    }

    /// Where the server at a configured address is reached now, if that is elsewhere.
    pub(crate) fn of(&self, from: &Address) -> Option<Address> {
        let mut detours = self.0.lock();
        let now = Instant::now();
        detours.retain(|known| known.until > now);
        let known = detours.iter().find(|known| known.from == *from)?;
        Some(known.to.clone())
    }
}

impl PartialEq for Detours {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Detours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().iter()).finish()
    }
}

/// Wakes the task that keeps the map of a cluster when a node says that slots have moved. It does not count when
/// configurations are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlotsMoved(pub(crate) Arc<Notify>);

impl PartialEq for SlotsMoved {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn address(port: u16) -> Address {
        Address::Tcp("db".to_owned(), port)
    }

    #[tokio::test(start_paused = true)]
    async fn a_detour_holds_for_its_time_and_the_last_one_counts() {
        let detours = Detours::default();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        detours.note(address(1), address(2), later(10));
        detours.note(address(1), address(3), later(5));
        assert_eq!(detours.of(&address(1)), Some(address(3)));
        assert_eq!(detours.of(&address(2)), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(detours.of(&address(1)), None);
    }

    #[test]
    fn a_detour_that_leads_nowhere_is_forgotten_and_no_other() {
        let detours = Detours::default();
        let until = Instant::now() + Duration::from_secs(60);
        detours.note(address(1), address(2), until);
        detours.note(address(3), address(2), until);
        detours.forget(&address(1), &address(4));
        assert_eq!(detours.of(&address(1)), Some(address(2)));
        detours.forget(&address(1), &address(2));
        assert_eq!(detours.of(&address(1)), None);
        assert_eq!(detours.of(&address(3)), Some(address(2)));
    }

    #[test]
    fn nodes_of_a_cluster_have_their_own_detours() {
        let shared = Maintenance::default();
        let (clone, node) = (shared.clone(), shared.for_node());
        let until = Instant::now() + Duration::from_secs(60);
        shared.detours.note(address(1), address(2), until);
        assert_eq!(clone.detours.of(&address(1)), Some(address(2)));
        assert_eq!(node.detours.of(&address(1)), None);
        assert!(Arc::ptr_eq(&shared.slots_moved.0, &node.slots_moved.0));
    }
}
