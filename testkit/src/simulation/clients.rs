//! The tasks that use the engine: [`Scene`] is what they use, [`run`] is one of them.
//!
//! # Layout
//!
//! - `call`: commands; `job`: what a step does, in `plain`, `leased` and `reading`
//! - `record`: what callers were told; `errors`: what errors may be
//! - `manner`: how a step is waited for, and given up
//! - `listening`: what a subscription may yield

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use typedis_core::{Connection, Pool, Result};

use super::network::{Network, PORT};
use super::plan::{Client, Knobs, Place};
use super::server::Server;
use super::world::World;

pub(super) mod call;
mod errors;
mod job;
mod leased;
pub(super) mod listening;
mod manner;
mod plain;
mod reading;
mod record;

use job::Job;

/// What the clients use.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    pub(crate) knobs: Knobs,
    pub(crate) server: Arc<Server>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) pool: Pool,
}

/// One of the two handles that plain commands are issued on.
#[derive(Clone)]
pub(crate) enum Handle {
    Connection(Connection),
    Pool(Pool),
}

impl Scene {
    /// Opens all handles; nothing breaks meanwhile.
    pub(crate) async fn open(
        world: Arc<World>,
        knobs: Knobs,
        server: Arc<Server>,
        network: &Arc<Network>,
    ) -> Result<Self> {
        let network = network.clone();
        let config = knobs.config().transport(move |_| {
            let network = network.clone();
            async move { network.connect(PORT).await }
        });
        let mut connections = Vec::new();
        for _ in 0..knobs.connections {
            connections.push(if knobs.lazy {
                Connection::lazy(&config)?
            } else {
                Connection::open(&config).await?
            });
        }
        let pool = if knobs.lazy {
            Pool::lazy(&config)?
        } else {
            Pool::open(&config).await?
        };
        let scene = Self {
            world,
            knobs,
            server,
            connections,
            pool,
        };
        if knobs.reports {
            scene.report_unclaimed();
        }
        Ok(scene)
    }

    /// Counts elements that came after their caller had gone.
    fn report_unclaimed(&self) {
        let world = self.world.clone();
        self.pool.on_unclaimed(
            move |unclaimed| match unclaimed.decode::<(String, String)>() {
                Ok((_, element)) => leased::received(&world, &element),
                Err(error) => world.violate("replies belong to their callers", error.to_string()),
            },
        );
    }

    pub(crate) fn handle(&self, place: Place) -> Handle {
        match place {
            Place::Connection(index) => match self.connections.get(index) {
                Some(connection) => Handle::Connection(connection.clone()),
                None => Handle::Pool(self.pool.clone()),
            },
            Place::Pool => Handle::Pool(self.pool.clone()),
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
        let job = Job::new(&scene, client.number, &step);
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
    /// What is queued and in flight is within the budgets.
    fn check_budgets(&self) {
        /// What the driver adds of its own: a PING, and one command for each subscription.
        const OWN: usize = 32;
        const OWN_BYTES: usize = OWN * 64;
        let budget = self.knobs.budget;
        for connection in &self.connections {
            let stats = connection.stats();
            let count = stats.queued + stats.in_flight;
            let alone = count <= OWN + 1;
            if count > budget.commands.saturating_add(OWN)
                || (stats.bytes > budget.bytes.saturating_add(OWN_BYTES) && !alone)
            {
                self.world.violate("the budget holds", format!("{stats:?}"));
            }
        }
    }

    /// The longest that a call may take where nothing breaks: a few round trips in the worst weather.
    pub(crate) fn calm_bound(&self) -> Option<Duration> {
        self.knobs.calm.then_some(Duration::from_secs(3))
    }
}
