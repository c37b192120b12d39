//! A primary, a replica and three Sentinels that watch them: [`SentinelService`].

use std::io;
use std::time::{Duration, Instant};

use crate::error::{Doing, Error, Result};
use crate::raw::{RawConnection, Reply};
use crate::server::{Server, ServerBuilder};
use crate::servers::ServerKind;

/// The name of the service that the Sentinels watch.
pub const SERVICE: &str = "shop";

/// How long the servers may take to find each other. A Sentinel that stood still for two seconds does nothing for half a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// After which silence Sentinels consider a server dead, in milliseconds: longer than a busy machine lets one stand still.
const PATIENT: &str = "20000";

/// The same, once a server is to be taken for dead.
const HURRIED: &str = "500";

/// How often all servers are started if the Sentinels have replaced the primary by the time that they know each other.
const ATTEMPTS: u32 = 5;

/// A primary, a replica and three Sentinels, which consider a server dead after 20 seconds without an answer, so that a moment in which
/// a busy machine lets a server stand still is no failover. [`SentinelService::kill_primary`] and [`SentinelService::pause_primary`] make it
/// half a second; so does [`SentinelService::hurry`], for whatever else a test does to the servers.
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
    /// Starts all servers, and waits until the Sentinels know each other, the primary and the replica.
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
        let primary = edit(node());
        for _ in 0..ATTEMPTS {
            let service = Self::of(primary.clone())?;
            let settled = service.settle().map_err(|source| Error::Io {
                doing: "wait until the Sentinels know each other".to_owned(),
                source,
            })?;
            if settled {
                return Ok(service);
            }
        }
        Err(Error::Io {
            doing: "start Sentinels that leave the primary as it is".to_owned(),
            source: io::ErrorKind::TimedOut.into(),
        })
    }

    fn of(primary: ServerBuilder) -> Result<Self> {
        let primary = primary.start()?;
        let replica = node()
            .line(format!("replicaof 127.0.0.1 {}", primary.port()))
            .start()?;
        let sentinels = (0..3).map(|_| sentinel(&primary)).collect::<Result<_>>()?;
        Ok(Self {
            primary,
            replica,
            sentinels,
        })
    }

    /// Waits until the Sentinels know all servers. Gives `false` if they have replaced the primary meanwhile.
    fn settle(&self) -> io::Result<bool> {
        let end = Instant::now() + PATIENCE;
        let connections = self.sentinels.iter().map(Server::connect);
        let mut connections = connections.collect::<io::Result<Vec<_>>>()?;
        loop {
            let mut settled = true;
            for connection in &mut connections {
                settled &= is_settled(connection)?;
                if primary_by(connection)? != Some(self.primary.port()) {
                    return Ok(false);
                }
            }
            if settled {
                return Ok(true);
            }
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the primary, and has the Sentinels notice it soon.
    ///
    /// # Errors
    ///
    /// If the primary cannot be killed, or a Sentinel that runs does not answer.
    pub fn kill_primary(&self) -> Result<()> {
        self.primary.kill()?;
        self.hurry()
    }

    /// Stops the primary, so that it stands still, and has the Sentinels notice it soon.
    ///
    /// # Errors
    ///
    /// If the primary cannot be stopped, or a Sentinel that runs does not answer.
    pub fn pause_primary(&self) -> Result<()> {
        self.primary.pause()?;
        self.hurry()
    }

    /// Has the Sentinels consider any server dead after half a second without an answer from now on.
    ///
    /// # Errors
    ///
    /// If a Sentinel that runs does not answer.
    pub fn hurry(&self) -> Result<()> {
        let set = [
            "SENTINEL",
            "SET",
            SERVICE,
            "down-after-milliseconds",
            HURRIED,
        ];
        for sentinel in self.sentinels.iter().filter(|one| one.is_running()) {
            sentinel
                .connect()
                .and_then(|mut connection| connection.call(&set))
                .doing(|| "have a Sentinel wait less".to_owned())?;
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
        .line(format!(
            "sentinel down-after-milliseconds {SERVICE} {PATIENT}"
        ))
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

/// The port of the primary, as a Sentinel says.
fn primary_by(sentinel: &mut RawConnection) -> io::Result<Option<u16>> {
    let address = sentinel.reply(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE])?;
    let port = address.items().get(1).and_then(Reply::text);
    Ok(port.and_then(|port| port.parse().ok()))
}
