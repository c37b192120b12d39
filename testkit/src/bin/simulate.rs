//! Runs simulated worlds: `cargo xtask simulate` builds and starts this.

use std::process::ExitCode;

use typedis_testkit::Planted;
use typedis_testkit::simulation::plan::Plan;
use typedis_testkit::simulation::{many, run, shrink};

const USAGE: &str =
    "usage: simulate [--seeds N] [--from SEED] [--jobs N] [--go-on] [--seed SEED] [--planted N]";

/// What the command line asks for.
#[derive(Default)]
struct Order {
    from: u64,
    seeds: Option<u64>,
    /// On how many threads; on all cores if it is not said.
    jobs: Option<usize>,
    /// Whether all seeds are run, also after one that failed.
    goes_on: bool,
    /// Only this one, with its events.
    seed: Option<u64>,
    /// Each of the faults that are planted, until it is found, within this number of seeds.
    planted: Option<u64>,
}

impl Order {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut order = Self::default();
        while let Some(word) = words.next() {
            if word == "--go-on" {
                order.goes_on = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word} needs a number"))?;
            let number = value
                .parse::<u64>()
                .map_err(|error| format!("{word} {value}: {error}"))?;
            match word.as_str() {
                "--seeds" => order.seeds = Some(number),
                "--from" => order.from = number,
                "--jobs" => order.jobs = usize::try_from(number).ok(),
                "--seed" => order.seed = Some(number),
                "--planted" => order.planted = Some(number),
                _ => return Err(format!("unknown: {word}")),
            }
        }
        Ok(order)
    }

    /// So many seeds, from the first on.
    fn many(&self, count: u64) -> many::Many {
        let many = many::Many::new(self.from..self.from.saturating_add(count));
        match self.jobs {
            Some(jobs) => many.threads(jobs),
            None => many,
        }
    }
}

fn main() -> ExitCode {
    let order = match Order::read(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(text) => {
            eprintln!("{text}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match (order.seed, order.planted) {
        (Some(seed), _) => show(seed),
        (None, Some(count)) => find_planted(&order, count),
        (None, None) => run_many(&order),
    }
}

/// Plants each fault, and says which seed shows it.
fn find_planted(order: &Order, count: u64) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for fault in Planted::ALL {
        let report = order.many(count).with_fault(fault).run(|_| {});
        match report.failure {
            Some(failure) => println!(
                "{fault:?}: seed {}: {}: {}",
                failure.seed, failure.violation.rule, failure.violation.text
            ),
            None => {
                println!("{fault:?}: not found within {count} seeds");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn run_many(order: &Order) -> ExitCode {
    let count = order.seeds.unwrap_or(2_000);
    let many = order.many(count);
    let many = if order.goes_on { many.going_on() } else { many };
    let mut shown = std::time::Instant::now();
    let report = many.run(|done| {
        if shown.elapsed().as_secs() >= 10 {
            shown = std::time::Instant::now();
            println!("{done} of {count} seeds");
        }
    });
    match report.failure {
        None => {
            println!(
                "{} seeds in {:.1} s: no rule was broken",
                report.seeds,
                report.time.as_secs_f64()
            );
            ExitCode::SUCCESS
        }
        Some(_) if order.goes_on => {
            for (rule, (times, failure)) in &report.rules {
                let text = &failure.violation.text;
                println!(
                    "{times} seeds, the first is {}: {rule}: {text}",
                    failure.seed
                );
            }
            ExitCode::FAILURE
        }
        Some(failure) => show(failure.seed),
    }
}

/// Runs a seed; if it fails, makes it smaller and shows what happens.
fn show(seed: u64) -> ExitCode {
    let plan = Plan::of(seed);
    let Some(violation) = run(&plan, false).violation else {
        println!("seed {seed}: no rule was broken");
        return ExitCode::SUCCESS;
    };
    println!(
        "seed {seed} breaks a rule: {}\n{}\n",
        violation.rule, violation.text
    );
    let smallest = shrink::shrink(&plan, violation.rule);
    let outcome = run(&smallest, true);
    println!("{smallest}");
    const SHOWN: usize = 60;
    let skipped = outcome.lines.len().saturating_sub(SHOWN);
    if skipped > 0 {
        println!("… {skipped} events before");
    }
    for line in outcome.lines.iter().skip(skipped) {
        println!("{line}");
    }
    if let Some(violation) = outcome.violation {
        println!(
            "\nseed {seed}, made smaller: {}\n{}",
            violation.rule, violation.text
        );
    }
    ExitCode::FAILURE
}
