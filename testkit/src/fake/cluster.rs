//! A cluster of scripted nodes: [`FakeCluster`], for what real nodes do only by chance.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Fake, Peer, Words};

/// Nodes on free ports of 127.0.0.1 that share a map of slots. Dropping it closes their connections.
///
/// Each command goes to the script first. A command that it does not answer gets the usual answer: HELLO, CLUSTER
/// SLOTS and CLUSTER INFO from the map, anything else with `+OK`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use typedis_testkit::fake::{Answer, FakeCluster};
///
/// let cluster = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
///     "GET" if asked.node == 0 => Answer::moved(12_182, asked.addr(1)),
///     "GET" => Answer::Reply(b"$3\r\nbar\r\n".to_vec()),
///     _ => Answer::Usual,
/// })
/// .await?;
/// cluster.assign(12_182..=12_182, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeCluster {
    nodes: Vec<Fake>,
    shared: Arc<Mutex<Map>>,
}

/// A command that came in.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The node that it came to.
    pub node: usize,
    /// Which of the node's connections it came over.
    pub connection: usize,
    /// Whether ASKING came right before.
    pub asking: bool,
    /// The command.
    pub command: &'a Words,
    addresses: &'a [SocketAddr],
}

impl Asked<'_> {
    /// The address of a node.
    ///
    /// # Panics
    ///
    /// If there is no such node: the script fails.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a wrong number fails the test")]
    pub fn addr(&self, node: usize) -> SocketAddr {
        self.addresses[node]
    }
}

/// What a node does with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Sends these bytes.
    Reply(Vec<u8>),
    /// Answers as a node would.
    Usual,
    /// Says nothing, now or later, and goes on with the next command.
    Silence,
    /// Closes the connection.
    Close,
}

impl Answer {
    /// An error, without the leading `-`.
    #[must_use]
    pub fn error(text: impl std::fmt::Display) -> Self {
        Self::Reply(format!("-{text}\r\n").into_bytes())
    }

    /// MOVED: another node owns the slot.
    #[must_use]
    pub fn moved(slot: u16, to: SocketAddr) -> Self {
        Self::error(format_args!("MOVED {slot} {to}"))
    }

    /// ASK: for now, the key is on another node.
    #[must_use]
    pub fn ask(slot: u16, to: SocketAddr) -> Self {
        Self::error(format_args!("ASK {slot} {to}"))
    }
}

/// What the nodes say about the cluster.
#[derive(Debug, Default)]
struct Map {
    addresses: Vec<SocketAddr>,
    owners: Vec<Option<usize>>,
    replicas: BTreeMap<usize, Vec<usize>>,
    /// What a node says instead of the map.
    told_by: BTreeMap<usize, Vec<u8>>,
    epochs: BTreeMap<usize, u64>,
}

impl FakeCluster {
    /// Starts nodes that share all slots evenly, and answer by this script.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(
        nodes: usize,
        script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let script = Arc::new(script);
        let shared = Arc::new(Mutex::new(Map {
            owners: (0..16_384)
                .map(|slot| Some(slot * nodes / 16_384))
                .collect(),
            ..Map::default()
        }));
        let mut fakes = Vec::with_capacity(nodes);
        for node in 0..nodes {
            let (script, shared) = (Arc::clone(&script), Arc::clone(&shared));
            let fake = Fake::start(move |peer| {
                let (script, shared) = (Arc::clone(&script), Arc::clone(&shared));
                async move { serve(node, peer, &*script, &shared).await }
            });
            fakes.push(fake.await?);
        }
        lock(&shared).addresses = fakes.iter().map(Fake::addr).collect();
        Ok(Self {
            nodes: fakes,
            shared,
        })
    }

    /// A node, with the commands that it received and the number of connections.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a wrong number fails the test")]
    pub fn node(&self, node: usize) -> &Fake {
        &self.nodes[node]
    }

    /// A URL that names only the first node.
    #[must_use]
    pub fn url(&self) -> String {
        self.nodes
            .first()
            .map(|node| format!("redis-cluster://{}", node.addr()))
            .unwrap_or_default()
    }

    /// Gives slots to a node, in the map that all nodes report.
    pub fn assign(&self, slots: RangeInclusive<u16>, node: usize) {
        self.set(slots, Some(node));
    }

    /// Takes slots from the map.
    pub fn unassign(&self, slots: RangeInclusive<u16>) {
        self.set(slots, None);
    }

    fn set(&self, slots: RangeInclusive<u16>, node: Option<usize>) {
        let mut map = lock(&self.shared);
        for slot in slots {
            if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
                *owner = node;
            }
        }
    }

    /// Names the replicas of a node.
    pub fn set_replicas(&self, node: usize, replicas: &[usize]) {
        lock(&self.shared).replicas.insert(node, replicas.to_vec());
    }

    /// Makes a node answer CLUSTER SLOTS with these bytes instead of the map.
    pub fn tell(&self, node: usize, slots: impl Into<Vec<u8>>) {
        lock(&self.shared).told_by.insert(node, slots.into());
    }

    /// Makes a node go on telling the present map when it changes.
    pub fn keep_telling(&self, node: usize) {
        let mut map = lock(&self.shared);
        let present = map.slots().into_bytes();
        map.told_by.insert(node, present);
    }

    /// The epoch that a node says the cluster is at; 1 if this is not called.
    pub fn set_epoch(&self, node: usize, epoch: u64) {
        lock(&self.shared).epochs.insert(node, epoch);
    }

    /// How often a node was sent a command with this name, over all connections.
    #[must_use]
    pub fn count(&self, node: usize, name: &str) -> usize {
        let fake = self.node(node);
        let connections = (0..fake.connections()).flat_map(|number| fake.received(number));
        connections.filter(|words| words.name() == name).count()
    }

    /// Stops listening and returns an error if a script failed.
    ///
    /// # Errors
    ///
    /// The first failure of a script.
    pub async fn finish(self) -> io::Result<()> {
        for node in self.nodes {
            node.finish().await?;
        }
        Ok(())
    }
}

