//! The settings of a world: [`Knobs`].

use std::time::Duration;

use typedis_core::cluster::ReadFrom;
use typedis_core::{Backoff, Budget, Cache, Config, Credentials, Lag, Protocol};

use crate::simulation::network::{PORT, Weather};
use crate::simulation::random::Random;
use crate::simulation::server::deployment::HOST;
use crate::simulation::server::{
    ClusterKind, Group, HostStyle, Kind, SENTINEL_PORT, SERVICE, ServiceKind,
};

/// The settings of a world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Knobs {
    /// Nothing breaks: then nothing may fail.
    pub(crate) calm: bool,
    pub(crate) weather: Weather,
    pub(crate) kind: Kind,
    protocol: Protocol,
    pub(crate) command_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) liveness: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) budget: Budget,
    lanes: usize,
    pub(crate) leases: usize,
    idle_timeout: Duration,
    max_age: Option<Duration>,
    /// How many connections there are besides the pool.
    pub(crate) connections: usize,
    /// Whether handles connect when they are first used.
    pub(crate) lazy: bool,
    /// How long credentials are valid, if they expire.
    credentials: Option<Duration>,
    pub(crate) lag: Lag,
    /// How many messages a subscription holds for its reader.
    messages: usize,
    /// Whether elements that nobody claims are reported.
    pub(crate) reports: bool,
    /// Whether the handles are closed, or only dropped.
    pub(crate) closes: bool,
    /// Whether a cluster's replicas are read from.
    pub(crate) reads_copies: bool,
    /// What a cache keeps, if there is one.
    pub(crate) cache: Option<Kept>,
}

/// What a cache keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// On the pool, or on a connection of its own; on the cluster in the world of one.
    pub(crate) on_pool: bool,
    mode: Mode,
    no_loop: bool,
    max_bytes: usize,
    max_unheard: Duration,
    server_ttl: bool,
}

/// What the server is asked to report.
#[derive(Debug, Clone, Copy)]
enum Mode {
    OptIn,
    AllReads,
    Broadcast,
    BroadcastTexts,
}

impl Kept {
    fn of(random: &mut Random) -> Self {
        Self {
            on_pool: random.one_in(3),
            mode: random.pick(
                Mode::OptIn,
                &[Mode::AllReads, Mode::Broadcast, Mode::BroadcastTexts],
            ),
            no_loop: random.one_in(3),
            max_bytes: random.pick(100_000, &[1_000]),
            max_unheard: Duration::from_millis(random.pick(5_000, &[1_000])),
            server_ttl: random.one_in(4),
        }
    }

    pub(crate) fn settings(self, is_cluster: bool) -> Cache {
        let cache = Cache::default()
            .max_bytes(self.max_bytes)
            .max_unheard(self.max_unheard);
        let cache = match self.mode {
            Mode::OptIn => cache,
            Mode::AllReads => cache.all_reads(),
            Mode::Broadcast => cache.broadcast(Vec::<String>::new()),
            Mode::BroadcastTexts => cache.broadcast(["text:"]),
        };
        let cache = if self.server_ttl {
            cache.server_ttl()
        } else {
            cache
        };
        // All writes of a connection have to go through the handle, and those of a pool do not.
        if self.no_loop && !self.on_pool && !is_cluster {
            cache.no_loop()
        } else {
            cache
        }
    }
}

/// A lease for each of the tasks.
const LEASES: usize = 64;

impl Knobs {
    /// Whether calls may wait for the leases of others.
    pub(crate) fn has_few_leases(&self) -> bool {
        self.leases < LEASES
    }

    pub(super) fn of(random: &mut Random) -> Self {
        let calm = random.one_in(4);
        let longest = random.pick(0, &[1, 3, 10]);
        Self {
            calm,
            weather: Weather {
                latency: (random.between(0..=longest), longest),
                splits: random.pick(0, &[2, 4, 20]),
                hesitates: random.pick(0, &[0, 3, 10]),
                // Where nothing breaks, calls have to be fast; long values through a narrow window are not.
                window: if calm {
                    64 * 1024
                } else {
                    random.pick(64 * 1024, &[300, 2_000])
                },
            },
            kind: Kind {
                resp3: !random.one_in(8),
                chatters: random.one_in(4),
                pushes_first: random.one_in(4),
                group: if random.one_in(3) {
                    Group::Cluster(cluster(random))
                } else {
                    Group::Alone
                },
            },
            protocol: random.pick(Protocol::Newest, &[Protocol::Newest, Protocol::Resp2]),
            command_timeout: if calm {
                Duration::from_secs(30)
            } else {
                Duration::from_millis(random.pick(1_000, &[30, 100, 3_000]))
            },
            connect_timeout: Duration::from_millis(random.pick(1_000, &[200, 5_000])),
            liveness: Duration::from_millis(random.pick(10_000, &[1_000, 3_000])),
            backoff: Backoff {
                first: Duration::from_millis(random.pick(20, &[1, 100])),
                longest: Duration::from_millis(random.pick(2_000, &[100, 200])),
            },
            budget: budget(random),
            lanes: 1 + random.below(3),
            leases: random.pick(LEASES, &[1, 2, 5]),
            idle_timeout: Duration::from_millis(random.pick(300_000, &[200, 1_000])),
            max_age: random
                .one_in(4)
                .then(|| Duration::from_millis(random.between(1_200..=5_000))),
            connections: 1 + random.below(2),
            lazy: random.one_in(4),
            credentials: random.one_in(4).then(|| random.millis(200..=4_000)),
            lag: random.pick(Lag::DropOldest, &[Lag::DropOldest, Lag::Wait]),
            messages: random.pick(usize::MAX, &[1, 3]),
            reports: random.one_in(2),
            closes: random.one_in(2),
            reads_copies: random.one_in(4),
            cache: random.one_in(2).then(|| Kept::of(random)),
        }
    }

