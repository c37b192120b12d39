//! `docs/benchmarks.md` and its plots, written from the results alone.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::plan::{CLIENTS, FLOOR, Group, TYPEDIS, Workload, workloads};
use super::plot::{self, Series};
use super::results::{Measure, Results};
use super::{compile, guard};
use crate::{Result, cargo};

/// What the results show, and what was tried; written by hand.
const NOTES: &str = "benches/notes.md";

pub(super) fn write(results: &Results) -> Result<PathBuf> {
    let docs = cargo::workspace().join("docs");
    let folder = docs.join("benchmarks");
    fs::create_dir_all(&folder)?;
    for threads in [1, 2] {
        let name = format!("get-{threads}.svg");
        fs::write(folder.join(name), lines(results, threads))?;
    }
    fs::write(folder.join("ratios.svg"), ratios(results))?;
    let path = docs.join("benchmarks.md");
    fs::write(&path, text(results)?)?;
    Ok(path)
}

fn text(results: &Results) -> Result<String> {
    let mut page = head(results);
    for group in Group::ALL {
        costs(&mut page, results, group);
    }
    details(&mut page, results);
    connections(&mut page, results);
    compile::report(&mut page, results);
    guard::report(&mut page)?;
    shortfalls(&mut page, results);
    if let Ok(notes) = fs::read_to_string(cargo::workspace().join(NOTES)) {
        page.push_str(&notes);
    }
    Ok(page)
}

fn head(results: &Results) -> String {
    let quick = if results.is_quick() {
        "**This was a quick run, on a machine that others used at the same time.** Ratios are good to about a tenth, \
         absolute figures are not to be relied on.\n\n"
    } else {
        ""
    };
    format!(
        "# Benchmarks\n\n\
         <!-- Written by `cargo xtask bench` from benches/results.json and {NOTES}: do not edit. -->\n\n\
         Made with `{}` on: {}. Server: Valkey on the same machine, over TCP.\n\n{quick}\
         Each client is a program of its own in `benches/peers`, built with `--release` (optimisation level 3, no LTO \
         across crates, as cargo builds by default); the head of its `main.rs` says how it is set. All run the same \
         workloads in turn, A B C … A B C …; figures are medians over the rounds, ratios medians of the ratios within \
         a round. *CPU* is user and system time of the client's process, the measure that other load disturbs least. \
         The *floor* is a blocking socket that writes fixed bytes and reads as many as come back, without a client: \
         nothing that uses a socket can do with less; at N tasks it writes N commands at once.\n\n\
         ![CPU time per GET, one thread](benchmarks/get-1.svg)\n\n\
         ![CPU time per GET, two threads](benchmarks/get-2.svg)\n\n\
         ![CPU time, typedis to best peer](benchmarks/ratios.svg)\n",
        results.fact("command"),
        results.fact("machine"),
    )
}

/// The workloads of a group with the numbers of threads they were run on.
fn rows(results: &Results, group: Option<Group>) -> Vec<(Workload, u8)> {
    let is_asked = |one: &Workload| group.is_none_or(|group| one.group == group);
    workloads()
        .into_iter()
        .filter(is_asked)
        .flat_map(|workload| [1, 2].map(|threads| (workload, threads)))
        .filter(|(workload, threads)| {
            CLIENTS.into_iter().any(|client| {
                let cost = results.median(*workload, *threads, client, Measure::Cpu);
                cost.is_some()
            })
        })
        .collect()
}

/// The clients' CPU time, and the ratios that count.
fn costs(page: &mut String, results: &Results, group: Group) {
    let rows = rows(results, Some(group));
    if rows.is_empty() {
        return;
    }
    // Writing to a string does not fail, here and below.
    let _ = writeln!(page, "\n## {}\n", group.title());
    let _ = writeln!(page, "CPU nanoseconds per operation.\n");
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.title).collect();
    let _ = writeln!(
        page,
        "| workload | threads | {} | ÷ best peer | bar | ÷ floor |",
        names.join(" | ")
    );
    let _ = writeln!(
        page,
        "|---|---|{}---|---|---|",
        "--:|".repeat(CLIENTS.len())
    );
    for (workload, threads) in rows {
        let _ = write!(page, "| {} | {threads} |", workload.title);
        for client in CLIENTS {
            let cost = results.median(workload, threads, client, Measure::Cpu);
            let _ = write!(page, " {} |", cost.map_or_else(dash, grouped));
        }
        let _ = writeln!(
            page,
            " {} | {} | {} |",
            to_peer(results, workload, threads).map_or_else(dash, two_digits),
            workload.bar.map_or_else(dash, |bar| format!("≤ {bar}")),
            to_floor(results, workload, threads).map_or_else(dash, two_digits),
        );
    }
}

