//! What breaks, when it is due: [`Weatherman`] carries out the faults of a plan.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::keys;
use super::network::{Direction, Network, Welcome, Wire};
use super::plan::{Fault, PlannedFault, Which};
use super::server::Server;
use super::server::fleet::Fleet;
use super::world::World;

/// Carries out faults.
#[derive(Clone)]
pub(crate) struct Weatherman {
    pub(crate) world: Arc<World>,
    pub(crate) network: Arc<Network>,
    pub(crate) fleet: Arc<Fleet>,
}

impl Weatherman {
    /// Carries out all faults, and ends when the last is over and mended.
    pub(crate) async fn run(self, faults: Vec<PlannedFault>) {
        let mut running = JoinSet::new();
        for (number, PlannedFault { at, server, fault }) in (0..).zip(faults) {
            let this = self.clone();
            running.spawn(async move {
                sleep(Duration::from_millis(at)).await;
                this.world.note(4, number, || format!("fault: {fault:?}"));
                if let Some(server) = this.fleet.pick(server) {
                    this.carry_out(fault, &server).await;
                }
                this.world
                    .note(5, number, || format!("fault {number} is over"));
            });
        }
        while running.join_next().await.is_some() {}
    }

    async fn carry_out(&self, fault: Fault, server: &Server) {
        let port = self.fleet.port(server.id);
        match fault {
            Fault::Reset(which) => self.on(which, Wire::reset),
            Fault::ResetAfter(which, direction, bytes) => {
                self.on(which, |wire| wire.reset_after(direction, bytes));
            }
            Fault::HangUp(only) => server.hang_up(only),
            Fault::Stall(which, direction, time) => {
                self.on(which, |wire| wire.stall(direction, time));
                sleep(time).await;
            }
            Fault::Swallow(which, direction, time) => self.swallow(which, direction, time).await,
            Fault::Pause(time) => {
                server.pause(time);
                sleep(time).await;
                server.resume();
            }
            Fault::Restart {
                forgets,
                down,
                loading,
                changes_protocol,
            } => {
                self.network.set_welcome(port, Welcome::Refused);
                server.restart(forgets, changes_protocol);
                if forgets {
                    server.fill(keys::stable());
                }
                sleep(down).await;
                server.load(loading);
                self.network.set_welcome(port, Welcome::Open);
                sleep(loading).await;
            }
            Fault::Demote(time) => {
                server.demote(time);
                sleep(time).await;
            }
            Fault::Crowd(time) => {
                server.crowd(time);
                sleep(time).await;
            }
            Fault::Curse(direction, bytes, time) => {
                self.network.curse(Some((direction, bytes)));
                sleep(time).await;
                self.network.curse(None);
            }
            Fault::Refuse(time) => self.turn_away(port, Welcome::Refused, time).await,
            Fault::Silence(time) => self.turn_away(port, Welcome::Silent, time).await,
            Fault::Flush => {
                server.flush();
                server.fill(keys::stable());
            }
            Fault::Change(change) => self.fleet.change(&change).await,
            Fault::Mislead(number, lie, time) => {
                if let Some(sentinel) = self.fleet.sentinel(number) {
                    sentinel.set_lie(Some(lie));
                    sleep(time).await;
                    sentinel.set_lie(None);
                }
            }
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

    async fn turn_away(&self, port: u16, welcome: Welcome, time: Duration) {
        self.network.set_welcome(port, welcome);
        sleep(time).await;
        self.network.set_welcome(port, Welcome::Open);
    }
}
