//! What is heard of the server of a link: that it lost its role, or will be away for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::Link;
use crate::config::Follow;
use crate::engine::events::ConnectionEvent;
use crate::engine::inflight::Order;
use crate::engine::maintenance::{Maintenance, Notice, Relaxation};

/// A socket to a demoted server is replaced at most once in this time.
const RENEWAL_WINDOW: Duration = Duration::from_secs(1);

impl Link {
    /// Whether the node lost the role for which it was chosen, and this link has no other node.
    pub(crate) fn was_left(&self) -> bool {
        self.queue.lock().left_since.is_some()
    }

    /// READONLY says that this server was demoted; its name may lead to another server now. Connects again and
    /// resolves the name again, unless that was done a moment ago. A socket that cannot reconnect is not lent again.
    pub(crate) fn suspect_replica(&self) {
        self.queue.lock().demoted = true;
        let mut renewed = self.renewed.lock();
        if self.config.reconnect && renewed.is_none_or(|last| last.elapsed() >= RENEWAL_WINDOW) {
            *renewed = Some(Instant::now());
            self.order(Order::Renew);
        }
    }

    /// A slot is on another node. Where redirects are followed, the map is corrected then; here the cluster asks for it again.
    pub(crate) fn suspect_map(&self) {
        if !self.config.routed {
            self.config.maintenance.slots_moved.0.notify_one();
        }
    }

    /// Takes what the server announces. Returns how long limits of time are longer; `None` if this is known already.
    pub(crate) fn note_maintenance(&self, notice: Notice, now: Instant) -> Option<Relaxation> {
        let relaxation =
            self.operations
                .lock()
                .note(&notice, now, self.config.maintenance.extra_time)?;
        let moves = matches!(notice.content, Maintenance::Moving { .. });
        let mut queue = self.queue.lock();
        queue.relaxation = Some(relaxation);
        // A socket that does not reconnect is not lent again.
        queue.demoted |= moves && !self.config.reconnect;
        drop(queue);
        let slots_moved = matches!(notice.content, Maintenance::SlotsMigrated { .. });
        if slots_moved || (moves && self.config.routed) {
            self.config.maintenance.slots_moved.0.notify_one();
        }
        self.announce(ConnectionEvent::Maintenance(notice.content));
        Some(relaxation)
    }

    /// A new socket is about to be used: what was announced on the last one is over.
    pub(crate) fn forget_maintenance(&self) {
        let extra = self.config.maintenance.extra_time;
        let relaxation = self.operations.lock().connected(Instant::now(), extra);
        if relaxation.is_some() {
            self.queue.lock().relaxation = relaxation;
        }
    }

    /// Set while announced maintenance makes limits of time longer.
    pub(crate) fn relaxation(&self) -> Option<Relaxation> {
        self.queue.lock().relaxation
    }
}

impl Follow for Link {
    /// The node may hang, so the wait for its replies is limited. Then the socket is lost, and another one is made,
    /// unless this link does not reconnect.
    fn leave_node(&self) {
        let mut queue = self.queue.lock();
        queue.demoted = true;
        queue.left_since.get_or_insert_with(Instant::now);
        let driver = queue.take_driver();
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
