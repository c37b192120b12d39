//! A primary, a replica and three Sentinels that watch them: [`SentinelService`].

use std::io;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::raw::{RawConnection, Reply};
use crate::server::{Server, ServerBuilder};
use crate::servers::ServerKind;

/// The name of the service that the Sentinels watch.
pub const SERVICE: &str = "shop";

/// How long the servers may take to find each other.
const PATIENCE: Duration = Duration::from_secs(40);

/// A primary, a replica and three Sentinels, which consider the primary dead after half a second without an answer.
#[derive(Debug)]
pub struct SentinelService {
    /// The primary, until a failover.
    pub primary: Server,
    /// The replica, which a failover promotes.
    pub replica: Server,
    /// The Sentinels; two of them must agree.
    pub sentinels: Vec<Server>,
}

impl SentinelService {
    /// Starts all servers, and waits until the Sentinels know each other and the replica.
    ///
    /// # Errors
    ///
    /// If a server does not start, or they do not find each other.
    pub fn start() -> Result<Self> {
        Self::with_primary(|primary| primary)
    }

    /// The same; `edit` changes the settings of the primary.
    ///
    /// # Errors
    ///
    /// As [`SentinelService::start`].
    pub fn with_primary(edit: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Result<Self> {
        let primary = edit(node()).start()?;
        let replica = node()
            .line(format!("replicaof 127.0.0.1 {}", primary.port()))
            .start()?;
        let sentinels = (0..3).map(|_| sentinel(&primary)).collect::<Result<_>>()?;
        let service = Self {
            primary,
            replica,
            sentinels,
        };
        service.settle().map_err(|source| Error::Io {
            doing: "wait until the Sentinels know each other".to_owned(),
            source,
        })?;
        Ok(service)
    }

    fn settle(&self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        for sentinel in &self.sentinels {
            let mut connection = sentinel.connect()?;
            while !is_settled(&mut connection)? {
                if Instant::now() > end {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }
}

fn node() -> ServerBuilder {
    Server::builder(ServerKind::Valkey9).line("repl-diskless-sync-delay 0")
}

fn sentinel(primary: &Server) -> Result<Server> {
    Server::builder(ServerKind::Valkey9)
        .sentinel()
        .line(format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {} 2",
            primary.port()
        ))
        .line(format!("sentinel down-after-milliseconds {SERVICE} 500"))
        .line(format!("sentinel failover-timeout {SERVICE} 3000"))
        .start()
}

fn is_settled(sentinel: &mut RawConnection) -> io::Result<bool> {
    let others = sentinel.reply(&["SENTINEL", "SENTINELS", SERVICE])?;
    let replicas = sentinel.reply(&["SENTINEL", "REPLICAS", SERVICE])?;
    let [replica] = replicas.items() else {
        return Ok(false);
    };
    let field = |name: &str| replica.get(name).and_then(Reply::text);
    Ok(others.items().len() == 2
        && field("flags") == Some("slave")
        && field("master-link-status") == Some("ok"))
}
