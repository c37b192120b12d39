//! What a node says of itself at one moment: [`Snapshot`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slot_set::SlotSet;
use crate::cluster::nodes::Node;
use crate::cluster::redirect::named;
use crate::cluster::refresh::is_no_cluster;
use crate::cluster::topology::ClusterNode;
use crate::command::{Args, CommandInfo, Keys, command_info};
use crate::config::{Address, Config};
use crate::error::{Error, Result};
use crate::reply::Frame;

static CLUSTER_NODES: CommandInfo = command_info!("CLUSTER NODES").readonly();
pub(super) static INFO_SERVER: CommandInfo = command_info!("INFO SERVER").readonly();

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
    /// The names of all nodes, by their ids, if it is giving slots away.
    names: BTreeMap<String, Names>,
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
        snapshot.run = run_of(&info).unwrap_or_default();
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
            snapshot.names = nodes.lines().filter_map(names).collect();
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

    /// The address of another node, named in the way in which the cluster names this one to clients. This one is at `asked`;
    /// `known` is its place in the map.
    pub(super) fn address_of(
        &self,
        id: &str,
        asked: &Address,
        known: Option<&ClusterNode>,
        config: &Config,
    ) -> Option<Address> {
        let (own, other) = (self.names.get(&self.id), self.names.get(id)?);
        let is_asked = |host: Option<&String>| {
            let told = host.zip(own);
            let told = told.map(|(host, own)| Address::Tcp(host.clone(), own.port));
            told.is_some_and(|told| config.mapped(told) == *asked)
        };
        let is_told = |name: fn(&ClusterNode) -> Option<&String>| known.and_then(name).is_some();
        let is_named = |name: fn(&Names) -> Option<&String>| is_asked(own.and_then(name));
        let hostname = other.hostname.as_deref().or(other.ip.as_deref());
        // The map has beside the address what is not in it.
        let beside = (
            is_told(|known| known.ip.as_ref()),
            is_told(|known| known.hostname.as_ref()),
        );
        let host = match beside {
            (_, false) if is_named(|own| own.hostname.as_ref()) => hostname,
            (false, _) => other.ip.as_deref(),
            // Host names are preferred, and this node has none.
            (true, false) if is_named(|own| own.ip.as_ref()) => hostname,
            // No host is told: that of the node that was asked is meant.
            (true, _) => asked.host(),
        };
        Some(config.mapped(Address::Tcp(host?.to_owned(), other.port)))
    }

    /// Whether it owns a slot and is not giving it away.
    pub(super) fn owns(&self, slot: u16) -> bool {
        self.own.as_ref().is_some_and(|own| own.has(slot))
    }
}

/// What a node is called in CLUSTER NODES.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    ip: Option<String>,
    hostname: Option<String>,
    port: u16,
}

/// The id and the names of a node, from its line in CLUSTER NODES, which begins with `id ip:port@bus,hostname`. Redis 6.2 has no
/// host names.
fn names(line: &str) -> Option<(String, Names)> {
    let mut words = line.split(' ');
    let id = words.next()?.to_owned();
    let (client, rest) = words.next()?.split_once('@')?;
    let (ip, port) = client.rsplit_once(':')?;
    let hostname = rest.split(',').nth(1).and_then(named);
    let names = Names {
        ip: named(ip).map(str::to_owned),
        hostname: hostname.map(str::to_owned),
        port: port.parse().ok()?,
    };
    Some((id, names))
}

pub(super) fn text(frame: &Frame) -> Result<String> {
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

/// The id of the process that said this of itself in INFO.
pub(super) fn run_of(info: &str) -> Option<String> {
    line(info, "run_id:").map(str::to_owned)
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
    use crate::cluster::topology::Topology;

    #[test]
    fn a_node_tells_of_its_slots_and_of_those_that_are_on_their_way() {
        let text = "ab 127.0.0.1:1@2 master - 0 0 9 connected 5000-16383\n\
                    cd 127.0.0.1:3@4,name myself,master - 0 0 7 connected 0-9 11 [5->-ab] [12-<-ab]\n";
        let snapshot = Snapshot::read(text).unwrap();
        assert_eq!((snapshot.id.as_str(), snapshot.epoch), ("cd", 7));
        assert_eq!(snapshot.own.clone().unwrap().to_string(), "0-4,6-9,11");
        assert!(snapshot.owns(4) && !snapshot.owns(5) && !snapshot.owns(5_000));
        assert_eq!(snapshot.leaving, BTreeMap::from([(5, "ab".to_owned())]));
        let (asked, config) = (
            Address::Tcp("127.0.0.1".to_owned(), 3),
            Config::tcp("seed", 1),
        );
        let target = snapshot.address_of("ab", &asked, None, &config).unwrap();
        assert_eq!(target.to_string(), "127.0.0.1:1");
        assert_eq!(snapshot.arriving, BTreeMap::from([(12, "ab".to_owned())]));
    }

    /// The address of a node that the map does not have, if the map has this of the node that was asked.
    fn target(own: &str, other: &str, host: &str, beside: &[(&str, &str)]) -> String {
        let text = format!(
            "ab {other} master - 0 0 9 connected\n\
                            cd {own} myself,master - 0 0 7 connected 0-9 [5->-ab]\n"
        );
        let beside = beside.iter().map(|(name, value)| {
            format!(
                "${}\r\n{name}\r\n${}\r\n{value}\r\n",
                name.len(),
                value.len()
            )
        });
        let beside: Vec<String> = beside.collect();
        let (length, count, beside) = (host.len(), 2 * beside.len(), beside.concat());
        let slots = format!(
            "*1\r\n*3\r\n:0\r\n:9\r\n*4\r\n${length}\r\n{host}\r\n:1\r\n$2\r\ncd\r\n*{count}\r\n{beside}"
        );
        let asked = Address::Tcp(host.to_owned(), 1);
        let frame = Frame::from_scanned(bytes::Bytes::from(slots));
        let topology = Topology::from_slots(frame.reply(), 1, &asked, &|told| told).unwrap();
        let snapshot = Snapshot::read(&text).unwrap();
        let config = Config::tcp("seed", 1);
        let found = snapshot.address_of("ab", &asked, topology.nodes().first(), &config);
        found.unwrap().to_string()
    }

    #[test]
    fn a_node_that_the_map_does_not_have_is_named_as_the_cluster_names_the_others() {
        let (own, other) = ("10.0.0.1:1@2,own.example", "10.0.0.2:3@4,other.example");
        let (ip, hostname) = (("ip", "10.0.0.1"), ("hostname", "own.example"));
        // By IP addresses, also where the node sees another address of its own than others do.
        assert_eq!(target(own, other, "10.0.0.1", &[hostname]), "10.0.0.2:3");
        assert_eq!(target(own, other, "10.1.1.1", &[hostname]), "10.0.0.2:3");
        assert_eq!(
            target(":1@2", "10.0.0.2:3@4", "10.0.0.1", &[]),
            "10.0.0.2:3"
        );
        // By host names, which not all nodes have.
        assert_eq!(target(own, other, "own.example", &[ip]), "other.example:3");
        assert_eq!(
            target(own, "10.0.0.2:3@4", "own.example", &[ip]),
            "10.0.0.2:3"
        );
        assert_eq!(
            target("10.0.0.1:1@2", other, "10.0.0.1", &[ip]),
            "other.example:3"
        );
        // By none: all are behind the same host.
        assert_eq!(target(own, other, "gateway", &[ip, hostname]), "gateway:3");
        assert_eq!(
            target("10.0.0.1:1@2", "10.0.0.2:3@4", "gateway", &[ip]),
            "gateway:3"
        );
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
