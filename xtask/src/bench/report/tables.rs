//! The tables of the report.

use std::fmt::Write as _;

use super::rows;
use crate::bench::compare::Measure;
use crate::bench::format::{dash, grouped, mebibytes, microseconds, ratio, two_digits};
use crate::bench::plan::{CLIENTS, Client, Group, ONE_NODE, ONE_NODE_BAR, Workload, workloads};
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
    let (clients, absent) = measured(results, &rows);
    let names = titles(&clients).join(" | ");
    let is_cluster = group == Group::Cluster;
    let last = if is_cluster { "one node" } else { "floor" };
    let _ = writeln!(
        page,
        "\nCPU nanoseconds per operation.{}\n\n| workload | threads | {names} | ÷ best peer | bar | ÷ {last} |\n|---|---|{}---|---|---|",
        remarks(is_cluster, &absent, results),
        "--:|".repeat(clients.len())
    );
    for (workload, threads) in rows {
        let _ = write!(page, "| {} | {threads} |", workload.title);
        for &client in &clients {
            let cost = results.median(workload, threads, client, Measure::Cpu);
            let cost = cost.map(|cost| cost * workload.operations(client) / workload.elements());
            let _ = write!(page, " {} |", cost.map_or_else(dash, grouped));
        }
        let to_peer = results.to_peer(workload, threads, Measure::Cpu);
        let to_last = if is_cluster {
            results.to_one_node(workload, threads).map(ratio)
        } else {
            let to_floor = results.to_floor(workload, threads);
            to_floor.map(|ratio| two_digits(ratio.median))
        };
        let _ = writeln!(
            page,
            " {} | {} | {} |",
            to_peer.map_or_else(dash, ratio),
            bars(workload, threads),
            to_last.unwrap_or_else(dash),
        );
    }
}

/// The clients that have results in these rows, and those that could have some and have none.
fn measured(results: &Results, rows: &[(Workload, u8)]) -> (Vec<Client>, Vec<Client>) {
    let is_due = |client: &Client| rows.iter().any(|(workload, _)| client.has(*workload));
    let is_measured = |client: &Client| {
        rows.iter().any(|&(workload, threads)| {
            let cost = results.median(workload, threads, *client, Measure::Cpu);
            cost.is_some()
        })
    };
    CLIENTS.into_iter().filter(is_due).partition(is_measured)
}

fn titles(clients: &[Client]) -> Vec<&'static str> {
    clients.iter().map(|client| client.title).collect()
}

/// What has to be known to read a table.
fn remarks(is_cluster: bool, absent: &[Client], results: &Results) -> String {
    let mut remarks = String::new();
    if is_cluster {
        let _ = write!(
            remarks,
            " *{}* is a `Connection` to a server that is no cluster, with a third of the tasks, or three batches of a third of \
             the commands or keys: as much work, in batches as large as those of each of the three nodes. Its bar is {ONE_NODE_BAR}. \
             The *floor* writes to all three nodes, then reads from each in turn; MGET is as many GETs there.",
            ONE_NODE.title
        );
    }
    if !absent.is_empty() {
        let names: Vec<String> = absent
            .iter()
            .map(|&client| with_reason(client, results))
            .collect();
        let _ = write!(remarks, " Not measured: {}.", names.join(", "));
    }
    remarks
}

/// A client without results, and why if that is known.
fn with_reason(client: Client, results: &Results) -> String {
    let rows = workloads().into_iter().flat_map(|one| [(one, 1), (one, 2)]);
    let reason = rows
        .filter_map(|(workload, threads)| results.failure(workload, threads, client))
        .next();
    match reason {
        Some(reason) => format!("{} ({reason})", client.title),
        None => client.title.to_owned(),
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
    let (mut clients, _) = measured(results, &rows(results, None));
    // Its operations are smaller than the others'.
    clients.retain(|client| *client != ONE_NODE);
    let names = titles(&clients).join(" | ");
    let head = if measure == Measure::PerSecond {
        "best peer ÷ typedis"
    } else {
        "÷ best peer"
    };
    let _ = writeln!(page, "| workload | threads | {names} | {head} |");
    let _ = writeln!(page, "|---|---|{}---|", "--:|".repeat(clients.len()));
    for (workload, threads) in rows(results, None) {
        let values = clients
            .iter()
            .map(|&client| results.median(workload, threads, client, measure));
        if values.clone().all(|value| value.is_none()) {
            continue;
        }
        let cells: Vec<String> = values
            .map(|value| value.map_or_else(dash, format))
            .collect();
        let cells = cells.join(" | ");
        let to_peer = results.to_peer(workload, threads, measure);
        let _ = writeln!(
            page,
            "| {} | {threads} | {cells} | {} |",
            workload.title,
            to_peer.map_or_else(dash, ratio)
        );
    }
}
