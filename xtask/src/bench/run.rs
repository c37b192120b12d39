//! The rounds: each workload is run by all clients in turn, several times, so that a disturbance of the machine
//! affects all of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};

use super::built::{self, Built};
use super::plan::{self, Choice, Client, FLOOR, Via, Workload};
use super::program::{self, Task};
use super::results::{Results, Run};
use super::servers::Servers;
use super::{Options, data};
use crate::{Result, screen};

/// After this many failures in a workload, a client is left out of its other rounds, because each may take a minute.
const FAILURES: usize = 2;

/// The number and length of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effort {
    quick: bool,
    rounds: usize,
    /// The number of rounds to add if the rounds differ much.
    more: usize,
    cpu_milliseconds: u64,
    milliseconds: u64,
    messages: u64,
    /// After this time there are only three rounds of each workload.
    haste: Duration,
}

impl Effort {
    fn of(options: &Options) -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let effort = if options.quick {
            Self {
                quick: true,
                rounds: 3,
                more: 0,
                cpu_milliseconds: 80,
                milliseconds: 200,
                messages: 100_000,
                haste: minutes(5),
            }
        } else {
            Self {
                quick: false,
                rounds: 5,
                more: 2,
                cpu_milliseconds: 300,
                milliseconds: 800,
                messages: 1_000_000,
                haste: minutes(15),
            }
        };
        let rounds = options.rounds.unwrap_or(effort.rounds);
        Self { rounds, ..effort }
    }

    /// About how long this many runs take: each starts, warms up for a moment, and waits about as long as it works.
    fn minutes(self, runs: usize) -> u64 {
        let each = 100 + self.cpu_milliseconds * 4 / 3;
        (runs as u64 * each).div_ceil(60_000)
    }

    /// How many rounds a workload has, and how many more it may have.
    fn rounds(self, workload: Workload, spent: Duration) -> (usize, usize) {
        if workload.is_long || spent > self.haste {
            (self.rounds.min(3), 0)
        } else {
            (self.rounds, self.more)
        }
    }
}

/// The data that stays the same while workloads are run.
struct Session<'a> {
    clients: Vec<Client>,
    built: &'a Built,
    effort: Effort,
    begin: Instant,
    /// The call of this tool that the runs belong to.
    id: u64,
    bar: &'a ProgressBar,
}

