//! The handles under load, and what each of them does: [`open`].

use std::future::ready;
use std::net::SocketAddr;
use std::time::Duration;

use typedis::prelude::*;
use typedis::{AnyClient, Config, Credentials, Protocol};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::sentinel_service::SERVICE;

use crate::calls::DEADLINE;
use crate::load::caches::Caching;
use crate::load::chains::Chains;
use crate::load::channels::{Publisher, Subscribing};
use crate::load::counters::Counters;
use crate::load::leases::Leases;
use crate::load::queues::Queue;
use crate::load::scans::Scans;
use crate::load::values::Values;
use crate::load::watching::{Lender, Watching};
use crate::load::workers::Entries;
use crate::load::{Handle, Memory, Works};
use crate::world::{Password, USER, World};

/// A silent line is given up after this.
const LIVENESS: Duration = Duration::from_secs(2);

/// A new password is asked for after four fifths of this.
const VALID_FOR: Duration = Duration::from_secs(30);

/// What has to be closed at the end.
pub(crate) struct Opened {
    connections: Vec<Connection>,
    pools: Vec<Pool>,
    clusters: Vec<Cluster>,
}

impl Opened {
    /// Closes all handles.
    pub(crate) async fn close(self) {
        for conn in &self.connections {
            // What was in flight when the load stopped belongs to nobody.
            let _ = conn.close().await;
        }
        for pool in &self.pools {
            let _ = pool.close().await;
        }
        // The last handle of a cluster closes its connections.
        drop(self.clusters);
    }
}

/// Opens all handles, and starts the load of each.
pub(crate) async fn open(world: &World, works: &mut Works) -> typedis::Result<Opened> {
    let plain = |protocol| single(world.tcp.addr(), &world.password, protocol);
    #[cfg_attr(
        not(feature = "tls"),
        expect(unused_mut, reason = "what is added speaks TLS")
    )]
    let mut connections = vec![
        ("tcp3", typedis::connect(plain(Protocol::Newest)).await?),
        ("tcp2", typedis::connect(plain(Protocol::Resp2)).await?),
    ];
    let mut pools = vec![("pool3", typedis::pool(plain(Protocol::Newest)).await?)];
    #[cfg(feature = "tls")]
    {
        let tls = |protocol| {
            let tls = typedis::Tls::new().ca_pem(world.tls.authority.pem());
            // To read the roots of the system takes ten times as long as the rest of the handshake.
            let authority = tls.system_roots(false);
            single(world.tls.proxy.addr(), &world.password, protocol).tls(authority)
        };
        connections.push(("tls3", typedis::connect(tls(Protocol::Newest)).await?));
        connections.push(("tls2", typedis::connect(tls(Protocol::Resp2)).await?));
        pools.push(("tlspool2", typedis::pool(tls(Protocol::Resp2)).await?));
    }
    let clusters = vec![
        (
            "cluster3",
            typedis::cluster(cluster(&world.nodes, Protocol::Newest)).await?,
        ),
        (
            "cluster2",
            typedis::cluster(cluster(&world.nodes, Protocol::Resp2)).await?,
        ),
    ];
    for (name, conn) in &connections {
        load_connection(works, name, conn).await?;
    }
    for (name, pool) in &pools {
        load_pool(works, name, pool)?;
    }
    for (name, cluster) in &clusters {
        load_cluster(works, name, cluster).await?;
    }
    let service = typedis::pool(service(world)).await?;
    load_any(works, &handle("sentinel", &service, Memory::MayForget));
    pools.push(("sentinel", service));
    Ok(Opened {
        connections: connections.into_iter().map(|(_, conn)| conn).collect(),
        pools: pools.into_iter().map(|(_, pool)| pool).collect(),
        clusters: clusters.into_iter().map(|(_, cluster)| cluster).collect(),
    })
}

fn common(config: Config, protocol: Protocol) -> Config {
    config
        .protocol(protocol)
        .command_timeout(DEADLINE)
        .connect_timeout(Duration::from_secs(2))
        .liveness(LIVENESS)
}

fn single(address: SocketAddr, password: &Password, protocol: Protocol) -> Config {
    let password = password.clone();
    let provider = move || {
        let credentials = Credentials::new(USER, password.get()).valid_for(VALID_FOR);
        ready(Ok::<_, std::io::Error>(credentials))
    };
    let config = Config::tcp(address.ip().to_string(), address.port());
    common(config.credentials_provider(provider), protocol)
}

fn cluster(nodes: &[Proxy], protocol: Protocol) -> Config {
    let addresses = nodes.iter().map(Proxy::addr);
    let nodes = addresses.map(|address| (address.ip().to_string(), address.port()));
    common(Config::cluster(nodes), protocol)
}

fn service(world: &World) -> Config {
    let sentinels = world.service.sentinels.iter();
    let addresses = sentinels.map(|sentinel| ("127.0.0.1", sentinel.port()));
    common(Config::sentinel(SERVICE, addresses), Protocol::Newest)
}

fn handle<C: Client + Clone + 'static>(name: &'static str, client: &C, memory: Memory) -> Handle {
    Handle {
        name,
        client: AnyClient::new(client.clone()),
        memory,
    }
}

/// What every handle does.
fn load_any(works: &mut Works, handle: &Handle) {
    for number in 0..2 {
        works.start(Counters::new(works, handle, number), 12.0);
    }
    works.start(Values::new(works, handle), 25.0);
    works.start(Chains::new(works, handle), 10.0);
}

async fn load_connection(
    works: &mut Works,
    name: &'static str,
    conn: &Connection,
) -> typedis::Result<()> {
    let handle = handle(name, conn, Memory::Kept);
    load_any(works, &handle);
    let on = Subscribing::Connection(conn.clone());
    Publisher::start(works, name, &handle.client, &on).await?;
    let cache = conn.cached(Caching::settings())?;
    works.start(Caching::new(works, name, cache, &handle), 10.0);
    Ok(())
}

fn load_pool(works: &mut Works, name: &'static str, pool: &Pool) -> typedis::Result<()> {
    let handle = handle(name, pool, Memory::Kept);
    load_any(works, &handle);
    works.start(Leases::new(works, pool), 10.0);
    let cache = pool.cached(Caching::settings())?;
    works.start(Caching::new(works, name, cache, &handle), 10.0);
    load_lender(works, name, &Lender::Pool(pool.clone()));
    Ok(())
}

async fn load_cluster(
    works: &mut Works,
    name: &'static str,
    cluster: &Cluster,
) -> typedis::Result<()> {
    let handle = handle(name, cluster, Memory::Kept);
    load_any(works, &handle);
    let on = Subscribing::Cluster(cluster.clone());
    Publisher::start(works, name, &handle.client, &on).await?;
    let cache = cluster.cached(Caching::settings())?;
    works.start(Caching::new(works, name, cache, &handle), 10.0);
    load_lender(works, name, &Lender::Cluster(cluster.clone()));
    Ok(())
}

/// What only handles do that lend sockets.
fn load_lender(works: &mut Works, name: &'static str, lender: &Lender) {
    works.start(Watching::new(works, name, lender.clone()), 4.0);
    Queue::start(works, name, lender);
    Entries::start(works, name, lender);
    works.start(Scans::new(works, name, lender), 0.5);
}
