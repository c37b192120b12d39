//! `docs/benchmarks.md` and its plots, written only from the results.
//!
//! # Layout
//!
//! - this file: the page and its plots
//! - `tables`: its tables
//! - `shortfalls`: its list of what falls short

use std::fs;
use std::path::PathBuf;

use super::compare::Measure;
use super::plan::{CLIENTS, Group, Via, Workload, workloads};
use super::plot::{self, Bar, Series};
use super::results::Results;
use super::{compile, guard};
use crate::{Result, cargo};

pub(super) mod shortfalls;
mod tables;

/// The explanation of the results, and what was tried; written by hand.
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
    let queued = growth(results, "burst", "CPU time per GET, all queued at once");
    fs::write(folder.join("queued.svg"), queued)?;
    let list = "CPU time per element of LRANGE, in pieces of 16 KiB";
    fs::write(
        folder.join("elements.svg"),
        growth(results, "lrange-strings", list),
    )?;
    let path = docs.join("benchmarks.md");
    fs::write(&path, text(results)?)?;
    Ok(path)
}

fn text(results: &Results) -> Result<String> {
    let mut page = head(results);
    for group in Group::ALL {
        tables::costs(&mut page, results, group);
    }
    tables::details(&mut page, results);
    compile::report(&mut page, results);
    guard::report(&mut page)?;
    shortfalls::write(&mut page, results);
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
         workloads in turn, A B C … A B C …, and check what they receive; figures are medians over the rounds, ratios \
         medians of the ratios within a round, with the least and the most of them in brackets. *CPU* is user and system time of the client's process, the measure that other load disturbs least. \
         The *floor* is a blocking socket that writes fixed bytes and reads as many as come back, without a client: \
         nothing that uses a socket can do with less; at N tasks it writes N commands at once.\n\n\
         ![CPU time per GET, one thread](benchmarks/get-1.svg)\n\n\
         ![CPU time per GET, two threads](benchmarks/get-2.svg)\n\n\
         ![CPU time, typedis to best peer](benchmarks/ratios.svg)\n\n\
         What each of many costs; a level line is linear growth:\n\n\
         ![CPU time of queued commands](benchmarks/queued.svg)\n\n\
         ![CPU time of elements](benchmarks/elements.svg)\n",
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

fn lines(results: &Results, threads: u8) -> String {
    let tasks: Vec<Workload> = workloads()
        .into_iter()
        .filter(|workload| workload.name == "get" && workload.via == Via::Direct)
        .collect();
    let title = match threads {
        1 => "CPU time per GET, runtime of one thread",
        _ => "CPU time per GET, runtime of two threads",
    };
    curves(results, &tasks, threads, (title, "tasks on one connection"))
}

/// The cost of each as their number grows: a level line means linear growth.
fn growth(results: &Results, name: &str, title: &str) -> String {
    let sizes: Vec<Workload> = workloads()
        .into_iter()
        .filter(|workload| workload.group == Group::Growth && workload.name == name)
        .collect();
    curves(results, &sizes, 1, (title, "how many"))
}

/// A line for each client through the workloads, which differ in size.
fn curves(
    results: &Results,
    sizes: &[Workload],
    threads: u8,
    (title, across): (&str, &str),
) -> String {
    let point = |workload: Workload, client| {
        let cost = results.median(workload, threads, client, Measure::Cpu)?;
        Some((workload.size as f64, cost / workload.elements()))
    };
    let series: Vec<Series> = CLIENTS
        .into_iter()
        .map(|client| Series {
            name: client.title,
            points: sizes.iter().filter_map(|&one| point(one, client)).collect(),
        })
        .collect();
    let ticks: Vec<f64> = sizes
        .iter()
        .map(|one| one.size as f64)
        .filter(|size| {
            series
                .iter()
                .any(|line| line.points.iter().any(|(x, _)| x == size))
        })
        .collect();
    plot::lines(title, (across, "ns"), &ticks, &series)
}

fn ratios(results: &Results) -> String {
    let bars: Vec<Bar> = rows(results, None)
        .into_iter()
        .filter(|(workload, _)| workload.group != Group::Growth)
        .filter_map(|(workload, threads)| {
            let ratio = results.to_peer(workload, threads, Measure::Cpu)?.median;
            let plain = workload.title.replace('`', "");
            let runtime = if threads == 2 { ", 2 threads" } else { "" };
            Some(Bar {
                name: format!("{plain}{runtime}"),
                value: ratio,
                limit: workload.bar_on(threads),
            })
        })
        .collect();
    plot::bars("CPU time of typedis ÷ best peer (marks: the bars)", &bars)
}