/// Throughput, latencies, memory and allocations of all workloads.
fn details(page: &mut String, results: &Results) {
    type Format = fn(f64) -> String;
    let tables: [(&str, Measure, Format); 5] = [
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
    ];
    for (title, measure, format) in tables {
        let _ = writeln!(page, "\n## {title}\n");
        table(page, results, &rows(results, None), measure, format);
    }
}

/// What is measured of idle connections and queued commands alone.
fn connections(page: &mut String, results: &Results) {
    let _ = writeln!(
        page,
        "\n## Heap memory of an idle connection, and of a queued command with its task; bytes\n"
    );
    table(
        page,
        results,
        &rows(results, None),
        Measure::HeapEach,
        grouped,
    );
}

fn table(
    page: &mut String,
    results: &Results,
    rows: &[(Workload, u8)],
    measure: Measure,
    format: fn(f64) -> String,
) {
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.title).collect();
    let _ = writeln!(page, "| workload | threads | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|---|{}", "--:|".repeat(CLIENTS.len()));
    for &(workload, threads) in rows {
        let values: Vec<Option<f64>> = CLIENTS
            .into_iter()
            .map(|client| results.median(workload, threads, client, measure))
            .collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let cells: Vec<String> = values
            .into_iter()
            .map(|value| value.map_or_else(dash, format))
            .collect();
        let _ = writeln!(
            page,
            "| {} | {threads} | {} |",
            workload.title,
            cells.join(" | ")
        );
    }
}

/// What does not reach its bar.
fn shortfalls(page: &mut String, results: &Results) {
    let _ = writeln!(page, "\n## What falls short\n");
    let before = page.len();
    for (workload, threads) in rows(results, None) {
        let ratio = to_peer(results, workload, threads);
        if let (Some(bar), Some(ratio)) = (workload.bar, ratio)
            && ratio > bar
        {
            let _ = writeln!(
                page,
                "- {}, threads: {threads}: {ratio:.2} of the best peer's CPU time, the bar is {bar}",
                workload.title
            );
        }
        if workload.bar.is_some()
            && results
                .median(workload, threads, TYPEDIS, Measure::Cpu)
                .is_none()
        {
            let _ = writeln!(
                page,
                "- {}, threads: {threads}: not measured",
                workload.title
            );
        }
    }
    if page.len() == before {
        page.push_str("Nothing.\n");
    }
    page.push('\n');
}

fn to_peer(results: &Results, workload: Workload, threads: u8) -> Option<f64> {
    let best = results.best_peer(workload, threads)?;
    results.ratio(workload, threads, (TYPEDIS, best), Measure::Cpu)
}

fn to_floor(results: &Results, workload: Workload, threads: u8) -> Option<f64> {
    results.ratio(workload, threads, (TYPEDIS, FLOOR), Measure::Cpu)
}

fn lines(results: &Results, threads: u8) -> String {
    let tasks: Vec<Workload> = workloads()
        .into_iter()
        .filter(|workload| workload.name == "get")
        .collect();
    let series: Vec<Series> = CLIENTS
        .into_iter()
        .map(|client| Series {
            name: client.title,
            points: tasks
                .iter()
                .filter_map(|&one| {
                    let cost = results.median(one, threads, client, Measure::Cpu)?;
                    Some((one.size as f64, cost))
                })
                .collect(),
        })
        .collect();
    let ticks: Vec<f64> = tasks.iter().map(|one| one.size as f64).collect();
    let title = format!("CPU time per GET, runtime of {threads} thread(s)");
    plot::lines(&title, ("tasks on one connection", "ns"), &ticks, &series)
}

fn ratios(results: &Results) -> String {
    let bars: Vec<(String, f64)> = rows(results, None)
        .into_iter()
        .filter_map(|(workload, threads)| {
            let ratio = to_peer(results, workload, threads)?;
            let plain = workload.title.replace('`', "");
            let threads = if threads == 2 { ", 2 threads" } else { "" };
            Some((format!("{plain}{threads}"), ratio))
        })
        .collect();
    plot::bars("CPU time of typedis ÷ best peer (line: 1)", &bars)
}

pub(super) fn dash() -> String {
    "–".to_owned()
}

/// A whole number with commas between the thousands.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn two_digits(value: f64) -> String {
    format!("{value:.2}")
}

fn microseconds(value: f64) -> String {
    format!("{:.0}", value / 1000.0)
}

fn mebibytes(value: f64) -> String {
    format!("{:.1}", value / 1024.0 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7.4), "7");
        assert_eq!(grouped(999.6), "1,000");
        assert_eq!(grouped(1_234_567.0), "1,234,567");
    }
}
