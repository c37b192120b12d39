//! The clients, the workloads, and what typedis has to reach.

/// The one that this is about.
pub(super) const TYPEDIS: Client = client("typedis", "typedis");

/// No client at all.
pub(super) const FLOOR: Client = client("floor", "floor");

/// The clients, in the order in which they take turns.
pub(super) const CLIENTS: [Client; 6] = [
    TYPEDIS,
    client("redis2", "redis 2.0.0-rc.2"),
    client("rustis", "rustis 0.27.2"),
    client("fred", "fred 10.1"),
    client("redis1", "redis 1.8"),
    FLOOR,
];

/// A program of `benches/peers`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    /// Its package there is `peer-<id>`.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
}

const fn client(id: &'static str, title: &'static str) -> Client {
    Client { id, title }
}

impl Client {
    /// Whether typedis is compared with it.
    pub(super) fn is_peer(self) -> bool {
        self.id != TYPEDIS.id && self.id != FLOOR.id
    }
}

/// What a program runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    /// The programs' name for it.
    pub(super) name: &'static str,
    /// Its parameter.
    pub(super) size: usize,
    /// The same in a quick run.
    pub(super) quick_size: usize,
    pub(super) title: &'static str,
    pub(super) group: Group,
    /// On a runtime of two threads also, or only.
    pub(super) threads: Threads,
    /// The most that typedis may take of what the best peer takes of CPU time.
    pub(super) bar: Option<f64>,
    /// Left out of quick runs.
    pub(super) is_long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    Two,
    Both,
}

/// A table of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Commands,
    Batches,
    Large,
    Aggregates,
    Messages,
    Connections,
    Growth,
}

impl Group {
    pub(super) const ALL: [Self; 7] = [
        Self::Commands,
        Self::Batches,
        Self::Large,
        Self::Aggregates,
        Self::Messages,
        Self::Connections,
        Self::Growth,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Commands => "Single commands of many tasks",
            Self::Batches => "Pipelines and transactions",
            Self::Large => "Large values",
            Self::Aggregates => "Lists, hashes, many keys",
            Self::Messages => "Messages and scans",
            Self::Connections => "Connections",
            Self::Growth => "Growth",
        }
    }
}

const fn workload(
    group: Group,
    name: &'static str,
    size: usize,
    title: &'static str,
    bar: Option<f64>,
) -> Workload {
    Workload {
        name,
        size,
        quick_size: size,
        title,
        group,
        threads: Threads::One,
        bar,
        is_long: false,
    }
}

