//! The tasks that use the engine: [`Scene`] is what they use, [`run`] is one of them.
//!
//! # Layout
//!
//! - `call`: commands; `job`: what a step does, in `plain`, `many`, `leased` and `reading`
//! - `cached`: reads and writes through a cache, and how old a reply may be
//! - `record`: what callers were told; `errors`: what errors may be; `excuses`: what a call may be told for lack of time
//! - `manner`: how a step is waited for, and given up
//! - `listening`: what a subscription may yield

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use typedis_core::cluster::Cluster;
use typedis_core::{Address, Config, Connection, Pool, Result, Unclaimed};

use super::network::Network;
use super::plan::{Client, Kept, Knobs, Place};
use super::server::deployment::Deployment;
use super::world::World;

pub(super) mod cached;
pub(super) mod call;
mod errors;
mod excuses;
mod job;
mod leased;
pub(super) mod listening;
mod manner;
mod many;
mod plain;
mod reading;
mod record;

use cached::Caching;
use excuses::Excuses;
use job::Job;
use listening::Listening;

/// What the clients use.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    pub(crate) knobs: Knobs,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) connections: Vec<Connection>,
    /// `None` in the world of a cluster.
    pub(crate) pool: Option<Pool>,
    pub(crate) cluster: Option<Cluster>,
    /// A connection that is closed while others use it.
    doomed: Option<Connection>,
    pub(crate) caching: Option<Caching>,
    /// What the call that runs may be told.
    excuses: Excuses,
    /// Whether the handle is the one that is closed.
    pub(crate) may_close: bool,
    /// Whether the call watches a key.
    watches: bool,
    /// Whether each socket is lost once at most, and nothing else breaks.
    pub(crate) loses_once: bool,
}

/// One of the handles that plain commands are issued on.
#[derive(Clone)]
pub(crate) enum Handle {
    Connection(Connection),
    Pool(Pool),
    Cluster(Cluster),
}

impl Scene {
    /// Opens all handles; nothing breaks meanwhile.
    pub(crate) async fn open(
        world: Arc<World>,
        knobs: Knobs,
        deployment: Arc<Deployment>,
        network: &Arc<Network>,
    ) -> Result<Self> {
        let network = network.clone();
        let config = knobs.config().transport(move |address| {
            let network = network.clone();
            async move {
                match address {
                    Address::Tcp(_, port) => network.connect(port).await,
                    _ => Err(std::io::ErrorKind::Unsupported.into()),
                }
            }
        });
        let mut scene = Self {
            world,
            knobs,
            deployment,
            connections: Vec::new(),
            pool: None,
            cluster: None,
            doomed: None,
            caching: None,
            excuses: Excuses::new(),
            may_close: false,
            watches: false,
            loses_once: false,
        };
        if knobs.kind.cluster().is_some() {
            scene.cluster = Some(Cluster::open(&config).await?);
        } else {
            scene.open_single(&config).await?;
        }
        if knobs.reports {
            scene.report_unclaimed();
        }
        if let Some(kept) = knobs.cache {
            scene.caching = Some(scene.cache(&config, kept).await?);
        }
        Ok(scene)
    }

    /// A caching handle, on a connection of its own, on the pool, or on the cluster.
    async fn cache(&self, config: &Config, kept: Kept) -> Result<Caching> {
        let settings = kept.settings(self.cluster.is_some());
        let gets_only = !self.knobs.speaks_resp3();
        Ok(match (&self.cluster, &self.pool) {
            (Some(cluster), _) => {
                let cached = cached::Handle::Cluster(cluster.cached(settings)?);
                Caching::new(cached, false, gets_only)
            }
            (None, Some(pool)) if kept.on_pool => {
                let cached = cached::Handle::Pool(pool.cached(settings)?);
                Caching::new(cached, false, gets_only)
            }
            _ => {
                let connection = Connection::open(config).await?;
                let cached = cached::Handle::Connection(connection.cached(settings)?);
                Caching::new(cached, !gets_only, gets_only)
            }
        })
    }

