//! The servers: one behind proxies, with TLS before it too; one that Sentinels watch; and a cluster of three primaries and
//! three replicas, each behind a proxy.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::raw::Reply;
use typedis_testkit::sentinel_service::SERVICE;
use typedis_testkit::{Cluster, SentinelService, Server, ServerKind};

use crate::Result;
#[cfg(feature = "tls")]
use crate::front::TlsFront;

/// The user of the single server that the load logs in as.
pub(crate) const USER: &str = "load";

/// A cluster takes no silent node for dead before this. The pauses of this program are shorter, so that no replica takes over
/// that has not received everything.
const NODE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long servers may take to work again when no fault is left.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// All servers and what is before them.
pub(crate) struct World {
    pub(crate) single: Server,
    pub(crate) tcp: Proxy,
    #[cfg(feature = "tls")]
    pub(crate) tls: TlsFront,
    pub(crate) password: Password,
    pub(crate) service: SentinelService,
    pub(crate) cluster: Cluster,
    /// In the order of the cluster's nodes.
    pub(crate) nodes: Vec<Proxy>,
}

/// The password of the load's user as clients know it.
#[derive(Debug, Clone)]
pub(crate) struct Password(Arc<Mutex<String>>);

impl Password {
    pub(crate) fn get(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, password: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = password;
    }
}

impl World {
    /// Starts everything; proxies run on this runtime.
    pub(crate) fn start(runtime: &Runtime) -> Result<Self> {
        let password = "first";
        // The file is written before the reply, and the system keeps it when the process is killed.
        let single = Server::builder(ServerKind::default())
            .line("appendonly yes")
            .line("appendfsync no")
            .line(format!("user {USER} on >{password} ~* &* +@all"))
            .start()?;
        let tcp = runtime.block_on(Proxy::start(single.addr()))?;
        #[cfg(feature = "tls")]
        let tls = runtime.block_on(TlsFront::start(single.addr()))?;
        let cluster = Cluster::builder(ServerKind::default())
            .replicas(1)
            .node_timeout(NODE_TIMEOUT)
            .line("appendonly yes")
            .line("appendfsync no")
            .start()?;
        let service = SentinelService::start()?;
        // Pauses of its servers are short, and some of them are to be followed by a failover.
        service.hurry()?;
        let nodes = runtime.block_on(cluster.behind_proxies())?;
        for node in cluster.nodes() {
            // A node that starts again announces its proxy.
            node.call(&["CONFIG", "REWRITE"])?;
        }
        Ok(Self {
            single,
            tcp,
            #[cfg(feature = "tls")]
            tls,
            password: Password(Arc::new(Mutex::new(password.to_owned()))),
            service,
            cluster,
            nodes,
        })
    }

    /// All proxies.
    pub(crate) fn proxies(&self) -> Vec<&Proxy> {
        let mut proxies: Vec<&Proxy> = self.nodes.iter().collect();
        proxies.push(&self.tcp);
        #[cfg(feature = "tls")]
        proxies.push(&self.tls.proxy);
        proxies
    }

    /// Ends what proxies still do, but for a cut at a byte that no connection has reached yet.
    pub(crate) fn calm_but_for_cuts(&self) {
        for proxy in self.proxies() {
            proxy.refuse(false);
            for lane in proxy.lanes() {
                lane.delay(Duration::ZERO, Duration::ZERO);
                lane.chunks(0);
                lane.rate(0);
                lane.resume();
            }
        }
    }

    /// Ends everything that proxies still do.
    fn calm(&self) {
        self.calm_but_for_cuts();
        for lane in self.proxies().into_iter().flat_map(Proxy::lanes) {
            // No connection reaches this byte.
            lane.cut_after(u64::MAX, Cut::Reset);
        }
    }

    /// Waits until all servers work.
    pub(crate) fn settle(&self) -> Result {
        self.calm();
        // On a busy machine a server that was restarted may need longer than the fault waited for it.
        patiently(|| self.restore_password())?;
        self.cluster.wait_until_agreed()?;
        patiently(|| {
            let ready = self.has_primary();
            ready
                .then_some(())
                .ok_or("the Sentinels lead to no primary".into())
        })
    }

    /// Whether the Sentinels agree on a server that is a primary, and has a replica in order.
    fn has_primary(&self) -> bool {
        let primary = self.primary_port();
        let names_it = |sentinel: &Server| primary_by(sentinel) == primary;
        let Some(server) = self
            .services()
            .into_iter()
            .find(|server| Some(server.port()) == primary)
        else {
            return false;
        };
        let role = server
            .connect()
            .and_then(|mut connection| connection.call(&["INFO", "replication"]))
            .unwrap_or_default();
        self.service.sentinels.iter().all(names_it)
            && role.contains("role:master")
            && role.contains("state=online")
    }

    /// The port of the service's primary, as the first Sentinel says.
    pub(crate) fn primary_port(&self) -> Option<u16> {
        primary_by(self.service.sentinels.first()?)
    }

    /// The two servers of the service.
    pub(crate) fn services(&self) -> [&Server; 2] {
        [&self.service.primary, &self.service.replica]
    }

    /// Makes the single server know the password that clients have, as after a restart.
    pub(crate) fn restore_password(&self) -> Result {
        let password = format!(">{}", self.password.get());
        let mut admin = self.single.connect()?;
        admin.call(&["ACL", "SETUSER", USER, "resetpass", &password])?;
        Ok(())
    }
}

/// Tries again until it succeeds.
fn patiently(attempt: impl Fn() -> Result) -> Result {
    let end = Instant::now() + SETTLED_WITHIN;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn primary_by(sentinel: &Server) -> Option<u16> {
    let mut connection = sentinel.connect().ok()?;
    let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE];
    let reply = connection.reply(&words).ok()?;
    reply.items().get(1).and_then(Reply::text)?.parse().ok()
}
