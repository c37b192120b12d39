//! What breaks, when it is due: [`Weatherman`] carries out the faults of a plan.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::keys;
use super::network::{Direction, Network, PORT, Welcome, Wire};
use super::plan::{Fault, PlannedFault, Which};
use super::server::Server;
use super::world::World;

/// Carries out faults.
#[derive(Clone)]
pub(crate) struct Weatherman {
    pub(crate) world: Arc<World>,
    pub(crate) network: Arc<Network>,
    pub(crate) server: Arc<Server>,
}

impl Weatherman {
    /// Carries out all faults, and ends when the last is over and mended.
    pub(crate) async fn run(self, faults: Vec<PlannedFault>) {
        let mut running = JoinSet::new();
        for (number, PlannedFault { at, fault }) in (0..).zip(faults) {
            let this = self.clone();
            running.spawn(async move {
                sleep(Duration::from_millis(at)).await;
                this.world.note(4, number, || format!("fault: {fault:?}"));
                this.carry_out(fault).await;
                this.world
                    .note(5, number, || format!("fault {number} is over"));
            });
        }
        while running.join_next().await.is_some() {}
    }

    async fn carry_out(&self, fault: Fault) {
        match fault {
            Fault::Reset(which) => self.on(which, Wire::reset),
            Fault::ResetAfter(which, direction, bytes) => {
                self.on(which, |wire| wire.reset_after(direction, bytes));
            }
            Fault::HangUp(only) => self.server.hang_up(only),
            Fault::Stall(which, direction, time) => {
                self.on(which, |wire| wire.stall(direction, time));
                sleep(time).await;
            }
            Fault::Swallow(which, direction, time) => self.swallow(which, direction, time).await,
            Fault::Pause(time) => {
                self.server.pause(time);
                sleep(time).await;
                self.server.resume();
            }
            Fault::Restart {
                forgets,
                down,
                loading,
                changes_protocol,
            } => {
                self.network.set_welcome(PORT, Welcome::Refused);
                self.server.restart(forgets, changes_protocol);
                if forgets {
                    self.server.fill(keys::stable());
                }
                sleep(down).await;
                self.server.load(loading);
                self.network.set_welcome(PORT, Welcome::Open);
                sleep(loading).await;
            }
            Fault::Demote(time) => {
                self.server.demote(time);
                sleep(time).await;
            }
            Fault::Crowd(time) => {
                self.server.crowd(time);
                sleep(time).await;
            }
            Fault::Curse(direction, bytes, time) => {
                self.network.curse(Some((direction, bytes)));
                sleep(time).await;
                self.network.curse(None);
            }
            Fault::Refuse(time) => self.turn_away(Welcome::Refused, time).await,
            Fault::Silence(time) => self.turn_away(Welcome::Silent, time).await,
        }
    }

    fn chosen(&self, which: Which) -> Vec<Arc<Wire>> {
        let wires = self.network.wires();
        match which {
            Which::All => wires,
            Which::One(number) => {
                let index = number.checked_rem(wires.len());
                let chosen = index.and_then(|index| wires.get(index));
                chosen.into_iter().cloned().collect()
            }
        }
    }

    fn on(&self, which: Which, what: impl Fn(&Wire)) {
        self.chosen(which).iter().for_each(|wire| what(wire));
    }

    /// Loses what is sent, until the kernels of both sides notice.
    async fn swallow(&self, which: Which, direction: Option<Direction>, time: Duration) {
        let wires = self.chosen(which);
        for wire in &wires {
            match direction {
                Some(direction) => wire.swallow(direction),
                None => Direction::BOTH
                    .into_iter()
                    .for_each(|way| wire.swallow(way)),
            }
        }
        sleep(time).await;
        wires.iter().for_each(|wire| wire.time_out());
    }

    async fn turn_away(&self, welcome: Welcome, time: Duration) {
        self.network.set_welcome(PORT, welcome);
        sleep(time).await;
        self.network.set_welcome(PORT, Welcome::Open);
    }
}
