//! One seed, from its plan to the verdict: [`run`](fn@run).

use std::cell::RefCell;
use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::time::timeout;
use typedis_core::simulated::simulate;

use super::clients::{self, Scene};
use super::faults::Weatherman;
use super::finale::{self, Kept};
use super::network::Network;
use super::plan::Plan;
use super::server::deployment::Deployment;
use super::violation::Violation;
use super::world::World;

/// What came of a plan.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The first rule that was broken, if any was.
    pub violation: Option<Violation>,
    /// A sum of all events: the same seed always gives the same.
    pub fingerprint: u64,
    /// The events, if they were asked for.
    pub lines: Vec<String>,
}

thread_local! {
    /// What panicked in the world of this thread; the outer `None` means that there is no world.
    static PANICKED: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Runs a plan in a world of its own, on this thread.
#[must_use]
pub fn run(plan: &Plan, with_lines: bool) -> Outcome {
    catch_panics();
    PANICKED.set(Some(None));
    simulate(true);
    // What the engine takes from it: pauses, and which socket of a pool is tried first.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let mut outcome = match runtime {
        Ok(runtime) => {
            let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
                runtime.block_on(live(plan, with_lines))
            }));
            caught.unwrap_or_else(|_| failed("the world itself panicked".to_owned()))
        }
        Err(error) => failed(format!("there is no runtime: {error}")),
    };
    simulate(false);
    if let Some(text) = PANICKED.take().flatten() {
        outcome.violation = Some(Violation {
            rule: "nothing panics",
            text,
        });
    }
    outcome
}

fn failed(text: String) -> Outcome {
    Outcome {
        violation: Some(Violation {
            rule: "the world runs",
            text,
        }),
        fingerprint: 0,
        lines: Vec::new(),
    }
}

/// Notes panics of worlds, also those in tasks of the engine, which nobody waits for.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let in_world = PANICKED.with_borrow_mut(|panicked| match panicked {
                Some(first) => {
                    first.get_or_insert_with(|| info.to_string());
                    true
                }
                None => false,
            });
            if !in_world {
                usual(info);
            }
        }));
    });
}

/// The longest that a world may live; none needs a tenth of it.
const LIFE: Duration = Duration::from_secs(3_600);

async fn live(plan: &Plan, with_lines: bool) -> Outcome {
    let world = Arc::new(World::new(plan.seed, with_lines));
    tokio::select! {
        biased;
        // What follows may be a consequence.
        () = world.violated() => {}
        played = timeout(LIFE, play(plan, world.clone())) => {
            if played.is_err() {
                world.violate("everything ends", format!("the world lives after {LIFE:?}"));
            }
        }
    }
    let mut trace = world.trace();
    let (fingerprint, lines) = (trace.sum(), trace.take_lines());
    drop(trace);
    Outcome {
        violation: world.violation(),
        fingerprint,
        lines,
    }
}

async fn play(plan: &Plan, world: Arc<World>) {
    let network = Arc::new(Network::new(world.clone(), plan.knobs.weather));
    {
        let mut ledger = world.ledger();
        ledger.has_slots = plan.knobs.kind.cluster().is_some();
        ledger.is_calm = plan.knobs.calm;
    }
    let deployment = Deployment::new(&world, &network, plan.knobs.kind);
    let opened = Scene::open(world.clone(), plan.knobs, deployment.clone(), &network).await;
    let mut scene = match opened {
        Ok(scene) => scene,
        Err(error) => {
            return world.violate("where nothing breaks, nothing fails", error.to_string());
        }
    };
    scene.loses_once = plan.loses_once();
    let mut kept = Vec::new();
    for subscription in &plan.kept {
        kept.extend(Kept::open(&scene, *subscription).await);
    }
    let weatherman = Weatherman {
        world: world.clone(),
        network: network.clone(),
        deployment,
    };
    let faults = tokio::spawn(weatherman.run(plan.faults.clone()));
    clients::run_all(&scene, plan.clients.clone()).await;
    if let Err(error) = faults.await {
        world.violate("nothing panics", error.to_string());
    }
    finale::check(scene, network, kept).await;
}
