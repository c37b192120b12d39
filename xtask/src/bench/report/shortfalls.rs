//! What falls short: bars that are not reached, and measures in which a peer is better.

use std::fmt::Write as _;

use super::rows;
use crate::bench::compare::{Measure, Ratio, Verdict};
use crate::bench::compile;
use crate::bench::plan::{CLIENTS, Group, ONE_NODE_BAR, TYPEDIS, Workload};
use crate::bench::program::NOT_BUILT;
use crate::bench::results::Results;

/// The measures that must not be worse than the best peer's, with their names.
const OTHERS: [(Measure, &str); 5] = [
    (Measure::PerSecond, "the best peer's throughput ÷ ours"),
    (
        Measure::P99,
        "latency of the 99th percentile ÷ the best peer's",
    ),
    (Measure::PeakMemory, "peak memory ÷ the best peer's"),
    (Measure::HeapEach, "heap memory of each ÷ the best peer's"),
    (Measure::Allocations, "allocations ÷ the best peer's"),
];

/// A ratio below this counts as equal: the difference is a page of memory, or a microsecond.
const EQUAL: f64 = 1.02;

/// The ratios that are too high.
struct Lists {
    missed: Vec<String>,
    unclear: Vec<String>,
}

impl Lists {
    fn add(&mut self, name: &str, ratio: Ratio, bar: f64) {
        let line = format!("{name}: {}", crate::bench::format::ratio(ratio));
        match ratio.verdict(bar) {
            Verdict::Reached => {}
            Verdict::Unclear => self.unclear.push(line),
            Verdict::Missed => self.missed.push(line),
        }
    }

    fn write(self, page: &mut String) {
        if self.missed.is_empty() && self.unclear.is_empty() {
            page.push_str("Nowhere.\n");
        }
        for line in self.missed {
            let _ = writeln!(page, "- {line}");
        }
        if !self.unclear.is_empty() {
            let _ = writeln!(
                page,
                "\nWithin what the rounds differ by: {}.",
                self.unclear.join("; ")
            );
        }
    }

    fn new() -> Self {
        Self {
            missed: Vec::new(),
            unclear: Vec::new(),
        }
    }
}

pub(super) fn write(page: &mut String, results: &Results) {
    // Writing to a string does not fail, here and below.
    let _ = writeln!(
        page,
        "\n## What falls short\n\nRatios as above, with the least and the most of the rounds. Where even the least is too \
         high, the workload stands in the list; where not, more rounds may show it to be either.\n\n### CPU time above its bar\n"
    );
    bars(results).write(page);
    for (measure, title) in OTHERS {
        let _ = writeln!(page, "\n### {}\n", capital(title));
        behind(results, measure).write(page);
    }
    let _ = writeln!(page, "\n### Compiling\n");
    let compiling = compile::shortfalls(results);
    if compiling.is_empty() {
        page.push_str("Nowhere.\n");
    }
    for line in compiling {
        let _ = writeln!(page, "- {line}");
    }
    missing(page, results);
    page.push('\n');
}

fn bars(results: &Results) -> Lists {
    let mut lists = Lists::new();
    for (workload, threads) in rows(results, None) {
        let name = name(workload, threads);
        let to_peer = results.to_peer(workload, threads, Measure::Cpu);
        if let Some((bar, ratio)) = workload.bar_on(threads).zip(to_peer) {
            lists.add(&format!("{name}, ≤ {bar} of the best peer"), ratio, bar);
        }
        let to_floor = results.to_floor(workload, threads);
        if let Some((bar, ratio)) = workload.floor_bar.zip(to_floor) {
            lists.add(&format!("{name}, ≤ {bar} of the floor"), ratio, bar);
        }
        if let Some(ratio) = results.to_one_node(workload, threads) {
            let name = format!("{name}, ≤ {ONE_NODE_BAR} of one node");
            lists.add(&name, ratio, ONE_NODE_BAR);
        }
    }
    lists
}

