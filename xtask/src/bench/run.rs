//! The rounds: each workload is run by all clients in turn, several times, so that what disturbs the machine disturbs
//! all of them.

use indicatif::{ProgressBar, ProgressStyle};
use typedis_testkit::{Server, ServerKind};

use super::plan::{CLIENTS, Workload, workloads};
use super::program::{self, Task};
use super::results::{Results, Run};
use super::{Options, data};
use crate::{Result, screen};

/// How often and how long.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    milliseconds: u64,
}

pub(super) fn run(options: &Options, results: &mut Results) -> Result {
    let plan = chosen(options);
    if plan.is_empty() {
        return Err("no workload has such a name".into());
    }
    screen::step("Building the programs (once, some minutes)");
    program::build()?;
    screen::step("Starting a server");
    let server = Server::builder(ServerKind::default())
        .line("client-output-buffer-limit pubsub 0 0 0")
        .start()?;
    data::fill(&server)?;
    // A part that is measured anew joins what the page says of the whole.
    if options.only.is_none() || !results.is_described() {
        results.describe(&options.to_string(), options.quick);
    }
    let effort = if options.quick {
        Effort {
            rounds: 3,
            milliseconds: 80,
        }
    } else {
        Effort {
            rounds: 5,
            milliseconds: 300,
        }
    };
    let bar = progress(steps(&plan, options.quick) * effort.rounds);
    for workload in plan {
        measure(workload, options.quick, effort, &server, results, &bar)?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn chosen(options: &Options) -> Vec<Workload> {
    let is_chosen = |workload: &Workload| match &options.only {
        Some(name) => workload.name.contains(name.as_str()),
        None => !(options.quick && workload.is_long),
    };
    workloads().into_iter().filter(is_chosen).collect()
}

fn steps(plan: &[Workload], quick: bool) -> usize {
    let flavours: usize = plan.iter().map(|one| one.flavours(quick).len()).sum();
    flavours * CLIENTS.len()
}

fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} (about {eta} left)");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn measure(
    workload: Workload,
    quick: bool,
    effort: Effort,
    server: &Server,
    results: &mut Results,
    bar: &ProgressBar,
) -> Result {
    let size = if quick {
        workload.quick_size
    } else {
        workload.size
    };
    data::prepare(server, workload.name, size)?;
    for &threads in workload.flavours(quick) {
        results.forget(workload, threads);
        for _ in 0..effort.rounds {
            for client in CLIENTS {
                let task = Task {
                    client,
                    name: workload.name,
                    size,
                    threads,
                    milliseconds: effort.milliseconds,
                };
                bar.set_message(task.to_string());
                match task.run(server) {
                    Ok(Some(outcome)) => results.add(workload, threads, client, Run::new(outcome)),
                    Ok(None) => {}
                    Err(error) => bar.suspend(|| screen::failure(&error.to_string())),
                }
                bar.inc(1);
            }
        }
    }
    data::clear(server, workload.name, size)
}