    async fn open_single(&mut self, config: &Config) -> Result<()> {
        for _ in 0..self.knobs.connections {
            self.connections.push(if self.knobs.lazy {
                Connection::lazy(config)?
            } else {
                Connection::open(config).await?
            });
        }
        self.doomed = Some(Connection::lazy(config)?);
        self.pool = Some(if self.knobs.lazy {
            Pool::lazy(config)?
        } else {
            Pool::open(config).await?
        });
        Ok(())
    }

    /// Counts elements that came after their caller had gone.
    fn report_unclaimed(&self) {
        let world = self.world.clone();
        let report = move |unclaimed: Unclaimed| match unclaimed.decode::<(String, String)>() {
            Ok((_, element)) => leased::received(&world, &element),
            Err(error) => world.violate("replies belong to their callers", error.to_string()),
        };
        match (&self.pool, &self.cluster) {
            (Some(pool), _) => pool.on_unclaimed(report),
            (None, Some(cluster)) => cluster.on_unclaimed(report),
            (None, None) => {}
        }
    }

    /// The handle at a place; `None` if this world has none there.
    pub(crate) fn handle(&self, place: Place) -> Option<Handle> {
        match place {
            Place::Connection(index) => {
                let connection = self.connections.get(index)?;
                Some(Handle::Connection(connection.clone()))
            }
            Place::Pool => self.pool.clone().map(Handle::Pool),
            Place::Doomed => self.doomed.clone().map(Handle::Connection),
            Place::Cluster => self.cluster.clone().map(Handle::Cluster),
        }
    }
}

/// Runs all clients to their end.
pub(crate) async fn run_all(scene: &Scene, clients: Vec<Client>) {
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(run(scene.clone(), client));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            scene.world.violate("nothing panics", error.to_string());
        }
    }
}

async fn run(scene: Scene, client: Client) {
    for step in client.steps {
        if !step.pause.is_zero() {
            sleep(step.pause).await;
        }
        scene.check_budgets();
        let Some(job) = Job::new(&scene, client.number, &step) else {
            continue;
        };
        scene.world.note(6, client.number as u64, || {
            format!("task {} begins {job}, {:?}", client.number, step.manner)
        });
        job.run(&scene, step.manner).await;
        scene.check_budgets();
        scene.world.note(7, client.number as u64, || {
            format!("task {} goes on", client.number)
        });
    }
}

impl Scene {
    /// A call begins, with this deadline of its own if it has one.
    fn begins(&mut self, own: Option<Duration>) {
        self.excuses.begin(own, self.knobs.command_timeout);
    }

    /// What callers have queued and in flight is within the budget of each shared socket.
    fn check_budgets(&self) {
        let budget = self.knobs.budget;
        let connections = self.connections.iter().map(Connection::budgeted);
        let lanes = self.pool.iter().flat_map(Pool::budgeted);
        let nodes = self.cluster.iter().flat_map(Cluster::budgeted);
        for (count, bytes) in connections.chain(lanes).chain(nodes) {
            // What is larger than the whole budget is accepted if it is the only one.
            let is_alone = count <= 1;
            if count > budget.commands || (bytes > budget.bytes && !is_alone) {
                let text = format!("{count} commands of {bytes} bytes, of {budget:?}");
                self.world.violate("the budget holds", text);
            }
        }
    }

    /// What a subscription yields that was just confirmed, when messages come by this channel.
    pub(crate) fn listening(&self, channel: &str) -> Listening {
        let stays = self.knobs.keeps_sockets();
        Listening::new(self.world.ledger().count_of(channel), stays)
    }

    /// The longest that a call may take where nothing breaks: a few round trips in the worst weather.
    pub(crate) fn calm_bound(&self) -> Option<Duration> {
        self.knobs.calm.then_some(Duration::from_secs(3))
    }
}
