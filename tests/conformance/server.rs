//! The servers, and what they know.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use typedis::{Config, Exclusive, Protocol};
use typedis_testkit::raw::RawConnection;
use typedis_testkit::{Cluster, Server, ServerBuilder, ServerKind, servers};

use crate::cases::Case;
use crate::own::{Arrangement, acl_file, cluster_file};

/// Calls that Redis no longer has since version 7.0, and Valkey never had.
const GONE: &str = "STRALGO LCS";

/// The groups of modules, which Redis 8.2.3 is given for them; `since` counts the versions of modules there.
const MODULES: [&str; 8] = [
    "bloom",
    "count_min",
    "cuckoo",
    "json",
    "search",
    "tdigest",
    "timeseries",
    "top_k",
];

/// A server to test with, and the calls that are made there.
#[derive(Clone)]
pub(crate) struct Edition {
    kind: ServerKind,
    name: &'static str,
    redis: Option<&'static str>,
    valkey: Option<&'static str>,
    makes: Makes,
}

/// The calls that are made on a server.
#[derive(Clone, Copy)]
enum Makes {
    /// All but those of the others.
    Usual,
    /// Those that only a node of a cluster answers.
    OfClusters,
    /// Those that only a sentinel answers.
    OfSentinels,
}

const fn redis(kind: ServerKind, name: &'static str, version: &'static str) -> Edition {
    Edition {
        kind,
        name,
        redis: Some(version),
        valkey: None,
        makes: Makes::Usual,
    }
}

const fn valkey(kind: ServerKind, name: &'static str, version: &'static str) -> Edition {
    Edition {
        redis: None,
        valkey: Some(version),
        ..redis(kind, name, version)
    }
}

pub(crate) const VALKEY_9: Edition = valkey(ServerKind::Valkey9, "Valkey 9.1.2", "9.1.2");
pub(crate) const VALKEY_8: Edition = valkey(ServerKind::Valkey8, "Valkey 8.1.8", "8.1.8");
pub(crate) const REDIS_6: Edition = redis(ServerKind::Redis6, "Redis 6.2.5", "6.2.5");
/// Where it is installed.
pub(crate) const REDIS_7: Edition = redis(ServerKind::SystemRedis, "Redis 7.0.15", "7.0.15");
/// Where it could be built.
pub(crate) const REDIS_8_10: Edition = redis(ServerKind::Redis8_10, "Redis 8.10.2", "8.10.2");
pub(crate) const REDIS_8: Edition = redis(ServerKind::Redis8, "Redis 8.2.3", "8.2.3");
/// With its modules.
pub(crate) const REDIS_STACK: Edition =
    redis(ServerKind::RedisStack, "Redis 8.2.3 with modules", "8.2.3");

/// All that the usual calls are made on.
pub(crate) static USUAL: [&Edition; 6] = [
    &REDIS_6,
    &REDIS_7,
    &REDIS_STACK,
    &REDIS_8_10,
    &VALKEY_8,
    &VALKEY_9,
];