    /// Some of the servers that would be alone become services that Sentinels watch.
    pub(super) fn with_sentinels(mut self, random: &mut Random) -> Self {
        if matches!(self.kind.group, Group::Alone) && random.one_in(4) {
            let sentinels = 1 + random.below(3);
            self.kind.group = Group::Service(ServiceKind {
                sentinels,
                configured: 1 + random.below(sentinels),
                turns_out: random.one_in(2),
            });
            // Each Sentinel that is asked, and each node that it names, has its share of this.
            self.connect_timeout = self.connect_timeout.max(Duration::from_secs(1));
        }
        self
    }

    /// Whether sockets for subscriptions are kept to the end: nothing breaks, no slot moves, and none becomes too old.
    pub(crate) fn keeps_sockets(&self) -> bool {
        self.calm && self.kind.cluster().is_none() && self.max_age.is_none()
    }

    /// Whether all sockets speak RESP3, as long as the server does not change.
    pub(crate) fn speaks_resp3(&self) -> bool {
        self.kind.resp3 && self.protocol == Protocol::Newest
    }

    /// The configuration of all handles.
    pub(crate) fn config(&self) -> Config {
        let config = match self.kind.group {
            Group::Cluster(cluster) => {
                let nodes = cluster.shards * (1 + cluster.replicas);
                let ports = (PORT..).take(nodes);
                let config = Config::cluster(ports.map(|port| (HOST, port)));
                if self.reads_copies {
                    config.read_from(ReadFrom::PreferReplica)
                } else {
                    config
                }
            }
            Group::Service(service) => {
                let ports = (SENTINEL_PORT..).take(service.configured);
                Config::sentinel(SERVICE, ports.map(|port| (HOST, port)))
            }
            Group::Alone => Config::tcp(HOST, PORT),
        };
        let config = match self.credentials {
            Some(valid) => config.credentials_provider(move || async move {
                Ok::<_, std::convert::Infallible>(
                    Credentials::new("user", "secret").valid_for(valid),
                )
            }),
            None => config,
        };
        config
            .on_lag(self.lag)
            .capacity_messages(self.messages)
            .protocol(self.protocol)
            .command_timeout(self.command_timeout)
            .connect_timeout(self.connect_timeout)
            .liveness(self.liveness)
            .backoff(self.backoff)
            .budget(self.budget)
            .lanes(self.lanes)
            .leases(self.leases)
            .idle_timeout(self.idle_timeout)
            .max_age(self.max_age)
    }

    /// How long it may take until a handle works again, after everything was mended: a connect that hangs, the longest
    /// pause, and a silent socket that has to be noticed.
    pub(crate) fn recovery(&self) -> Duration {
        let once = 2 * self.connect_timeout
            + self.backoff.longest
            + 2 * self.liveness
            + Duration::from_secs(2);
        // The map is asked for again at most once a second, from one node after another; and a Sentinel that is silent is
        // followed by the next.
        match self.kind.group {
            Group::Cluster(_) | Group::Service(_) => 2 * once + Duration::from_secs(10),
            Group::Alone => once,
        }
    }
}

fn cluster(random: &mut Random) -> ClusterKind {
    ClusterKind {
        shards: 2 + random.below(2),
        replicas: random.below(3).min(1),
        host: random.pick(HostStyle::Named, &[HostStyle::Absent, HostStyle::Unknown]),
        queues_all: random.one_in(2),
        turns_out: random.one_in(2),
    }
}

fn budget(random: &mut Random) -> Budget {
    match random.below(4) {
        0 => Budget {
            bytes: 200,
            ..Budget::default()
        },
        1 => Budget {
            commands: 1 + random.below(4),
            ..Budget::default()
        },
        _ => Budget::default(),
    }
}
