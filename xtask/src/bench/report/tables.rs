//! The tables of the report.

use std::fmt::Write as _;

use super::rows;
use crate::bench::compare::Measure;
use crate::bench::format::{dash, grouped, mebibytes, microseconds, ratio, two_digits};
use crate::bench::plan::{CLIENTS, Group, Workload};
use crate::bench::results::Results;

/// The clients' CPU time, and the ratios that have bars.
pub(super) fn costs(page: &mut String, results: &Results, group: Group) {
    let rows = rows(results, Some(group));
    // Writing to a string does not fail, here and below.
    if group == Group::Tls
        && let Some(note) = results.noted("tls")
    {
        let _ = writeln!(page, "\n## {}\n\n{note}", group.title());
    } else if !rows.is_empty() {
        let _ = writeln!(page, "\n## {}", group.title());
    }
    if rows.is_empty() {
        return;
    }
    let names = CLIENTS.map(|client| client.title).join(" | ");
    let _ = writeln!(
        page,
        "\nCPU nanoseconds per operation.\n\n| workload | threads | {names} | ÷ best peer | bar | ÷ floor |\n|---|---|{}---|---|---|",
        "--:|".repeat(CLIENTS.len())
    );
    for (workload, threads) in rows {
        let _ = write!(page, "| {} | {threads} |", workload.title);
        for client in CLIENTS {
            let cost = results.median(workload, threads, client, Measure::Cpu);
            let cost = cost.map(|cost| cost / workload.elements());
            let _ = write!(page, " {} |", cost.map_or_else(dash, grouped));
        }
        let to_peer = results.to_peer(workload, threads, Measure::Cpu);
        let to_floor = results.to_floor(workload, threads);
        let _ = writeln!(
            page,
            " {} | {} | {} |",
            to_peer.map_or_else(dash, ratio),
            bars(workload, threads),
            to_floor.map_or_else(dash, |ratio| two_digits(ratio.median)),
        );
    }
}

fn bars(workload: Workload, threads: u8) -> String {
    let peer = workload.bar_on(threads).map(|bar| format!("≤ {bar}"));
    let floor = workload
        .floor_bar
        .map(|bar| format!("≤ {bar} of the floor"));
    let bars: Vec<String> = peer.into_iter().chain(floor).collect();
    if bars.is_empty() {
        dash()
    } else {
        bars.join(", ")
    }
}

/// Throughput, latencies, memory and allocations of all workloads.
pub(super) fn details(page: &mut String, results: &Results) {
    type Format = fn(f64) -> String;
    let tables: [(&str, Measure, Format); 6] = [
        ("Operations per second", Measure::PerSecond, grouped),
        ("Latency of the median, µs", Measure::P50, microseconds),
        (
            "Latency of the 99th percentile, µs",
            Measure::P99,
            microseconds,
        ),
        (
            "Peak memory of the process, MiB",
            Measure::PeakMemory,
            mebibytes,
        ),
        (
            "Allocations per operation",
            Measure::Allocations,
            two_digits,
        ),
        (
            "Heap memory of an idle connection, and of a queued command with its task; bytes",
            Measure::HeapEach,
            grouped,
        ),
    ];
    for (title, measure, format) in tables {
        let _ = writeln!(page, "\n## {title}\n");
        table(page, results, measure, format);
    }
}

fn table(page: &mut String, results: &Results, measure: Measure, format: fn(f64) -> String) {
    let names = CLIENTS.map(|client| client.title).join(" | ");
    let head = if measure == Measure::PerSecond {
        "best peer ÷ typedis"
    } else {
        "÷ best peer"
    };
    let _ = writeln!(page, "| workload | threads | {names} | {head} |");
    let _ = writeln!(page, "|---|---|{}---|", "--:|".repeat(CLIENTS.len()));
    for (workload, threads) in rows(results, None) {
        let values = CLIENTS.map(|client| results.median(workload, threads, client, measure));
        if values.iter().all(Option::is_none) {
            continue;
        }
        let cells = values
            .map(|value| value.map_or_else(dash, format))
            .join(" | ");
        let to_peer = results.to_peer(workload, threads, measure);
        let _ = writeln!(
            page,
            "| {} | {threads} | {cells} | {} |",
            workload.title,
            to_peer.map_or_else(dash, ratio)
        );
    }
}