pub(super) fn run(options: &Options, results: &mut Results) -> Result {
    let Choice { workloads, clients } = plan::choose(options)?;
    screen::step("Building the programs (once, some minutes)");
    let built = built::build(&workloads, &clients)?;
    let (clients, missing): (Vec<Client>, Vec<Client>) = clients
        .into_iter()
        .partition(|client| built.has(client.program));
    screen::step("Starting a server");
    let mut servers = Servers::start(&workloads, &built)?;
    // A part that is measured again keeps the description of the whole.
    if options.is_whole() || !results.is_described() {
        results.describe(&options.to_string(), options.quick);
    }
    if workloads.iter().any(|one| one.via == Via::Tls) {
        results.note("tls", servers.tls_note());
    }
    let effort = Effort::of(options);
    let runs = steps(&workloads, &clients, effort);
    screen::note(&format!(
        "{runs} runs, {} min at least on an idle machine; rounds that differ are repeated",
        effort.minutes(runs)
    ));
    let bar = progress(runs);
    let session = Session {
        clients,
        built: &built,
        effort,
        begin: Instant::now(),
        id: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        bar: &bar,
    };
    for workload in workloads {
        note_missing(&missing, workload, effort, results);
        if let Err(error) = session.measure(workload, &mut servers, results) {
            let words = format!("{}: {error}", workload.id());
            bar.suspend(|| screen::failure(&words));
        }
        // These results are kept, even if later ones fail.
        results.store()?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn steps(workloads: &[Workload], clients: &[Client], effort: Effort) -> usize {
    workloads
        .iter()
        .map(|one| {
            let (rounds, _) = effort.rounds(*one, Duration::ZERO);
            let clients = clients.iter().filter(|client| client.has(*one)).count();
            one.flavours(effort.quick).len() * rounds * clients
        })
        .sum()
}

/// A client without a program has no results, and the report says why.
fn note_missing(missing: &[Client], workload: Workload, effort: Effort, results: &mut Results) {
    for &threads in workload.flavours(effort.quick) {
        for &client in missing {
            results.forget(workload, threads, client);
            results.add(workload, threads, client, Run::failed(program::NOT_BUILT));
        }
    }
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Session<'_> {
    fn measure(&self, workload: Workload, servers: &mut Servers, results: &mut Results) -> Result {
        let size = if self.effort.quick {
            workload.quick_size
        } else {
            workload.size
        };
        servers.revive()?;
        let Some(server) = servers.server(workload.via) else {
            return Err("left out, for there is no TLS here".into());
        };
        data::prepare(server, workload.name, size)?;
        for &threads in workload.flavours(self.effort.quick) {
            let clients = self.clients.iter().copied();
            let clients: Vec<Client> = clients.filter(|client| client.has(workload)).collect();
            for &client in &clients {
                results.forget(workload, threads, client);
            }
            self.rounds(workload, &clients, (size, threads), servers, results);
        }
        data::clear(server, workload.name, size)
    }

    /// All rounds of a workload on one runtime.
    fn rounds(
        &self,
        workload: Workload,
        clients: &[Client],
        (size, threads): (usize, u8),
        servers: &Servers,
        results: &mut Results,
    ) {
        let (rounds, more) = self.effort.rounds(workload, self.begin.elapsed());
        let mut failures = vec![0; clients.len()];
        for round in 0..rounds + more {
            if round >= rounds && !results.is_disturbed(workload, threads) {
                break;
            }
            for (&client, failures) in clients.iter().zip(&mut failures) {
                if *failures < FAILURES {
                    let task = self.task(workload, client, (size, threads));
                    *failures += usize::from(self.step(task, servers, results).is_err());
                }
                self.bar.inc(1);
            }
        }
    }

    fn task(&self, workload: Workload, client: Client, (size, threads): (usize, u8)) -> Task {
        // The floor differs little from round to round, and waits most of its time.
        let share = if client == FLOOR { 3 } else { 1 };
        Task {
            client,
            workload,
            size: client.size(size),
            threads,
            cpu_milliseconds: self.effort.cpu_milliseconds / share,
            milliseconds: self.effort.milliseconds / share,
            messages: self.effort.messages,
        }
    }

    /// One run. A failure is shown, and kept in the results.
    fn step(&self, task: Task, servers: &Servers, results: &mut Results) -> Result {
        self.bar.set_message(task.to_string());
        let Task {
            workload,
            threads,
            client,
            ..
        } = task;
        match task.run(self.built, servers) {
            Ok(Some(outcome)) => {
                results.add(workload, threads, client, Run::new(outcome, self.id));
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) => {
                let words = format!("{task}: {error}");
                self.bar.suspend(|| screen::failure(&words));
                results.add(workload, threads, client, Run::failed(&error.to_string()));
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_workloads_and_late_ones_have_fewer_rounds() {
        let effort = Effort::of(&Options::default());
        let workloads = plan::workloads();
        let short = workloads.iter().find(|one| !one.is_long).unwrap();
        let long = workloads.iter().find(|one| one.is_long).unwrap();
        assert_eq!(effort.rounds(*short, Duration::ZERO), (5, 2));
        assert_eq!(effort.rounds(*short, effort.haste * 2), (3, 0));
        assert_eq!(effort.rounds(*long, Duration::ZERO), (3, 0));
    }

    #[test]
    fn everything_is_done_in_the_time_that_the_help_names() {
        for (quick, minutes) in [(false, 30), (true, 7)] {
            let options = Options {
                quick,
                ..Options::default()
            };
            let choice = plan::choose(&options).unwrap();
            let effort = Effort::of(&options);
            let runs = steps(&choice.workloads, &choice.clients, effort);
            assert!(effort.minutes(runs) <= minutes, "{}", effort.minutes(runs));
        }
    }

    #[test]
    fn the_number_of_rounds_can_be_asked_for() {
        let options = Options {
            rounds: Some(9),
            quick: true,
            ..Options::default()
        };
        let effort = Effort::of(&options);
        assert_eq!((effort.rounds, effort.cpu_milliseconds), (9, 80));
    }
}
