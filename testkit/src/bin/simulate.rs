//! Runs simulated worlds: `cargo xtask simulate` builds and starts this.

use std::process::ExitCode;

use typedis_testkit::Planted;
use typedis_testkit::simulation::plan::Plan;
use typedis_testkit::simulation::{Violation, many, run, shrink};

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
        (Some(seed), _) => match show(seed) {
            Some(_) => ExitCode::FAILURE,
            None => {
                println!("seed {seed}: no rule was broken");
                ExitCode::SUCCESS
            }
        },
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
                for (rule, (times, failure)) in &report.rules {
                    let seed = failure.seed;
                    println!("  {times} seeds, the first is {seed}, break another rule: {rule}");
                }
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
    match tell(&report, order.goes_on) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Tells what came of many seeds: with each rule that was broken, or with the first failure shown again. Returns whether all
/// rules held. A failure counts also if it does not repeat.
fn tell(report: &many::Report, each_rule: bool) -> bool {
    let Some(failure) = &report.failure else {
        println!(
            "{} seeds in {:.1} s: no rule was broken",
            report.seeds,
            report.time.as_secs_f64()
        );
        return true;
    };
    if !each_rule {
        println!("{}", show_again(failure));
        return false;
    }
    for (rule, (times, failure)) in &report.rules {
        let text = &failure.violation.text;
        println!(
            "{times} seeds, the first is {}: {rule}: {text}",
            failure.seed
        );
    }
    false
}

/// Shows the failure of one of many seeds, then runs the seed alone. Returns whether it repeats, as a sentence.
fn show_again(failure: &many::Failure) -> String {
    let (seed, rule) = (failure.seed, failure.violation.rule);
    println!("among others, {}", told(seed, &failure.violation));
    let again = match show(seed) {
        Some(again) if again.rule == rule => return format!("seed {seed} breaks it each time"),
        Some(again) => format!("another rule is broken: {}", again.rule),
        None => "no rule is broken".to_owned(),
    };
    format!(
        "seed {seed} alone does not repeat it: {again}. Something in this world does not come from its seed"
    )
}

fn told(seed: u64, violation: &Violation) -> String {
    let Violation { rule, text } = violation;
    format!("seed {seed} breaks a rule: {rule}\n{text}\n")
}

/// Runs a seed; if it fails, makes it smaller and shows what happens. Returns what it broke.
fn show(seed: u64) -> Option<Violation> {
    let plan = Plan::of(seed);
    let violation = run(&plan, false).violation?;
    println!("{}", told(seed, &violation));
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
    match outcome.violation {
        Some(smaller) => println!("\nmade smaller, {}", told(seed, &smaller)),
        None => println!("\nseed {seed}, made smaller, does not repeat it"),
    }
    Some(violation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// A report of a failure that this seed does not show when it is run alone.
    fn flaky(seed: u64) -> many::Report {
        assert_eq!(run(&Plan::of(seed), false).violation, None);
        let violation = Violation {
            rule: "what happens once has happened",
            text: "on another thread".to_owned(),
        };
        let failure = many::Failure { seed, violation };
        many::Report {
            seeds: 1,
            time: Duration::ZERO,
            rules: BTreeMap::from([(failure.violation.rule, (1, failure.clone()))]),
            failure: Some(failure),
        }
    }

    #[test]
    fn a_failure_that_does_not_repeat_is_a_failure() {
        let mut report = flaky(1);
        assert!(!tell(&report, false));
        assert!(!tell(&report, true));
        let failure = report.failure.take();
        let said = failure.map(|failure| show_again(&failure));
        assert!(said.is_some_and(|said| said.contains("does not repeat it: no rule is broken")));
        assert!(tell(&report, false));
    }
}
