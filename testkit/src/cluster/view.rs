//! What a node knows about the cluster: [`NodeView`], and waiting until all nodes know the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Cluster, Node};
use crate::error::{Error, Result};

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

/// How long nodes may take to agree, or to do what they were told. A machine that also compiles is slow.
const AGREE_WITHIN: Duration = Duration::from_secs(60);

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(10);

/// A line of CLUSTER NODES: one node, as another (or itself) knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: String,
    /// Its address, as in `127.0.0.1:7000@17000,name`.
    pub address: String,
    /// Its role and its faults: `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr`.
    pub flags: Vec<String>,
    /// The id of its primary, if it is a replica.
    pub primary: Option<String>,
    /// The epoch of its configuration.
    pub epoch: u64,
    /// The slots that it owns; slots that are being moved are left out.
    pub slots: BTreeSet<u16>,
}

impl NodeView {
    /// Whether it has a flag.
    #[must_use]
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|here| here == flag)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, address) = (words.next()?, words.next()?);
        let flags = words.next()?.split(',').map(str::to_owned).collect();
        let primary = Some(words.next()?).filter(|id| *id != "-");
        let epoch = words.nth(2)?.parse().ok()?;
        let slots = words.skip(1).filter_map(range).flatten().collect();
        Some(Self {
            id: id.to_owned(),
            address: address.to_owned(),
            flags,
            primary: primary.map(str::to_owned),
            epoch,
            slots,
        })
    }
}

/// `7` or `7-9`; `None` for `[7->-id]`, a slot that is being moved.
fn range(word: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

impl Node {
    /// What it knows about all nodes, also about itself.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn view(&self) -> Result<Vec<NodeView>> {
        let text = self.call(&["CLUSTER", "NODES"])?;
        Ok(text.lines().filter_map(NodeView::parse).collect())
    }

    /// A line of CLUSTER INFO, by its name.
    ///
    /// # Errors
    ///
    /// If it does not answer, or has no such line.
    pub fn cluster_info(&self, name: &str) -> Result<String> {
        let text = self.call(&["CLUSTER", "INFO"])?;
        let value = text.lines().find_map(|line| {
            let (here, value) = line.split_once(':')?;
            (here == name).then(|| value.trim_end().to_owned())
        });
        value.ok_or_else(|| Error::cluster(format!("CLUSTER INFO has no {name}")))
    }

    /// Whether it considers itself a replica.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn is_replica(&self) -> Result<bool> {
        let view = self.view()?;
        Ok(view
            .iter()
            .any(|node| node.is("myself") && node.is("slave")))
    }
}

impl Cluster {
    /// The primary that owns a slot, as the first node that answers knows it.
    ///
    /// # Errors
    ///
    /// If no node answers, or none owns it.
    pub fn owner_of(&self, slot: u16) -> Result<Arc<Node>> {
        for node in self
            .nodes()
            .iter()
            .filter(|node| node.server().is_running())
        {
            let owner = node
                .view()?
                .into_iter()
                .find(|node| node.slots.contains(&slot) && !node.is("fail") && !node.is("noaddr"));
            if let Some(owner) = owner {
                return self.node(&owner.id);
            }
        }
        Err(Error::cluster(format!("no node owns the slot {slot}")))
    }

