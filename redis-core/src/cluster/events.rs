//! What happens to a cluster, as its map shows it: [`ClusterEvents`].

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::topology::{ClusterNode, Topology};
use crate::command::SLOTS;
use crate::config::Address;
use crate::runtime::Lock;

/// How many events are kept for a reader that does not read.
const KEPT: usize = 256;

/// Something that happened to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A node has joined: a primary with slots, or a replica.
    NodeJoined(Address),
    /// A node has left, or is not named any more because it failed.
    NodeLeft(Address),
    /// A replica has taken over the slots of its primary.
    FailedOver {
        /// The primary before.
        from: Address,
        /// The primary now.
        to: Address,
    },
    /// Slots have moved to another shard.
    SlotsMoved {
        /// Which ones.
        slots: Vec<RangeInclusive<u16>>,
        /// Their owner before; `None` if no node owned them.
        from: Option<Address>,
        /// Their owner now; `None` if no node owns them.
        to: Option<Address>,
    },
    /// This many events were missed, because they were not read in time.
    Lagged(u64),
}

impl fmt::Display for ClusterEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |owner: &Option<Address>| match owner {
            Some(address) => address.to_string(),
            None => "no node".to_owned(),
        };
        match self {
            Self::NodeJoined(address) => write!(f, "{address} has joined"),
            Self::NodeLeft(address) => write!(f, "{address} has left"),
            Self::FailedOver { from, to } => write!(f, "{to} has taken over from {from}"),
            Self::SlotsMoved { slots, from, to } => {
                let count: usize = slots.iter().map(ExactSizeIterator::len).sum();
                write!(
                    f,
                    "{count} slots have moved from {} to {}",
                    name(from),
                    name(to)
                )
            }
            Self::Lagged(count) => write!(f, "{count} events were missed"),
        }
    }
}

/// A stream of what happens to a cluster. It ends with the last handle, or when the cluster is closed.
///
/// You need not read it: 256 events are kept, and then [`ClusterEvent::Lagged`] says how many were missed.
#[derive(Debug)]
pub struct ClusterEvents {
    events: mpsc::Receiver<ClusterEvent>,
    missed: Arc<AtomicU64>,
}

impl ClusterEvents {
    /// The next event; `None` once the last handle is gone, or the cluster was closed.
    pub async fn next(&mut self) -> Option<ClusterEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ClusterEvents {
    type Item = ClusterEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClusterEvent>> {
        if let Ok(event) = self.events.try_recv() {
            return Poll::Ready(Some(event));
        }
        // What was missed came after all that was kept.
        match self.missed.swap(0, Ordering::AcqRel) {
            0 => self.events.poll_recv(cx),
            missed => Poll::Ready(Some(ClusterEvent::Lagged(missed))),
        }
    }
}

/// Those who read what happens.
#[derive(Debug, Default)]
pub(super) struct Readers(Lock<State>);

#[derive(Debug, Default)]
struct State {
    readers: Vec<Reader>,
    is_over: bool,
}

#[derive(Debug)]
struct Reader {
    events: mpsc::Sender<ClusterEvent>,
    missed: Arc<AtomicU64>,
}

impl Readers {
    /// A reader of what happens from now on.
    pub(super) fn add(&self) -> ClusterEvents {
        let (events, receiver) = mpsc::channel(KEPT);
        let missed = Arc::new(AtomicU64::new(0));
        let mut state = self.0.lock();
        if !state.is_over {
            state.readers.push(Reader {
                events,
                missed: missed.clone(),
            });
        }
        drop(state);
        ClusterEvents {
            events: receiver,
            missed,
        }
    }

    /// Nothing happens any more.
    pub(super) fn end(&self) {
        let mut state = self.0.lock();
        state.is_over = true;
        state.readers.clear();
    }

    /// Tells what is different in a new topology. It costs nothing without readers.
    pub(super) fn tell(&self, before: &Topology, after: &Topology) {
        let readers = &mut self.0.lock().readers;
        readers.retain(|reader| !reader.events.is_closed());
        if readers.is_empty() {
            return;
        }
        for event in differences(before, after) {
            for reader in readers.iter() {
                if reader.events.try_send(event.clone()).is_err() {
                    reader.missed.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
    }
}

/// What happened between two topologies.
fn differences(before: &Topology, after: &Topology) -> Vec<ClusterEvent> {
    let is_in = |topology: &Topology, address: &Address| {
        let mut nodes = topology.nodes().iter();
        nodes.any(|node| node.address == *address)
    };
    let joined = after.nodes().iter().map(|node| &node.address);
    let joined = joined.filter(|address| !is_in(before, address));
    let mut events: Vec<ClusterEvent> = joined.cloned().map(ClusterEvent::NodeJoined).collect();
    let mut moved: BTreeMap<(Option<String>, Option<String>), Move<'_>> = BTreeMap::new();
    for slot in 0..SLOTS {
        let (from, to) = (before.primary_of(slot), after.primary_of(slot));
        let name = |node: Option<&ClusterNode>| node.map(|node| node.address.to_string());
        if from.map(|node| &node.address) != to.map(|node| &node.address) {
            let new = || Move::new(from, to);
            let known = moved.entry((name(from), name(to))).or_insert_with(new);
            known.add(slot);
        }
    }
    events.extend(moved.into_values().map(|moved| moved.event(before)));
    let left = before.nodes().iter().map(|node| &node.address);
    let left = left.filter(|address| !is_in(after, address));
    events.extend(left.cloned().map(ClusterEvent::NodeLeft));
    events
}

/// Slots that went from one node to another.
struct Move<'a> {
    from: Option<&'a ClusterNode>,
    to: Option<&'a ClusterNode>,
    slots: Vec<RangeInclusive<u16>>,
}

impl<'a> Move<'a> {
    fn new(from: Option<&'a ClusterNode>, to: Option<&'a ClusterNode>) -> Self {
        Self {
            from,
            to,
            slots: Vec::new(),
        }
    }

    fn add(&mut self, slot: u16) {
        match self.slots.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(slot) => *last = *last.start()..=slot,
            _ => self.slots.push(slot..=slot),
        }
    }

    /// What it means: a replica of the owner before has taken over, or slots were moved.
    fn event(self, before: &Topology) -> ClusterEvent {
        let first = self.slots.first().map(|slots| *slots.start());
        let was_replica = |to: &ClusterNode| {
            let mut replicas = first.into_iter().flat_map(|slot| before.replicas_of(slot));
            replicas.any(|replica| replica.address == to.address)
        };
        match (self.from, self.to) {
            (Some(from), Some(to)) if was_replica(to) => ClusterEvent::FailedOver {
                from: from.address.clone(),
                to: to.address.clone(),
            },
            (from, to) => ClusterEvent::SlotsMoved {
                slots: self.slots,
                from: from.map(|node| node.address.clone()),
                to: to.map(|node| node.address.clone()),
            },
        }
    }
}