impl Workload {
    const fn on(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    const fn quick(mut self, size: usize) -> Self {
        self.quick_size = size;
        self
    }

    const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// The numbers of threads that it runs on.
    pub(super) fn flavours(self, quick: bool) -> &'static [u8] {
        match (self.threads, quick && self.name != "get") {
            (Threads::One, _) | (Threads::Both, true) => &[1],
            (Threads::Two, _) => &[2],
            (Threads::Both, false) => &[1, 2],
        }
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// All workloads, in the order of the report.
pub(super) fn workloads() -> Vec<Workload> {
    use Group::{Aggregates, Batches, Commands, Connections, Growth, Large, Messages};
    use Threads::{Both, Two};
    let w = workload;
    vec![
        w(Commands, "get", 1, "GET 16 B, 1 task", Some(0.95)).on(Both),
        w(Commands, "get", 16, "GET 16 B, 16 tasks", Some(0.75)).on(Both),
        w(Commands, "get", 64, "GET 16 B, 64 tasks", Some(0.5)).on(Both),
        w(Commands, "get", 256, "GET 16 B, 256 tasks", Some(0.33)).on(Both),
        w(Commands, "get", 1024, "GET 16 B, 1,024 tasks", Some(0.33)).on(Both),
        w(Commands, "set", 1, "SET 16 B, 1 task", Some(0.95)).on(Both),
        w(Commands, "set", 16, "SET 16 B, 16 tasks", Some(0.75)).on(Both),
        w(Commands, "set", 64, "SET 16 B, 64 tasks", Some(0.5)).on(Both),
        w(Commands, "set", 256, "SET 16 B, 256 tasks", Some(0.33)).on(Both),
        w(Commands, "set", 1024, "SET 16 B, 1,024 tasks", Some(0.33)).on(Both),
        w(
            Commands,
            "mixed",
            64,
            "90 % GET, 10 % SET of 100 B – 4 KiB, 64 tasks",
            None,
        )
        .on(Both),
        w(
            Commands,
            "lanes",
            256,
            "GET 16 B, 256 tasks, 4 connections",
            None,
        )
        .on(Two),
        w(Batches, "pipeline", 10, "pipeline of 10 GETs", None).on(Both),
        w(Batches, "pipeline", 100, "pipeline of 100 GETs", Some(0.6)).on(Both),
        w(
            Batches,
            "pipeline",
            1000,
            "pipeline of 1,000 GETs",
            Some(0.33),
        )
        .on(Both),
        w(
            Batches,
            "pipeline",
            10_000,
            "pipeline of 10,000 GETs",
            Some(0.33),
        )
        .on(Both),
        w(Batches, "transaction", 10, "transaction of 10 SETs", None).on(Both),
        w(Large, "get-bytes", 64 * KIB, "GET 64 KiB", None),
        w(Large, "get-bytes", MIB, "GET 1 MiB", Some(0.8)),
        w(Large, "get-bytes", 16 * MIB, "GET 16 MiB", Some(0.8)),
        w(Large, "set-bytes", 64 * KIB, "SET 64 KiB", None),
        w(Large, "set-bytes", MIB, "SET 1 MiB", Some(0.8)),
        w(Large, "set-bytes", 16 * MIB, "SET 16 MiB", Some(0.8)),
        w(
            Aggregates,
            "lrange-strings",
            10_000,
            "LRANGE of 10,000 into `Vec<String>`",
            Some(0.7),
        ),
        w(
            Aggregates,
            "lrange-bytes",
            10_000,
            "LRANGE of 10,000 into `Vec<Bytes>`",
            Some(0.4),
        ),
        w(
            Aggregates,
            "hgetall-map",
            100,
            "HGETALL of 100 fields into a map",
            Some(0.7),
        ),
        w(
            Aggregates,
            "hgetall-struct",
            100,
            "HGETALL of 100 fields into a struct",
            Some(0.7),
        ),
        w(Aggregates, "mget", 1000, "MGET of 1,000", Some(0.7)),
        w(
            Messages,
            "receive",
            1,
            "messages of 16 B on 1 channel",
            Some(0.5),
        ),
        w(
            Messages,
            "receive",
            8,
            "messages of 16 B on 8 channels",
            Some(0.5),
        ),
        w(Messages, "scan", 1_000_000, "SCAN, per key", None).quick(50_000),
        w(
            Connections,
            "connect",
            1,
            "connect, first reply, close",
            None,
        ),
        w(Connections, "idle", 1000, "idle connections", None).quick(200),
        w(Growth, "burst", 1000, "1,000 GETs queued at once", None),
        w(Growth, "burst", 10_000, "10,000 GETs queued at once", None),
        w(
            Growth,
            "burst",
            100_000,
            "100,000 GETs queued at once",
            None,
        )
        .long(),
        w(
            Growth,
            "burst",
            1_000_000,
            "1,000,000 GETs queued at once",
            None,
        )
        .long(),
        w(
            Growth,
            "lrange-strings",
            1000,
            "LRANGE of 1,000 into `Vec<String>`",
            None,
        )
        .long(),
        w(
            Growth,
            "lrange-strings",
            100_000,
            "LRANGE of 100,000 into `Vec<String>`",
            None,
        )
        .long(),
        w(
            Growth,
            "lrange-strings",
            1_000_000,
            "LRANGE of 1,000,000 into `Vec<String>`",
            None,
        )
        .long(),
        w(Growth, "idle", 9000, "9,000 idle connections", None).long(),
    ]
}