    /// A primary that does not own a slot.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn other_primary(&self, slot: u16) -> Result<Arc<Node>> {
        let owner = self.owner_of(slot)?;
        let mut primaries = self.primaries()?.into_iter();
        let other = primaries.find(|node| node.id() != owner.id());
        other.ok_or_else(|| Error::cluster("there is only one primary".to_owned()))
    }

    /// The slot of a key, as a node computes it.
    ///
    /// # Errors
    ///
    /// If no node answers.
    pub fn slot_of(&self, key: &str) -> Result<u16> {
        let nodes = self.nodes();
        let node = nodes.iter().find(|node| node.server().is_running());
        let node = node.ok_or_else(|| Error::cluster("no node answers".to_owned()))?;
        let slot = node.call(&["CLUSTER", "KEYSLOT", key])?;
        slot.parse()
            .map_err(|_| Error::cluster(format!("`{slot}` is no slot")))
    }

    /// The nodes that consider themselves primaries.
    ///
    /// # Errors
    ///
    /// If a node that runs does not answer.
    pub fn primaries(&self) -> Result<Vec<Arc<Node>>> {
        self.those_that(|node| Ok(!node.is_replica()?))
    }

    /// The nodes that consider themselves replicas of this one.
    ///
    /// # Errors
    ///
    /// If a node that runs does not answer.
    pub fn replicas_of(&self, primary: &Node) -> Result<Vec<Arc<Node>>> {
        self.those_that(|node| {
            let view = node.view()?;
            Ok(view
                .iter()
                .any(|line| line.is("myself") && line.primary.as_deref() == Some(primary.id())))
        })
    }

    fn those_that(&self, belongs: impl Fn(&Node) -> Result<bool>) -> Result<Vec<Arc<Node>>> {
        let mut found = Vec::new();
        for node in self.nodes() {
            if node.server().is_running() && belongs(&node)? {
                found.push(node);
            }
        }
        Ok(found)
    }

    /// Waits until all nodes that run agree about the cluster, and every slot is served.
    ///
    /// They must agree on the owners of slots, the replicas of each primary, the nodes that clients are told about, and the newest
    /// epoch, and no node may be failing. A node that has not heard of the newest epoch takes its own for it, and the others do not
    /// believe what it says with that.
    ///
    /// # Errors
    ///
    /// If that takes longer than a minute. The error says what they disagree about.
    pub fn wait_until_agreed(&self) -> Result<()> {
        wait_for(|| self.disagreement())
    }

    /// What keeps the nodes that run from agreeing.
    fn disagreement(&self) -> Result<Option<String>> {
        let nodes: Vec<_> = self
            .nodes()
            .into_iter()
            .filter(|node| node.server().is_running())
            .collect();
        let (mut pictures, mut epochs) = (BTreeSet::new(), BTreeSet::new());
        for node in &nodes {
            let state = node.cluster_info("cluster_state")?;
            if state != "ok" {
                return Ok(Some(format!("the state of {} is {state}", node.addr())));
            }
            let view = node.view()?;
            if let Some(strange) = nodes.iter().find_map(|other| unsettled(&view, other)) {
                return Ok(Some(format!("{} sees that {strange}", node.addr())));
            }
            pictures.insert(picture(node)?);
            epochs.insert(node.cluster_info("cluster_current_epoch")?);
        }
        if pictures.len() > 1 {
            let count = pictures.len();
            return Ok(Some(format!("there are {count} pictures: {pictures:?}")));
        }
        Ok((epochs.len() > 1).then(|| format!("the newest epoch is one of {epochs:?}")))
    }
}

/// What is still wrong with a node that runs.
fn unsettled(view: &[NodeView], node: &Node) -> Option<String> {
    let Some(line) = view.iter().find(|line| line.id == node.id()) else {
        return Some(format!("{} is unknown", node.addr()));
    };
    let bad = ["fail", "fail?", "handshake", "noaddr"];
    let bad = bad.into_iter().find(|flag| line.is(flag))?;
    Some(format!("{} is {bad}", node.addr()))
}

/// Ranges of slots and their nodes as clients are told, in an order that does not matter.
fn picture(node: &Node) -> Result<BTreeSet<String>> {
    let slots = node.reply(&["CLUSTER", "SLOTS"])?;
    Ok(slots.items().iter().map(entry).collect())
}

/// One entry of CLUSTER SLOTS, its replicas in an order that does not matter.
fn entry(entry: &crate::raw::Reply) -> String {
    // A node that does not know its own address leaves it out, the others name it: the ids say enough.
    let id =
        |node: &crate::raw::Reply| format!("{:?}{:?}", node.items().get(1), node.items().get(2));
    let (head, replicas) = entry.items().split_at_checked(3).unwrap_or_default();
    let replicas: BTreeSet<String> = replicas.iter().map(id).collect();
    let owner = head.get(2).map(id);
    format!("{:?} {owner:?} {replicas:?}", head.get(..2))
}

/// Asks again and again until nothing is in the way any more.
///
/// The check may fail for a while, as when a node restarts: when the time is up, the last failure is the error.
pub(super) fn wait_for(mut obstacle: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    let end = Instant::now() + AGREE_WITHIN;
    loop {
        let last = match obstacle() {
            Ok(None) => return Ok(()),
            Ok(Some(obstacle)) => obstacle,
            Err(error) => error.to_string(),
        };
        if Instant::now() > end {
            return Err(Error::cluster(format!(
                "after {} s still: {last}",
                AGREE_WITHIN.as_secs()
            )));
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::NodeView;

    #[test]
    fn a_line_of_cluster_nodes_is_read() {
        let line = "ab 127.0.0.1:7000@17000,name myself,master - 0 17 3 connected 1 4-6 [5->-cd]";
        let view = NodeView::parse(line).unwrap();
        assert_eq!((view.id.as_str(), view.epoch), ("ab", 3));
        assert!(view.is("myself") && !view.is("slave"));
        assert_eq!(view.slots, [1, 4, 5, 6].into());
        let line = "cd :0@0 slave,noaddr ab 0 0 3 disconnected";
        assert_eq!(
            NodeView::parse(line).unwrap().primary.as_deref(),
            Some("ab")
        );
    }
}
