//! What a node says of itself at one moment: [`Snapshot`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot_set::SlotSet;
use crate::cluster::nodes::Node;
use crate::cluster::redirect::named;
use crate::cluster::refresh::is_no_cluster;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::config::Address;
use crate::error::{Error, Result};
use crate::reply::Frame;

static CLUSTER_NODES: CommandInfo = command_info!("CLUSTER NODES").readonly();
static INFO_SERVER: CommandInfo = command_info!("INFO SERVER").readonly();

/// The slots of a node, as it knows them itself, and which process it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Its id; empty on a server that is in no cluster.
    pub(super) id: String,
    /// The id of its process: after a restart, cursors of an earlier process lead nowhere.
    pub(super) run: String,
    /// Whether its cursors go from slot to slot, and hold the slot in their lowest 14 bits.
    pub(super) ordered: bool,
    /// The epoch of its slots, which grows whenever it gets one.
    pub(super) epoch: u64,
    /// The slots that it owns and is not giving away.
    pub(super) own: Option<SlotSet>,
    /// The slots that it is giving away, key by key, with the ids of those who get them.
    pub(super) leaving: BTreeMap<u16, String>,
    /// The addresses of the other nodes, by their ids.
    others: BTreeMap<String, Address>,
    /// The slots that it is getting, key by key, with the ids of those who give them.
    pub(super) arriving: BTreeMap<u16, String>,
}

impl Snapshot {
    /// Asks a node.
    pub(super) async fn of(node: &Arc<Node>) -> Result<Self> {
        // Both are sent in one write.
        let nodes = node.once(Args::lease(&CLUSTER_NODES, Keys::Ignored));
        let info = node.once(Args::lease(&INFO_SERVER, Keys::Ignored));
        let nodes = nodes.frame().await?;
        let info = text(&info.frame().await?)?;
        let mut snapshot = match nodes.reply().error() {
            Some(error) if is_no_cluster(error.message()) => Self::alone(),
            Some(error) => return Err(Error::refused(error)),
            None => Self::read(&text(&nodes)?).ok_or_else(|| strange("CLUSTER NODES"))?,
        };
        snapshot.run = line(&info, "run_id:").unwrap_or_default().to_owned();
        snapshot.ordered = !snapshot.id.is_empty() && is_ordered(&info);
        Ok(snapshot)
    }

    /// A server that is in no cluster.
    fn alone() -> Self {
        Self {
            own: Some(SlotSet::all()),
            ..Self::default()
        }
    }

    /// Reads what a node says of itself in CLUSTER NODES.
    fn read(nodes: &str) -> Option<Self> {
        let myself = |line: &&str| {
            let flags = line.split(' ').nth(2).unwrap_or_default();
            flags.split(',').any(|flag| flag == "myself")
        };
        let mut words = nodes.lines().find(myself)?.split(' ');
        let id = words.next()?.to_owned();
        let epoch = words.nth(5)?.parse().ok()?;
        let mut snapshot = Self {
            id,
            epoch,
            ..Self::default()
        };
        let mut own = SlotSet::new();
        for word in words.skip(1) {
            snapshot.add(word, &mut own)?;
        }
        let leaving = &snapshot.leaving;
        own.retain(|slot| !leaving.contains_key(&slot));
        snapshot.own = Some(own);
        if !snapshot.leaving.is_empty() {
            snapshot.others = nodes.lines().filter_map(address).collect();
        }
        Some(snapshot)
    }

    /// Reads `7`, `7-9`, `[7->-id]` or `[7-<-id]`.
    fn add(&mut self, word: &str, own: &mut SlotSet) -> Option<()> {
        let Some(open) = word
            .strip_prefix('[')
            .and_then(|word| word.strip_suffix(']'))
        else {
            let range: SlotSet = word.parse().ok()?;
            range.iter().for_each(|slot| own.insert(slot));
            return Some(());
        };
        if let Some((slot, to)) = open.split_once("->-") {
            self.leaving.insert(slot.parse().ok()?, to.to_owned());
        } else if let Some((slot, from)) = open.split_once("-<-") {
            self.arriving.insert(slot.parse().ok()?, from.to_owned());
        }
        Some(())
    }

    /// Where the node is that a slot is being given to.
    pub(super) fn target(&self, slot: u16) -> Option<Address> {
        self.others.get(self.leaving.get(&slot)?).cloned()
    }

    /// Whether it owns a slot and is not giving it away.
    pub(super) fn owns(&self, slot: u16) -> bool {
        self.own.as_ref().is_some_and(|own| own.has(slot))
    }
}

/// The id and the address of a node, from its line in CLUSTER NODES.
fn address(line: &str) -> Option<(String, Address)> {
    let mut words = line.split(' ');
    let id = words.next()?.to_owned();
    let (client, _) = words.next()?.split_once('@')?;
    let (host, port) = client.rsplit_once(':')?;
    Some((
        id,
        Address::Tcp(named(host)?.to_owned(), port.parse().ok()?),
    ))
}

fn text(frame: &Frame) -> Result<String> {
    frame.clone().decode()
}

fn strange(command: &str) -> Error {
    Error::protocol(format!(
        "a node answered {command} in another form than nodes do"
    ))
}

/// The value of a line of INFO.
fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

/// Whether SCAN goes from slot to slot. That was seen on Redis 8.2 and 8.10, Valkey 8.1 and 9.1, and not on Redis 6.2 and
/// 7.0.
fn is_ordered(info: &str) -> bool {
    let version = line(info, "valkey_version:").or_else(|| line(info, "redis_version:"));
    let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= 8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_node_tells_of_its_slots_and_of_those_that_are_on_their_way() {
        let text = "ab 127.0.0.1:1@2 master - 0 0 9 connected 5000-16383\n\
                    cd 127.0.0.1:3@4,name myself,master - 0 0 7 connected 0-9 11 [5->-ab] [12-<-ab]\n";
        let snapshot = Snapshot::read(text).unwrap();
        assert_eq!((snapshot.id.as_str(), snapshot.epoch), ("cd", 7));
        assert_eq!(snapshot.own.clone().unwrap().to_string(), "0-4,6-9,11");
        assert!(snapshot.owns(4) && !snapshot.owns(5) && !snapshot.owns(5_000));
        assert_eq!(snapshot.leaving, BTreeMap::from([(5, "ab".to_owned())]));
        let target = snapshot.target(5).unwrap().to_string();
        assert_eq!(target, "127.0.0.1:1");
        assert_eq!(snapshot.arriving, BTreeMap::from([(12, "ab".to_owned())]));
    }

    #[test]
    fn the_order_of_cursors_follows_from_the_version() {
        let info = |text: &str| is_ordered(text);
        assert!(info(
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n"
        ));
        assert!(info("redis_version:8.2.3\r\n"));
        assert!(!info("redis_version:7.0.15\r\n"));
        assert!(!info("redis_version:6.2.5\r\n"));
        assert!(!info("something:else\r\n"));
    }
}
