//! The clients, the workloads, and the goals for typedis.
//!
//! # Layout
//!
//! - this file: the types of a client and a workload
//! - `list`: the workloads
//! - `choice`: which of them to run

mod choice;
mod list;

pub(super) use choice::{Choice, choose};
pub(super) use list::workloads;

/// The client of this project.
pub(super) const TYPEDIS: Client = client("typedis", "typedis");

/// The same program on one node, with batches as large as those that each node of the cluster gets.
pub(super) const ONE_NODE: Client = Client {
    program: TYPEDIS.program,
    ..client("one-node", "typedis, one node")
};

/// No client at all.
pub(super) const FLOOR: Client = client("floor", "floor");

/// The most CPU time of typedis on a cluster, as a multiple of what it takes on one node.
pub(super) const ONE_NODE_BAR: f64 = 1.25;

/// The number of nodes of the cluster.
const NODES: usize = 3;

/// The clients, in the order in which they take turns.
pub(super) const CLIENTS: [Client; 8] = [
    TYPEDIS,
    ONE_NODE,
    client("redis2", "redis 2.0.0-rc.2"),
    client("rustis", "rustis 0.27.2"),
    client("fred", "fred 10.1"),
    client("redis1", "redis 1.8"),
    client("glide", "valkey-glide 0.9"),
    FLOOR,
];

/// A program of `benches/peers`, and what it is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// Its name on the command line and in the results.
    pub(super) id: &'static str,
    /// Its package there is `peer-<program>`.
    pub(super) program: &'static str,
    pub(super) title: &'static str,
}

const fn client(id: &'static str, title: &'static str) -> Client {
    Client {
        id,
        program: id,
        title,
    }
}

impl Client {
    /// Whether typedis is compared with it.
    pub(super) fn is_peer(self) -> bool {
        ![TYPEDIS, ONE_NODE, FLOOR].contains(&self)
    }

    /// Whether it runs this workload. One node is compared with a cluster only.
    pub(super) fn has(self, workload: Workload) -> bool {
        self != ONE_NODE || workload.via == Via::Cluster
    }

    /// What is between it and the server in this workload.
    pub(super) fn via(self, workload: Workload) -> Via {
        if self == ONE_NODE {
            Via::Direct
        } else {
            workload.via
        }
    }

    /// Its parameter of a workload whose parameter is `size`.
    pub(super) fn size(self, size: usize) -> usize {
        if self == ONE_NODE {
            (size / NODES).max(1)
        } else {
            size
        }
    }
}

/// What a program runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    /// Its name in the programs.
    pub(super) name: &'static str,
    /// Its parameter.
    pub(super) size: usize,
    /// Its parameter in a quick run.
    pub(super) quick_size: usize,
    pub(super) title: &'static str,
    pub(super) group: Group,
    /// Whether it also runs on a runtime of two threads.
    pub(super) threads: Threads,
    pub(super) via: Via,
    /// The most CPU time of typedis, as a share of the best peer's.
    pub(super) bar: Option<f64>,
    /// The same on a runtime of two threads, where it differs.
    pub(super) bar_on_two: Option<f64>,
    /// The most CPU time of typedis, as a multiple of the floor's.
    pub(super) floor_bar: Option<f64>,
    /// It takes seconds: it is left out of quick runs, and done less often.
    pub(super) is_long: bool,
    /// The CPU time is given for each element of a reply.
    pub(super) is_per_element: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    Both,
}

/// What is between a client and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// TCP alone.
    Direct,
    /// A relay that passes replies on in pieces of 16 KiB.
    Chunks,
    Tls,
    /// A cluster of three nodes.
    Cluster,
}

/// A table of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Commands,
    Batches,
    Large,
    Aggregates,
    Messages,
    Cluster,
    Tls,
    Connections,
    Growth,
}

impl Group {
    pub(super) const ALL: [Self; 9] = [
        Self::Commands,
        Self::Batches,
        Self::Large,
        Self::Aggregates,
        Self::Messages,
        Self::Cluster,
        Self::Tls,
        Self::Connections,
        Self::Growth,
    ];

    /// Its name on the command line.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Batches => "batches",
            Self::Large => "large",
            Self::Aggregates => "aggregates",
            Self::Messages => "messages",
            Self::Cluster => "cluster",
            Self::Tls => "tls",
            Self::Connections => "connections",
            Self::Growth => "growth",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Commands => "Single commands of many tasks",
            Self::Batches => "Pipelines and transactions",
            Self::Large => "Large values",
            Self::Aggregates => "Lists, hashes, many keys",
            Self::Messages => "Messages and scans",
            Self::Cluster => "Cluster of three nodes",
            Self::Tls => "TLS",
            Self::Connections => "Connections",
            Self::Growth => "Growth",
        }
    }
}

impl Workload {
    /// Its name on the command line: `get-16`, `tls-get-64`.
    pub(super) fn id(self) -> String {
        format!("{}{}-{}", self.via.prefix(), self.name, self.size)
    }

    /// The name of its runs on `threads` threads in the results.
    pub(super) fn label(self, threads: u8) -> String {
        let via = self.via.prefix().replace('-', " ");
        format!("{via}{} {} threads:{threads}", self.name, self.size)
    }

    /// The numbers of threads that it runs on.
    pub(super) fn flavours(self, quick: bool) -> &'static [u8] {
        let counts = ["get", "lanes"].contains(&self.name) && self.via == Via::Direct;
        match self.threads {
            Threads::Both if counts || !quick => &[1, 2],
            Threads::Both | Threads::One => &[1],
        }
    }

    /// The most CPU time of typedis on this many threads, as a share of the best peer's.
    pub(super) fn bar_on(self, threads: u8) -> Option<f64> {
        self.bar_on_two.filter(|_| threads == 2).or(self.bar)
    }

    /// How many operations of a client do the work of one of typedis: a batch of a hundred for three nodes is
    /// three batches of a third for one node.
    pub(super) fn operations(self, client: Client) -> f64 {
        if ["mget", "pipeline"].contains(&self.name) {
            self.size as f64 / client.size(self.size) as f64
        } else {
            1.0
        }
    }

    /// The number by which an operation's CPU time is divided for the report.
    pub(super) fn elements(self) -> f64 {
        if self.is_per_element {
            self.size as f64
        } else {
            1.0
        }
    }
}

impl Via {
    /// Whether the program of the relay stands between.
    pub(super) fn is_relayed(self) -> bool {
        matches!(self, Self::Chunks | Self::Tls)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Direct => "",
            Self::Chunks => "chunks-",
            Self::Tls => "tls-",
            Self::Cluster => "cluster-",
        }
    }
}
