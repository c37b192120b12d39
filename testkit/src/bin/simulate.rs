//! Runs simulated worlds: `cargo xtask simulate` builds and starts this.

use std::process::ExitCode;

use typedis_testkit::Planted;
use typedis_testkit::simulation::plan::Plan;
use typedis_testkit::simulation::{many, run, shrink};

/// What the command line asks for.
enum Order {
    /// From this seed on, so many.
    Many(u64, u64),
    /// This one, with its events.
    One(u64),
    /// Each of the faults that are planted, until it is found, within so many seeds.
    Planted(u64),
}

fn main() -> ExitCode {
    let order = match order(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(text) => {
            eprintln!(
                "{text}\nusage: simulate [--seeds N] [--from SEED] [--seed SEED] [--planted N]"
            );
            return ExitCode::from(2);
        }
    };
    match order {
        Order::Many(from, count) => run_many(from, count),
        Order::One(seed) => show(seed),
        Order::Planted(count) => find_planted(count),
    }
}

/// Plants each fault, and says which seed shows it.
fn find_planted(count: u64) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for fault in Planted::ALL {
        let report = many::Many::new(0..count).with_fault(fault).run(|_| {});
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

fn order(mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let (mut from, mut count, mut one, mut planted) = (0, 2_000, None, None);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a number"))?;
        let number = value
            .parse::<u64>()
            .map_err(|error| format!("{word} {value}: {error}"))?;
        match word.as_str() {
            "--seeds" => count = number,
            "--from" => from = number,
            "--seed" => one = Some(number),
            "--planted" => planted = Some(number),
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(match (one, planted) {
        (Some(seed), _) => Order::One(seed),
        (None, Some(count)) => Order::Planted(count),
        (None, None) => Order::Many(from, count),
    })
}

fn run_many(from: u64, count: u64) -> ExitCode {
    let many = many::Many::new(from..from.saturating_add(count));
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
    const SHOWN: usize = 120;
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