/// The workloads in which a peer is better.
fn behind(results: &Results, measure: Measure) -> Lists {
    let mut lists = Lists::new();
    for (workload, threads) in rows(results, None) {
        if let Some(ratio) = results.to_peer(workload, threads, measure) {
            lists.add(&name(workload, threads), ratio, EQUAL);
        }
    }
    lists
}

/// The workloads without numbers, and why.
fn missing(page: &mut String, results: &Results) {
    let mut lines = Vec::new();
    for workload in crate::bench::plan::workloads() {
        // Workloads that a quick run leaves out are not listed.
        for &threads in workload.flavours(results.is_quick()) {
            for client in CLIENTS {
                let reason = results.failure(workload, threads, client);
                // The tables name the clients without a program.
                if let Some(reason) = reason.filter(|reason| *reason != NOT_BUILT) {
                    let name = name(workload, threads);
                    lines.push(format!("- {name}, {}: {reason}", client.title));
                }
            }
            let is_due = !(results.is_quick() && workload.is_long);
            let is_here = !results.runs(workload, threads, TYPEDIS).is_empty();
            // The section about TLS gives the reason.
            if is_due && !is_here && workload.group != Group::Tls {
                lines.push(format!("- {}: not measured", name(workload, threads)));
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(page, "\n### What failed\n\n{}", lines.join("\n"));
    }
}

fn name(workload: Workload, threads: u8) -> String {
    match threads {
        1 => workload.title.to_owned(),
        count => format!("{}, {count} threads", workload.title),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::plan::workloads;
    use crate::bench::results::Run;

    /// Rounds of typedis and of redis 2, in CPU time and peak memory.
    fn results(rounds: &[(f64, f64)]) -> Results {
        let mut results = Results::empty();
        for &(ours, theirs) in rounds {
            let peer = CLIENTS.into_iter().find(|client| client.is_peer());
            for (client, cost) in [(TYPEDIS, ours), (peer.unwrap(), theirs)] {
                let outcome =
                    json!({ "cpu_ns": cost, "peak_memory": cost, "per_second": 1.0 / cost });
                results.add(workloads()[1], 1, client, Run::new(outcome, 1));
            }
        }
        results
    }

    fn page(results: &Results) -> String {
        let mut page = String::new();
        write(&mut page, results);
        page
    }

    #[test]
    fn a_bar_that_is_missed_in_every_round_stands_in_the_list() {
        let page = page(&results(&[(0.9, 1.0), (1.0, 1.0), (0.95, 1.0)]));
        let line = "- GET 16 B, 16 tasks, ≤ 0.75 of the best peer: 0.95 (0.90–1.00)";
        assert!(page.contains(line), "{page}");
        assert!(!page.contains("Within what the rounds differ by"), "{page}");
    }

    #[test]
    fn a_bar_that_some_round_reached_is_unclear() {
        let page = page(&results(&[(0.7, 1.0), (0.8, 1.0), (0.95, 1.0)]));
        let words = "differ by: GET 16 B, 16 tasks, ≤ 0.75 of the best peer: 0.80 (0.70–0.95).";
        assert!(page.contains(words), "{page}");
    }

    #[test]
    fn what_a_peer_does_better_is_named_even_without_a_bar() {
        let page = page(&results(&[(1.5, 1.0), (1.6, 1.0)]));
        let memory = page.split("### Peak memory").nth(1).unwrap();
        assert!(
            memory.contains("GET 16 B, 16 tasks: 1.55 (1.50–1.60)"),
            "{page}"
        );
        let speed = page.split("### The best peer's throughput").nth(1).unwrap();
        assert!(speed.contains("1.55 (1.50–1.60)"), "{page}");
    }

    #[test]
    fn failures_are_named_with_their_reasons() {
        let mut results = results(&[(0.5, 1.0)]);
        let fred = CLIENTS.into_iter().find(|client| client.id == "fred");
        results.add(workloads()[1], 1, fred.unwrap(), Run::failed("it hangs"));
        let page = page(&results);
        assert!(
            page.contains("- GET 16 B, 16 tasks, fred 10.1: it hangs"),
            "{page}"
        );
        assert!(page.contains("- GET 16 B, 1 task: not measured"), "{page}");
    }
}
