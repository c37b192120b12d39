//! The servers, and what they know.

use std::fs;
use std::path::{Path, PathBuf};

use typedis::{Config, Exclusive, Protocol};
use typedis_testkit::raw::RawConnection;
use typedis_testkit::{Server, ServerBuilder, ServerKind};

use crate::cases::Case;
use crate::own::{Arrangement, acl_file, cluster_file};

/// Calls that later versions no longer have.
const GONE: &str = "STRALGO LCS";

/// A server to test with, and the calls that are made there.
pub(crate) struct Edition {
    kind: ServerKind,
    redis: Option<&'static str>,
    valkey: Option<&'static str>,
    makes: Makes,
}

/// The calls that are made on a server.
enum Makes {
    /// All but those of the others.
    Usual,
    /// Those that only a node of a cluster answers.
    OfClusters,
    /// Those that only a sentinel answers.
    OfSentinels,
    /// Those that later versions no longer have.
    Gone,
}

pub(crate) const VALKEY: Edition = Edition {
    kind: ServerKind::Valkey9,
    redis: None,
    valkey: Some("9.1.2"),
    makes: Makes::Usual,
};

/// Redis with its modules.
pub(crate) const REDIS: Edition = Edition {
    kind: ServerKind::RedisStack,
    redis: Some("8.2.3"),
    valkey: None,
    makes: Makes::Usual,
};

pub(crate) const VALKEY_NODE: Edition = Edition {
    makes: Makes::OfClusters,
    ..VALKEY
};

pub(crate) const REDIS_NODE: Edition = Edition {
    kind: ServerKind::Redis8,
    makes: Makes::OfClusters,
    ..REDIS
};

pub(crate) const VALKEY_SENTINEL: Edition = Edition {
    makes: Makes::OfSentinels,
    ..VALKEY
};

pub(crate) const REDIS_SENTINEL: Edition = Edition {
    makes: Makes::OfSentinels,
    ..REDIS_NODE
};

pub(crate) const OLD_REDIS: Edition = Edition {
    kind: ServerKind::Redis6,
    redis: Some("6.2.5"),
    valkey: None,
    makes: Makes::Gone,
};

impl Edition {
    /// Whether the call is made there: it is known, and of the right sort.
    pub(crate) fn makes(&self, case: &Case) -> bool {
        let right = match self.makes {
            Makes::Usual => !["cluster", "sentinel"].contains(&case.group) && !case.is(GONE),
            Makes::OfClusters => case.group == "cluster",
            Makes::OfSentinels => case.group == "sentinel",
            Makes::Gone => case.is(GONE),
        };
        right && self.knows(case)
    }

    /// Whether the call is newer than every server here, so that nothing can verify it.
    pub(crate) fn all_precede(case: &Case) -> bool {
        !VALKEY.knows(case) && !REDIS.knows(case)
    }

    /// Whether it has the command with all the options of the call.
    fn knows(&self, case: &Case) -> bool {
        let reached = |since: Option<&str>, version: Option<&str>| match (since, version) {
            (Some(since), Some(version)) => numbers(since) <= numbers(version),
            _ => false,
        };
        reached(case.redis, self.redis) || reached(case.valkey, self.valkey)
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
            Makes::OfSentinels => sentinel(kind),
            Makes::OfClusters => {
                file = cluster_file(arrangement);
                (start(node(builder, file.as_deref())), Vec::new())
            }
            Makes::Usual | Makes::Gone => {
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

/// A sentinel that has found the replica of its primary, and another sentinel; and those three.
fn sentinel(kind: ServerKind) -> (Server, Vec<Server>) {
    // A replica shall be up to date at once, not after the five seconds that others could join in.
    let primary = start(Server::builder(kind).line("repl-diskless-sync-delay 0"));
    let port = primary.port();
    let replica = start(Server::builder(kind).line(format!("replicaof 127.0.0.1 {port}")));
    wait_for(&primary, &["ROLE"], &replica.port().to_string());
    let monitor = || {
        let sentinel = start(
            Server::builder(kind)
                .sentinel()
                .line(format!("sentinel monitor mymaster 127.0.0.1 {port} 1")),
        );
        let mut conn = sentinel.connect().expect("the sentinel lets us in");
        let often = ["info-period", "100", "publish-period", "100"];
        conn.call(&[&["SENTINEL", "DEBUG"][..], &often].concat())
            .expect("the sentinel takes it");
        sentinel
    };
    let (sentinel, other) = (monitor(), monitor());
    let found = ["SENTINEL", "SENTINELS", "mymaster"];
    wait_for(&sentinel, &found, &other.port().to_string());
    let found = ["SENTINEL", "REPLICAS", "mymaster"];
    wait_for(&sentinel, &found, "master-link-status\r\n$2\r\nok");
    (sentinel, vec![primary, replica, other])
}

/// Asks until the reply contains a text.
pub(crate) fn wait_for(server: &Server, words: &[&str], text: &str) {
    let mut conn = server.connect().expect("the server lets us in");
    let mut reply = String::new();
    for _ in 0..400 {
        let frame = conn.frame(words).expect("the server answers");
        reply = String::from_utf8_lossy(&frame).into_owned();
        if reply.contains(text) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("{words:?} never says {text:?}, but {reply:?}");
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
        self.server.kind().name()
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