/// The servers here that have what came with Redis in this version, without modules.
pub(crate) fn since(version: &'static str) -> impl Iterator<Item = &'static Edition> {
    let plain = [
        &REDIS_6,
        &REDIS_7,
        &REDIS_8,
        &REDIS_8_10,
        &VALKEY_8,
        &VALKEY_9,
    ];
    plain
        .into_iter()
        .filter(move |edition| edition.has(version) && edition.is_here())
}

impl Edition {
    /// The same server as a node of a cluster.
    pub(crate) const fn node(&self) -> Self {
        Self {
            makes: Makes::OfClusters,
            ..*self
        }
    }

    /// The same server as a sentinel.
    pub(crate) const fn sentinel(&self) -> Self {
        Self {
            makes: Makes::OfSentinels,
            ..*self
        }
    }

    /// Whether this machine has the server: one that is not fetched may be missing, or be of another version, and some
    /// are not made for every machine. It says so where it is not here.
    pub(crate) fn is_here(&self) -> bool {
        let program = match servers::find(self.kind) {
            Err(error) if error.is_unavailable() => None,
            found => Some(found.expect("the server can be fetched")),
        };
        let wanted = format!("v={} ", self.version());
        let version = program.and_then(|program| program.version().ok());
        // What is fetched is of its version.
        let is_fetched = self.kind != ServerKind::SystemRedis;
        let here = version.is_some_and(|version| is_fetched || version.contains(&wanted));
        if !here {
            // Past the harness, which shows the output of failed tests only.
            let _ = writeln!(io::stderr(), "skipped: {} is not installed", self.name);
        }
        here
    }

    fn version(&self) -> &'static str {
        self.redis.or(self.valkey).unwrap_or_default()
    }

    /// Whether the call is made there: it is known, and of the right sort.
    pub(crate) fn makes(&self, case: &Case) -> bool {
        let right = match self.makes {
            Makes::Usual => !["cluster", "sentinel"].contains(&case.group),
            Makes::OfClusters => case.group == "cluster",
            Makes::OfSentinels => case.group == "sentinel",
        };
        right && self.knows(case)
    }

    /// Whether a server here has the call, so that it has to be verified.
    pub(crate) fn some_knows(case: &Case) -> bool {
        USUAL.iter().any(|edition| edition.knows(case))
    }

    /// Whether it has the command with all the options of the call.
    fn knows(&self, case: &Case) -> bool {
        let reached = |since: Option<&str>, version: Option<&str>| match (since, version) {
            (Some(since), Some(version)) => numbers(since) <= numbers(version),
            _ => false,
        };
        let gone = case.is(GONE) && numbers(self.version()) >= numbers("7.0.0");
        let without_module = MODULES.contains(&case.group) && self.kind != ServerKind::RedisStack;
        if gone || without_module {
            return false;
        }
        reached(case.redis, self.redis) || reached(case.valkey, self.valkey)
    }

    /// Whether the call, which a server without modules could have, came after this one.
    pub(crate) fn is_too_old_for(&self, case: &Case) -> bool {
        let right = match self.makes {
            Makes::OfClusters => case.group == "cluster",
            _ => !["cluster", "sentinel"].contains(&case.group),
        };
        right && !self.knows(case) && !case.is(GONE) && !MODULES.contains(&case.group)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Says how one is started that only its tests configure.
    pub(crate) fn builder(&self) -> ServerBuilder {
        Server::builder(self.kind)
    }

    /// Starts three of them that share all slots.
    pub(crate) fn start_cluster(&self) -> Cluster {
        Cluster::start(self.kind).expect("the nodes become a cluster")
    }

    /// Starts a cluster of it, in which each primary has a replica.
    pub(crate) fn start_cluster_with_replicas(&self) -> Cluster {
        let builder = Cluster::builder(self.kind).replicas(1);
        builder.start().expect("the nodes become a cluster")
    }

    /// Starts one; a test has its own, since the calls flush and configure.
    pub(crate) fn start(&'static self) -> Known {
        let known = self.start_as(Arrangement::Usual, self.kind);
        if matches!(self.makes, Makes::OfClusters) {
            wait_for(&known.server, &["CLUSTER", "INFO"], "cluster_state:ok");
        }
        known
    }

    /// Starts one for a single call, without modules, which take long to load.
    pub(crate) fn start_own(&'static self, arrangement: Arrangement) -> Known {
        let kind = match self.kind {
            ServerKind::RedisStack => ServerKind::Redis8,
            kind => kind,
        };
        self.start_as(arrangement, kind)
    }

    fn start_as(&'static self, arrangement: Arrangement, kind: ServerKind) -> Known {
        let builder = Server::builder(kind);
        let mut file = None;
        let (server, others) = match self.makes {
            Makes::OfSentinels => self.start_sentinel(),
            Makes::OfClusters => {
                file = cluster_file(arrangement);
                (start(node(builder, file.as_deref())), Vec::new())
            }
            Makes::Usual => {
                file = acl_file(arrangement);
                let builder = builder.debug_commands();
                let builder = match (arrangement, &file) {
                    (Arrangement::Lone, _) => builder.cluster(),
                    (_, Some(path)) => builder.line(format!("aclfile {}", path.display())),
                    _ => builder,
                };
                (start(builder), Vec::new())
            }
        };
        Known {
            server,
            edition: self,
            _others: others,
            file,
        }
    }

    /// A sentinel that has found the replica of its primary, and another sentinel; and those three.
    fn start_sentinel(&self) -> (Server, Vec<Server>) {
        // A replica shall be up to date at once, not after the five seconds that others could join in.
        let primary = start(self.builder().line("repl-diskless-sync-delay 0"));
        let port = primary.port();
        let replica = start(self.builder().line(format!("replicaof 127.0.0.1 {port}")));
        wait_for(&primary, &["ROLE"], &replica.port().to_string());
        let (sentinel, other) = (self.monitor(port), self.monitor(port));
        let found = ["SENTINEL", "SENTINELS", "mymaster"];
        wait_for(&sentinel, &found, &other.port().to_string());
        let found = ["SENTINEL", "REPLICAS", "mymaster"];
        wait_for(&sentinel, &found, "master-link-status\r\n$2\r\nok");
        (sentinel, vec![primary, replica, other])
    }

    /// A sentinel that watches over the primary at a port, and looks at it often where it can be told to.
    fn monitor(&self, port: u16) -> Server {
        let watched = format!("sentinel monitor mymaster 127.0.0.1 {port} 1");
        let sentinel = start(self.builder().sentinel().line(watched));
        if self.has("7.0.0") {
            let mut conn = sentinel.connect().expect("the sentinel lets us in");
            let often = ["info-period", "100", "publish-period", "100"];
            conn.call(&[&["SENTINEL", "DEBUG"][..], &often].concat())
                .expect("the sentinel takes it");
        }
        sentinel
    }

    /// Whether it has what came with Redis in a version, without modules.
    pub(crate) fn has(&self, version: &str) -> bool {
        // Valkey went on from Redis 7.2.
        numbers(self.redis.unwrap_or("7.2.4")) >= numbers(version)
    }

    /// Whether its servers have data and functions, as a sentinel has not.
    pub(crate) fn holds_data(&self) -> bool {
        !matches!(self.makes, Makes::OfSentinels)
    }
}

fn start(builder: ServerBuilder) -> Server {
    builder.start().expect("the server starts")
}

fn node(builder: ServerBuilder, file: Option<&Path>) -> ServerBuilder {
    let builder = builder.debug_commands().cluster();
    // Long enough that the nodes that do not exist are not found to have failed.
    let builder = builder.line("cluster-node-timeout 600000");
    match file {
        Some(path) => builder.line(format!("cluster-config-file {}", path.display())),
        None => builder,
    }
}

/// Asks until the reply contains a text.
pub(crate) fn wait_for(server: &Server, words: &[&str], text: &str) {
    if let Err(reply) = says_within(server, words, text, Duration::from_secs(60)) {
        panic!("{words:?} never says {text:?}, but {reply:?}");
    }
}

/// Asks until the reply contains a text, or this time is over; then gives the last reply.
pub(crate) fn says_within(
    server: &Server,
    words: &[&str],
    text: &str,
    limit: Duration,
) -> Result<(), String> {
    let mut conn = server.connect().expect("the server lets us in");
    let start = Instant::now();
    loop {
        let frame = conn.frame(words).expect("the server answers");
        let reply = String::from_utf8_lossy(&frame).into_owned();
        if reply.contains(text) {
            return Ok(());
        }
        if start.elapsed() > limit {
            return Err(reply);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// A running server.
pub(crate) struct Known {
    server: Server,
    edition: &'static Edition,
    /// Those that it depends on.
    _others: Vec<Server>,
    /// The file that it was given.
    file: Option<PathBuf>,
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // What is left over takes some room, and does no harm.
            let _ = fs::remove_file(file);
        }
    }
}

impl Known {
    pub(crate) fn makes(&self, case: &Case) -> bool {
        self.edition.makes(case)
    }

    pub(crate) async fn connect(&self, protocol: Protocol) -> Exclusive {
        let config = Config::from_url(&self.server.url())
            .expect("the kit makes good URLs")
            .protocol(protocol);
        typedis::exclusive(config)
            .await
            .expect("the server lets us in")
    }

    pub(crate) fn edition(&self) -> &'static Edition {
        self.edition
    }

    /// Whether it has ended, or does so within a second.
    pub(crate) fn ends(&self) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            std::net::TcpStream::connect(self.server.addr()).is_err()
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.edition.name
    }

    /// A connection that only sends and shows.
    pub(crate) fn raw(&self) -> RawConnection {
        self.server.connect().expect("the server lets us in")
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().expect("versions are numbers"))
        .collect()
}