async fn serve(
    node: usize,
    mut peer: Peer,
    script: &(impl Fn(&Asked<'_>) -> Answer + Sync),
    shared: &Mutex<Map>,
) -> io::Result<()> {
    let addresses = lock(shared).addresses.clone();
    let mut asking = false;
    while let Some(command) = peer.command().await? {
        let answer = script(&Asked {
            node,
            connection: peer.number(),
            asking,
            command: &command,
            addresses: &addresses,
        });
        asking = command.name() == "ASKING";
        match answer {
            Answer::Reply(bytes) => peer.send(bytes).await?,
            Answer::Usual => {
                let bytes = usual(node, &command, shared);
                peer.send(bytes).await?;
            }
            Answer::Silence => {}
            Answer::Close => return Ok(()),
        }
    }
    Ok(())
}

/// What a node of a cluster answers.
fn usual(node: usize, command: &Words, shared: &Mutex<Map>) -> Vec<u8> {
    let map = lock(shared);
    match (command.name().as_str(), command.text(1).to_ascii_uppercase().as_str()) {
        ("HELLO", "3") => b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$4\r\nmode\r\n$7\r\ncluster\r\n".to_vec(),
        ("CLUSTER", "SLOTS") => match map.told_by.get(&node) {
            Some(told) => told.clone(),
            None => map.slots().into_bytes(),
        },
        ("CLUSTER", "INFO") => {
            let epoch = map.epochs.get(&node).copied().unwrap_or(1);
            let text = format!("cluster_enabled:1\r\ncluster_state:ok\r\ncluster_current_epoch:{epoch}\r\n");
            format!("${}\r\n{text}\r\n", text.len()).into_bytes()
        }
        _ => b"+OK\r\n".to_vec(),
    }
}

impl Map {
    /// The reply to CLUSTER SLOTS.
    fn slots(&self) -> String {
        let mut entries = Vec::new();
        for (slot, owner) in self.owners.iter().enumerate() {
            match (entries.last_mut(), owner) {
                (Some((_, last, before)), Some(owner))
                    if *before == *owner && *last + 1 == slot =>
                {
                    *last = slot;
                }
                (_, Some(owner)) => entries.push((slot, slot, *owner)),
                (_, None) => {}
            }
        }
        let mut text = format!("*{}\r\n", entries.len());
        for (first, last, owner) in entries {
            let replicas = self.replicas.get(&owner).map_or(&[][..], Vec::as_slice);
            // Writing to a string does not fail.
            let _ = write!(text, "*{}\r\n:{first}\r\n:{last}\r\n", 3 + replicas.len());
            for node in std::iter::once(&owner).chain(replicas) {
                self.write_node(*node, &mut text);
            }
        }
        text
    }

    fn write_node(&self, node: usize, text: &mut String) {
        let Some(address) = self.addresses.get(node) else {
            return;
        };
        let (host, port) = (address.ip().to_string(), address.port());
        let _ = write!(
            text,
            "*4\r\n${}\r\n{host}\r\n:{port}\r\n$40\r\n{node:040x}\r\n*0\r\n",
            host.len()
        );
    }
}

// A panic of a script does not make the map unusable.
fn lock(shared: &Mutex<Map>) -> MutexGuard<'_, Map> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
